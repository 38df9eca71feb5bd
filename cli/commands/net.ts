import { diagnose } from '../net/diagnose.ts';
import { gather } from '../net/gather.ts';
import { linesOf } from '../net/print.ts';
import { rotateKeys } from '../net/rotate-keys.ts';
import { defineCommand } from '../command.ts';
import type { Connection } from '../connection.ts';
import { CliError } from '../errors.ts';
import { duration } from '../flags.ts';
import { note, say, type Io } from '../io.ts';
import { nodeName } from '../nodes.ts';
import { paletteFor } from '../output/color.ts';
import { redraw } from '../output/redraw.ts';
import { toJson } from '../output/yaml.ts';

export const command = defineCommand({
  positionals: '<action>',
  describe:
    'Try the networks of the cluster, from every node: which path fails, at which step, and what to do.',
  examples: [
    ['orc net check', 'All nodes, networks, services and published ports'],
    ['orc net check --network shop-default', 'One network of the namespace, and what is on it'],
    ['orc net check -n shop', 'The networks of a namespace'],
    ['orc net check --node n2', 'What n2 sees, and the paths to it'],
    ['orc net rotate-keys', 'Have all nodes make new keys for encrypted networks, now'],
    ['orc net check -o wide', 'With each path, how long it took, and what agents have counted'],
  ],
  epilog:
    'Every agent sends small and full packets to the others of its networks, in both directions; asks the name and\n' +
    'connects to the virtual IP and the endpoints of each service, out of a container on the network; and connects to\n' +
    'each published port of its node and what is behind it. A connection is opened and closed, nothing is sent.\n' +
    'Only admins may ask. Exit codes: 0 all is well, 1 something fails, or an agent does not answer.',
  options: (yargs) =>
    yargs
      .positional('action', {
        choices: ['check', 'rotate-keys'] as const,
        demandOption: true,
        describe: 'What to do',
      })
      .option('network', {
        type: 'string',
        describe: 'Only this network (in the namespace), and what is on it',
      })
      .option('node', { type: 'string', describe: 'Only what this node sees, and the paths to it' })
      .option('output', {
        alias: 'o',
        type: 'string',
        choices: ['wide', 'json'] as const,
        describe: 'How to print',
      })
      .option('timeout', { type: 'string', default: '60s', describe: 'Longest wait for one node' }),

  async run(context, flags) {
    const { io, signal } = context;
    const timeoutMs = duration(flags.timeout, '--timeout');
    const connection = await context.connect();
    if (flags.action === 'rotate-keys') {
      say(io, await rotateKeys(connection.client, signal));
      return 0;
    }
    const networks = await networksOf(connection, context.flags.namespace, flags.network, signal);
    const node = flags.node === undefined ? undefined : nodeName(flags.node);
    // Throws when there is none.
    if (node !== undefined) await connection.client.get('Node', { name: node }, signal);
    const progress = progressOn(io);
    const gathered = await gather(connection.client, {
      ...{ timeoutMs, signal, onProgress: progress.show },
      ...(networks === undefined ? {} : { networks }),
      ...(node === undefined ? {} : { node }),
    }).finally(() => progress.end());
    const diagnosis = diagnose(gathered);
    if (flags.output === 'json') {
      const { silent, reports } = gathered;
      io.stdout.write(toJson({ ...diagnosis, silent: Object.fromEntries(silent), reports }));
    } else {
      const options = { wide: flags.output === 'wide', palette: paletteFor(io.color) };
      for (const line of linesOf(gathered, diagnosis, options)) say(io, line);
    }
    return diagnosis.problems.length === 0 ? 0 : 1;
  },
});

/** `namespace/name` of those that are asked for; undefined: all. Throws when there is none. */
async function networksOf(
  { client, namespace }: Connection,
  asked: string | undefined,
  name: string | undefined,
  signal: AbortSignal,
): Promise<readonly string[] | undefined> {
  if (name !== undefined) {
    await client.get('Network', { namespace, name }, signal);
    return [`${namespace}/${name}`];
  }
  if (asked === undefined) return undefined;
  const { items } = await client.list('Network', { namespace: asked, signal });
  if (items.length > 0) return items.map(({ metadata }) => `${asked}/${metadata.name}`);
  throw new CliError(`namespace ${asked} has no networks`, {
    remedy: '`orc get networks -A` shows those that there are',
  });
}

function progressOn(io: Io): {
  readonly show: (done: number, total: number) => void;
  readonly end: () => void;
} {
  const block = io.stderrTty ? redraw(io.stderr) : undefined;
  return {
    show(done, total) {
      if (block !== undefined)
        block.draw([`${String(done)} of ${String(total)} nodes have tried their networks`]);
      else if (total === 0) note(io, 'no agent is connected');
    },
    end: () => block?.end(),
  };
}
