import { defineCommand } from '../command.ts';
import { checkAgentFlags, checkServerFlags } from '../compose/check.ts';
import { readClusterFile, type ClusterFile } from '../compose/cluster-file.ts';
import {
  advertiseOption,
  agentOptions,
  commonOptions,
  defaultNodeName,
  loggerOf,
  serverOptions,
} from '../compose/flags.ts';
import { lockDataDir } from '../compose/lock.ts';
import { runNode } from '../compose/cluster-node.ts';
import { runManager } from '../compose/node.ts';
import { usageError } from '../errors.ts';

export const command = defineCommand({
  describe:
    'Run this machine: a whole cluster of its own, or the part that `orc init` or `orc join` gave it in one.',
  examples: [
    ['orc up', 'Start on the local Docker Engine; state in the default data directory'],
    ['orc up --runtime simulated --data-dir /tmp/try', 'Try it without an engine'],
    ['orc up --listen 127.0.0.1:7000 --data-dir /srv/second', 'A second cluster beside the first'],
    ['orc up --advertise 10.1.0.5', 'After the address of this machine in its cluster has changed'],
    [
      'orc up --etcd-endpoints https://10.0.0.5:2379 --etcd-ca-file ca.pem',
      'Keep the state in an etcd of yours',
    ],
  ],
  epilog:
    'Writes a context for the CLI (and kubectl) to $ORC_CONFIG or ~/.orc/config.\n' +
    'Ctrl-C or SIGTERM stops orc; containers run on, and the next `orc up` takes them over.',
  options: (yargs) =>
    agentOptions(serverOptions(commonOptions(yargs))).option('advertise', {
      ...advertiseOption,
      defaultDescription: 'as it is',
      describe: 'The machine of a cluster has moved: address (and port) by which others reach it from now on',
    }),

  async run(context, flags) {
    const logger = loggerOf(flags);
    checkAgentFlags(flags);
    const listen = await checkServerFlags(flags);
    const unlock = await lockDataDir(flags.dataDir, 'orc');
    try {
      const run = { ...context, logger };
      const file = await readClusterFile(flags.dataDir);
      if (file === undefined) {
        if (flags.advertise !== undefined)
          throw usageError(
            '--advertise is for a machine of a cluster, and this one is alone',
            'make it one that others can join: `orc init --advertise …`',
          );
        const { runtime, dockerHost } = flags;
        const nodeName = flags.nodeName ?? defaultNodeName();
        const agent = { runtime, dockerHost };
        await runManager(run, { ...flags, nodeName, listen }, agent);
      } else {
        checkSameName(flags.nodeName, file);
        await runNode(run, flags, file);
      }
    } finally {
      await unlock();
    }
  },
});

function checkSameName(given: string | undefined, { nodeName }: ClusterFile): void {
  if (given === undefined || given === nodeName) return;
  throw usageError(
    `--node-name ${given}: this machine is ${nodeName} in its cluster`,
    'a name is for life: to change it, leave the cluster and join again',
  );
}
