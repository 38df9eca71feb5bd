import { defineCommand } from '../command.ts';
import { advertisedAddress, formatAddress, parseAddress, urlOf } from '../compose/advertise.ts';
import { checkAgentFlags, checkServerFlags } from '../compose/check.ts';
import { readClusterFile, writeClusterFile } from '../compose/cluster-file.ts';
import {
  agentOptions,
  commonOptions,
  defaultNodeName,
  defaultPort,
  loggerOf,
  listenOption,
  memberOptions,
} from '../compose/flags.ts';
import { joinThrough, readToken } from '../compose/join.ts';
import { lockDataDir } from '../compose/lock.ts';
import { runNode } from '../compose/cluster-node.ts';
import { usageError } from '../errors.ts';
import { readFileOf } from '../file-flag.ts';
import { note, type Io } from '../io.ts';

export const command = defineCommand({
  positionals: '<managers..>',
  describe:
    'Make this machine a node of a cluster, and run it. The token says whether as worker or as manager.',
  examples: [
    [
      'orc join --token orc1-worker-… 10.0.0.5',
      '`orc token show worker` on a manager prints the whole command',
    ],
    ['orc join --token-file /run/token 10.0.0.5,10.0.0.6', 'The token is not seen in the list of processes'],
    ['orc join --token … --label zone=eu 10.0.0.5', 'With a label to place tasks by'],
  ],
  epilog:
    'The token pins the CA of the cluster: this machine trusts no other. The data directory keeps what the machine\n' +
    'is: every later start is `orc up`. A node whose certificate ran out joins again with the same command.',
  options: (yargs) =>
    memberOptions(agentOptions(commonOptions(yargs).option('listen', listenOption)))
      .positional('managers', {
        type: 'string',
        array: true,
        demandOption: true,
        describe: `Addresses of managers (HOST or HOST:PORT; port ${defaultPort})`,
      })
      .option('token', { type: 'string', describe: 'The join token; also $ORC_JOIN_TOKEN' })
      .option('token-file', { type: 'string', describe: 'A file that holds the token' })
      .option('label', {
        type: 'string',
        array: true,
        default: [] as string[],
        describe: 'Label KEY=VALUE of the new node; repeat it for several',
      }),

  async run(context, flags) {
    const { io } = context;
    const logger = loggerOf(flags);
    const token = readToken(tokenOf(io, flags));
    hideArguments();
    checkAgentFlags(flags);
    const listen = await checkServerFlags({ ...flags, listen: flags.listen ?? `0.0.0.0:${defaultPort}` });
    const addresses = flags.managers.flatMap((text) => text.split(',')).filter((text) => text !== '');
    const servers = addresses.map((text) => urlOf(parseAddress(text)));
    const labels = labelsOf(flags.label);
    const unlock = await lockDataDir(flags.dataDir, 'orc');
    try {
      const known = await readClusterFile(flags.dataDir);
      const nodeName = flags.nodeName ?? known?.nodeName ?? defaultNodeName();
      if (known !== undefined && (known.nodeName !== nodeName || known.role !== token.role)) {
        throw usageError(
          `this machine is ${known.role} ${known.nodeName} of a cluster already`,
          'join again with a token of that role and the same name, or leave first with `orc leave`',
        );
      }
      const towards = servers.map((server) => parseAddress(server).host);
      const advertise = await advertisedAddress(flags.advertise, listen, { towards });
      const joined = await joinThrough({
        dataDir: flags.dataDir,
        nodeName,
        token,
        servers,
        labels,
        manager: {
          listen: formatAddress(listen),
          advertise: formatAddress(advertise),
          peerPort: flags.peerPort,
        },
      });
      // A manager that has its etcd already keeps it.
      const file = known?.manager === undefined ? joined : { ...joined, manager: known.manager };
      await writeClusterFile(flags.dataDir, file);
      note(io, `node ${nodeName} has joined as ${file.role}`);
      if (!flags.start) {
        note(io, `start it with \`orc up --data-dir ${flags.dataDir}\``);
        return;
      }
      await runNode({ ...context, logger }, { ...flags, listen: undefined }, file);
    } finally {
      await unlock();
    }
  },
});

function tokenOf(io: Io, flags: { token?: string | undefined; tokenFile?: string | undefined }): string {
  const { token = io.env['ORC_JOIN_TOKEN'], tokenFile } = flags;
  if (tokenFile !== undefined) return readFileOf('--token-file', tokenFile);
  if (token !== undefined) return token;
  throw usageError('no token is given', 'give --token, --token-file or $ORC_JOIN_TOKEN');
}

/** The token was on the command line: what the list of processes shows is overwritten. */
const hideArguments = (): void => {
  process.title = 'orc join';
};

function labelsOf(pairs: readonly string[]): Readonly<Record<string, string>> {
  return Object.fromEntries(
    pairs.map((pair) => {
      const at = pair.indexOf('=');
      if (at <= 0) throw usageError(`--label ${pair}: expected KEY=VALUE`);
      return [pair.slice(0, at), pair.slice(at + 1)];
    }),
  );
}
