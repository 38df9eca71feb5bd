import type { ExecSession } from '../../client/index.ts';
import { defineCommand, type Context } from '../command.ts';
import { CliError, usageError } from '../errors.ts';
import { note, type Io } from '../io.ts';
import { findTask } from '../tasks.ts';

export const command = defineCommand({
  positionals: '<target>',
  describe: 'Run a command in a task’s container.',
  examples: [
    ['orc exec -it web-1-x2f5k sh', 'A shell in one task'],
    ['orc exec service/web -- ls -l /srv', 'In the first running task of a service'],
    ['orc exec --slot 2 service/web env', 'In the task of slot 2'],
    ['tar c . | orc exec -i task/web-1-x2f5k -- tar x -C /srv', 'With standard input'],
  ],
  epilog:
    'The exit code is that of the command. Flags of orc stand before the target; all behind it belongs to the command.',
  passThrough: true,
  options: (yargs) =>
    yargs
      .positional('target', {
        type: 'string',
        demandOption: true,
        describe: 'TASK, task/NAME, service/NAME or NAME',
      })
      .option('stdin', { alias: 'i', type: 'boolean', default: false, describe: 'Pass standard input' })
      .option('tty', { alias: 't', type: 'boolean', default: false, describe: 'Give the command a terminal' })
      .option('slot', { type: 'string', describe: 'Which slot of a service (for a global one: which node)' })
      .option('user', { alias: 'u', type: 'string', describe: 'Run as this user (name or uid, with :group)' })
      .option('workdir', { type: 'string', describe: 'Run in this directory' })
      .option('env', {
        alias: 'e',
        type: 'string',
        array: true,
        default: [] as string[],
        describe: 'NAME=value, may be repeated',
      }),

  async run(context, args) {
    const words = ((args as { '--'?: readonly (string | number)[] })['--'] ?? []).map(String);
    if (words.length === 0) throw usageError('name a command to run', 'e.g. `orc exec -it web-1-x2f5k sh`');
    const { client, namespace } = await context.connect();
    const task = await findTask(client, namespace, args.target, args.slot, context.signal);
    const tty = args.tty && context.io.stdin.isTTY === true;
    if (args.tty && !tty) note(context.io, 'warning: standard input is no terminal: going on without -t');
    const session = await client.exec(
      { namespace, name: task.metadata.name },
      {
        command: words,
        stdin: args.stdin || tty,
        tty,
        ...(args.user === undefined ? {} : { user: args.user }),
        ...(args.workdir === undefined ? {} : { workingDir: args.workdir }),
        ...(args.env.length === 0 ? {} : { env: args.env }),
      },
      context.signal,
    );
    return attach(context, session, args.stdin || tty, tty);
  },
});

async function attach(
  { io, signal }: Context,
  session: ExecSession,
  stdin: boolean,
  tty: boolean,
): Promise<number> {
  const restore = tty ? rawTerminal(io, session) : () => undefined;
  try {
    session.stdout.pipe(io.stdout, { end: false });
    session.stderr.pipe(io.stderr, { end: false });
    if (stdin) io.stdin.pipe(session.stdin);
    else session.stdin.end();
    const [end] = await Promise.all([session.ended, drained(session.stdout), drained(session.stderr)]);
    if (end.exitCode !== undefined) return end.exitCode;
    if (signal.aborted) return 130;
    throw new CliError(end.error ?? 'the command ended without an exit code');
  } finally {
    restore();
    io.stdin.unpipe(session.stdin);
    io.stdin.pause();
    session.close();
  }
}

const drained = (stream: NodeJS.ReadableStream): Promise<void> =>
  new Promise((resolve) => {
    stream.once('end', resolve);
    stream.once('close', resolve);
  });

/** Keys go to the command as they are typed, and it knows the terminal's size. */
function rawTerminal(io: Io, session: ExecSession): () => void {
  const resize = (): void => session.resize(io.columns(), io.rows());
  io.stdin.setRawMode?.(true);
  io.stdout.on('resize', resize);
  resize();
  return () => {
    io.stdin.setRawMode?.(false);
    io.stdout.off('resize', resize);
  };
}
