import type { LogParams } from '../../client/index.ts';
import { messageOf } from '../../kit/errors.ts';
import { defineCommand, type Context } from '../command.ts';
import type { Connection } from '../connection.ts';
import { usageError } from '../errors.ts';
import { duration, joined, single, wholeNumber } from '../flags.ts';
import { note } from '../io.ts';
import { followLogs } from '../logs/follow.ts';
import { linesOf, mergeByTime, type LogLine } from '../logs/lines.ts';
import { printer, type Printer } from '../logs/print.ts';
import { hasContainer } from '../logs/tasks.ts';
import { listTasks, resolveTasks, type TaskSet } from '../tasks.ts';

export const command = defineCommand({
  positionals: '[target]',
  describe: 'Show what tasks print.',
  examples: [
    ['orc logs web', 'All tasks of service web (or one task of that name), in order of time'],
    ['orc logs -f --tail 20 service/web', 'Follow, from the last 20 lines of each; new tasks join'],
    ['orc logs task/web-1-x2f5k --since 10m --timestamps', 'One task, the last ten minutes'],
    ['orc logs -l orc.dev/stack=hello -f', 'All tasks with a label'],
  ],
  options: (yargs) =>
    yargs
      .positional('target', { type: 'string', describe: 'NAME, task/NAME, service/NAME or stack/NAME' })
      .option('follow', { alias: 'f', type: 'boolean', default: false, describe: 'Go on showing what comes' })
      .option('tail', {
        type: 'string',
        describe: 'Only that many lines from the end of each task; -1 or all: every line',
      })
      .option('since', {
        type: 'string',
        describe: 'Only what is newer: a duration (10m) or a time (RFC 3339)',
      })
      .option('timestamps', { type: 'boolean', default: false, describe: 'Begin each line with its time' })
      .option('prefix', {
        type: 'boolean',
        describe: 'Begin each line with its task (default: for more than one); --no-prefix does not',
      })
      .option('color', {
        type: 'boolean',
        default: true,
        describe: 'A colour per task, in a terminal; --no-color does without',
      })
      .option('selector', { alias: 'l', type: 'string', describe: 'All tasks with these labels' }),

  async run(context, args) {
    const params: LogParams = {
      ...tail(single(args.tail, '--tail')),
      ...since(single(args.since, '--since'), context.clock.now()),
    };
    const selector = joined(args.selector);
    if ((args.target === undefined) === (selector === undefined))
      throw usageError('name a task or service, or give -l', 'e.g. `orc logs web`');
    const connection = await context.connect();
    const { client, namespace } = connection;
    const set: TaskSet =
      args.target === undefined
        ? { kind: 'labels', selector: selector ?? '', what: `tasks with ${selector ?? ''}` }
        : await resolveTasks(client, namespace, args.target, context.signal);
    const print = printer(context.io, {
      prefix: args.prefix ?? set.kind !== 'task',
      color: args.color,
      timestamps: args.timestamps,
    });
    if (!args.follow) return showAll(context, connection, set, params, print);
    await followLogs({
      client,
      clock: context.clock,
      namespace,
      selector:
        set.kind === 'task'
          ? { fieldSelector: `metadata.name=${set.name}` }
          : { labelSelector: set.selector },
      params,
      signal: context.signal,
      onTask: (task) => print.know(task),
      onLine: (task, line) => print.line(task, line),
      onProblem: (task, message) => note(context.io, `task/${task.metadata.name}: ${message}`),
      untilFinished: set.kind === 'task',
    });
    return undefined;
  },
});

function tail(text: string | undefined): LogParams {
  if (text === undefined || text === '-1' || text === 'all') return {};
  const tailLines = wholeNumber(text, '--tail');
  return tailLines === undefined ? {} : { tailLines };
}

function since(text: string | undefined, now: number): LogParams {
  if (text === undefined) return {};
  if (/^\d{4}-/.test(text)) {
    if (Number.isNaN(Date.parse(text)))
      throw usageError(`--since: "${text}" is not a time`, 'e.g. 10m, or 2030-01-31T12:00:00Z');
    return { sinceTime: new Date(text).toISOString() };
  }
  return { sinceTime: new Date(now - duration(text, '--since')).toISOString() };
}

/** Everything that is there, merged by time. 1 when a task's log could not be read. */
async function showAll(
  context: Context,
  { client, namespace }: Connection,
  set: TaskSet,
  params: LogParams,
  print: Printer,
): Promise<number> {
  const tasks = await listTasks(client, namespace, set, context.signal);
  const withOutput = tasks.filter(hasContainer);
  if (withOutput.length === 0) {
    const what = set.kind === 'task' ? `task/${set.name}` : set.what;
    note(
      context.io,
      `${what} has not started a container yet: \`orc describe ${set.kind === 'task' ? what : 'tasks'}\` says why`,
    );
    return tasks.length === 0 ? 1 : 0;
  }
  withOutput.forEach((task) => print.know(task));
  let failed = false;
  const sources = withOutput.map((task) => ({
    tag: task,
    lines: read(
      async () =>
        client.logs({ namespace, name: task.metadata.name }, { ...params, timestamps: true }, context.signal),
      (message) => {
        failed = true;
        note(context.io, `task/${task.metadata.name}: ${message}`);
      },
    ),
  }));
  for await (const { tag, line } of mergeByTime(sources)) await print.line(tag, line);
  return failed ? 1 : 0;
}

async function* read(
  open: () => Promise<AsyncIterable<unknown>>,
  onProblem: (message: string) => void,
): AsyncGenerator<LogLine> {
  try {
    yield* linesOf(await open());
  } catch (error) {
    onProblem(messageOf(error));
  }
}
