import { defineCommand } from '../command.ts';
import { advertisedAddress, formatAddress, urlOf } from '../compose/advertise.ts';
import { checkAgentFlags, checkServerFlags } from '../compose/check.ts';
import { readClusterFile, writeClusterFile, type ClusterFile } from '../compose/cluster-file.ts';
import {
  agentOptions,
  commonOptions,
  defaultNodeName,
  defaultPort,
  loggerOf,
  listenOption,
  memberOptions,
} from '../compose/flags.ts';
import { joinHint } from '../compose/join-hint.ts';
import { lockDataDir } from '../compose/lock.ts';
import { runNode } from '../compose/cluster-node.ts';
import { CliError } from '../errors.ts';
import { note } from '../io.ts';

export const command = defineCommand({
  describe: 'Make this machine the first manager of a cluster, and run it.',
  examples: [
    ['orc init', 'The first manager; says how others join, in a terminal with the command for workers'],
    ['orc init --advertise 10.0.0.5', 'Where the machine has several addresses'],
    ['orc init --no-start && systemctl enable --now orc', 'Prepare only; `orc systemd-unit` prints the unit'],
  ],
  epilog:
    'The data directory keeps what the machine is: every later start is `orc up`. A data directory of an earlier\n' +
    '`orc up` keeps its objects and containers, and can be joined from then on.',
  options: (yargs) => memberOptions(agentOptions(commonOptions(yargs).option('listen', listenOption))),

  async run(context, flags) {
    const { io } = context;
    const logger = loggerOf(flags);
    checkAgentFlags(flags);
    const listen = await checkServerFlags({ ...flags, listen: flags.listen ?? `0.0.0.0:${defaultPort}` });
    const unlock = await lockDataDir(flags.dataDir, 'orc');
    try {
      const known = await readClusterFile(flags.dataDir);
      if (known !== undefined) throw alreadyIn(known, flags.dataDir);
      const advertise = await advertisedAddress(flags.advertise, listen);
      const file: ClusterFile = {
        version: 1,
        nodeName: flags.nodeName ?? defaultNodeName(),
        role: 'manager',
        servers: [urlOf(advertise)],
        manager: {
          listen: formatAddress(listen),
          advertise: formatAddress(advertise),
          peerPort: flags.peerPort,
          etcd: 'new',
        },
      };
      await writeClusterFile(flags.dataDir, file);
      if (!flags.start) {
        note(
          io,
          `node ${file.nodeName} is ready to be the first manager: start it with \`orc up --data-dir ${flags.dataDir}\``,
        );
        return;
      }
      // It is written to stderr, beside what a service logs.
      const isTerminal = io.stdoutTty && io.stderrTty;
      await runNode({ ...context, logger }, { ...flags, listen: undefined }, file, ({ token }) =>
        joinHint(token, formatAddress(advertise), isTerminal),
      );
    } finally {
      await unlock();
    }
  },
});

const alreadyIn = ({ nodeName, role }: ClusterFile, dataDir: string): CliError =>
  new CliError(
    `this machine is in a cluster already, as ${role} ${nodeName} (${dataDir}): run it with \`orc up\`, or leave first with \`orc leave\``,
  );
