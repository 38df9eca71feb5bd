import { defineCommand } from '../command.ts';
import {
  commonOptions,
  defaultNodeName,
  loggerOf,
  nodeNameOption,
  parseListen,
  serverOptions,
} from '../compose/flags.ts';
import { checkServerFlags } from '../compose/check.ts';
import { readClusterFile } from '../compose/cluster-file.ts';
import { lockDataDir } from '../compose/lock.ts';
import { runManager } from '../compose/node.ts';
import { runServer } from '../compose/server.ts';

export const command = defineCommand({
  describe: 'Run the API server, etcd and the controllers, without an agent.',
  examples: [
    ['orc server', 'Everything of a manager but the agent'],
    ['orc server --controllers=scheduler,replicas', 'Only these controllers in this process'],
  ],
  epilog:
    'After `orc node demote` it leaves etcd and ends with exit code 4, which the unit of `orc systemd-unit server` does\n' +
    'not start again: the agent of this machine goes on. On a worker it ends with that code, too.',
  options: (yargs) =>
    serverOptions(commonOptions(yargs)).option('node-name', {
      ...nodeNameOption,
      describe: 'Name of this server, and of the node whose certificate is made',
    }),

  async run(context, flags) {
    const logger = loggerOf(flags);
    const listen = await checkServerFlags(flags);
    const unlock = await lockDataDir(flags.dataDir, 'orc');
    try {
      const file = await readClusterFile(flags.dataDir);
      const nodeName = file?.nodeName ?? flags.nodeName ?? defaultNodeName();
      const saved = flags.listen === undefined ? file?.manager?.listen : undefined;
      const where = saved === undefined ? listen : parseListen(saved);
      const server = { ...flags, nodeName, listen: where };
      const run = { ...context, logger };
      await (file === undefined ? runManager(run, server) : runServer(run, server, file));
    } finally {
      await unlock();
    }
  },
});
