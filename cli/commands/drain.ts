import type { Service, Task } from '../../api-schemas/index.ts';
import { startInformer, type Client } from '../../client/index.ts';
import { defineCommand, type Context, type ExitCode } from '../command.ts';
import type { Connection } from '../connection.ts';
import { duration } from '../flags.ts';
import { note, say } from '../io.ts';
import { nodeName, setAvailability } from '../nodes.ts';
import { wordsOf } from '../wait/observe.ts';
import { live } from '../wait/live.ts';
import {
  isAlive,
  serviceOf,
  strandedBy,
  strandedText,
  together,
  unplaced,
  type Stranded,
} from '../wait/stranded.ts';

export const command = defineCommand({
  positionals: '<node>',
  describe: 'Move all tasks off a node, and take no new ones.',
  examples: [
    ['orc drain node-b', 'Move its tasks elsewhere, and wait until none is left'],
    ['orc drain node-b --no-wait', 'Only start it'],
  ],
  epilog:
    'Tasks get their replacement first, then stop, where the service allows it; a service with a budget\n' +
    '(`disruption.maxUnavailable`) gives up no more at a time. `orc uncordon NODE` ends the drain, `orc drain NODE`\n' +
    'goes on with it; nothing is started on the node meanwhile.\n' +
    'Exit codes: 0 empty, 1 failed, 2 wrong usage, 3 not empty within --timeout, 130 interrupted (the drain goes on).',
  options: (yargs) =>
    yargs
      .positional('node', { type: 'string', demandOption: true, describe: 'Name of the node' })
      .option('wait', {
        type: 'boolean',
        default: true,
        describe: 'Wait until no task is left; --no-wait does not',
      })
      .option('timeout', { type: 'string', default: '10m', describe: 'Longest wait' }),

  async run(context, args) {
    const timeoutMs = duration(args.timeout, '--timeout');
    const name = nodeName(args.node);
    const connection = await context.connect();
    const { items } = await connection.client.list('Task', {
      signal: context.signal,
      fieldSelector: `spec.nodeName=${name}`,
    });
    const before = items.filter(isAlive);
    const stranded = await foresee(connection.client, name, before, context.signal);
    const warning = strandedText(name, stranded, 'before');
    if (warning !== undefined) note(context.io, `warning: ${warning}`);
    const changed = await setAvailability(connection.client, name, 'drain', context.signal);
    say(context.io, `node/${name} ${changed ? 'draining' : 'already draining'}`);
    return args.wait ? waitEmpty(context, connection, name, { timeoutMs, before }) : 0;
  },
});

/** Which of these tasks have no other node now, as far as that can be told. */
async function foresee(
  client: Client,
  name: string,
  tasks: readonly Task[],
  signal: AbortSignal,
): Promise<Stranded> {
  const [nodes, services] = await Promise.all([
    client.list('Node', { signal }),
    client.list('Service', { signal }),
  ]);
  return strandedBy(name, { nodes: nodes.items, services: services.items, tasks });
}

async function waitEmpty(
  context: Context,
  { client }: Connection,
  name: string,
  { timeoutMs, before }: { readonly timeoutMs: number; readonly before: readonly Task[] },
): Promise<ExitCode> {
  const onChange = (): void => wait.wake();
  const onTask = (_: unknown, task: Task): void => {
    if (isAlive(task)) emptied.add(serviceOf(task));
    onChange();
  };
  const fieldSelector = `spec.nodeName=${name}`;
  const tasks = startInformer(client, 'Task', { fieldSelector }, { onChange: onTask });
  const services = startInformer(client, 'Service', {}, { onChange });
  const node = startInformer(client, 'Node', { fieldSelector: `metadata.name=${name}` }, { onChange });
  let synced = false;
  const emptied = new Set(before.map(serviceOf));
  const left = (): readonly Task[] => tasks.list().filter(isAlive);
  const isEnded = (): boolean => node.list().some(({ spec }) => spec.availability !== 'drain');
  const wait = live(context, timeoutMs, () => ({
    done: synced && (left().length === 0 || isEnded()),
    lines: synced ? linesOf(name, left(), services.list()) : [],
  }));
  Promise.all([tasks.synced, services.synced, node.synced]).then(
    () => {
      synced = true;
      wait.wake();
    },
    () => undefined,
  );
  const code = await wait.ended;
  for (const informer of [tasks, services, node]) informer.stop();
  if (code === 0 && isEnded() && left().length > 0) {
    note(
      context.io,
      `error: the drain was ended: node/${name} takes tasks again; ${String(left().length)} stay on it`,
    );
    return 1;
  }
  if (code === 0) {
    say(context.io, `node/${name} drained`);
    const [foreseen, { items }] = await Promise.all([
      foresee(client, name, before, context.signal),
      client.list('Task', { signal: context.signal }),
    ]);
    const warning = strandedText(name, together(foreseen, unplaced(emptied, items)), 'after');
    if (warning !== undefined) note(context.io, `warning: ${warning}`);
  }
  if (code === 130)
    note(
      context.io,
      `\nInterrupted: the drain continues in the cluster. Look with \`orc describe node/${name}\`.`,
    );
  if (code === 3) {
    note(
      context.io,
      `error: node/${name} still has ${String(left().length)} tasks after the timeout; the drain goes on`,
    );
    note(context.io, `hint: \`orc describe node/${name}\` says more`);
  }
  return code;
}

const maxShown = 15;

function linesOf(name: string, tasks: readonly Task[], services: readonly Service[]): string[] {
  if (tasks.length === 0) return [];
  const lines = tasks.slice(0, maxShown).map((task) => {
    const words = wordsOf(task);
    const state =
      task.spec.desiredState === 'Shutdown' ? 'stopping' : (task.status?.state ?? 'New').toLowerCase();
    return `  ${task.metadata.namespace ?? ''}/${task.metadata.name}  ${state}${words === undefined ? '' : `  ${words}`}`;
  });
  const more = tasks.length - maxShown;
  return [
    `node/${name}  ${String(tasks.length)} tasks left`,
    ...lines,
    ...(more > 0 ? [`  and ${String(more)} more`] : []),
    ...heldOf(tasks, services),
  ];
}

/** What the services of these tasks say of why they stay. */
function heldOf(tasks: readonly Task[], services: readonly Service[]): string[] {
  const wanted = new Set(tasks.map(({ metadata, spec }) => `${metadata.namespace ?? ''}/${spec.service}`));
  return services.flatMap(({ metadata, status }) => {
    const held = status?.conditions?.find(({ type }) => type === 'DrainHeld');
    const key = `${metadata.namespace ?? ''}/${metadata.name}`;
    return held?.status === 'True' && wanted.has(key) ? [`  service ${key}: ${held.message}`] : [];
  });
}
