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
import { CliError } from '../errors.ts';

export const command = defineCommand({
  describe: 'Run the API server, etcd and the controllers, without an agent.',
  examples: [
    ['orc server', 'Everything of a manager but the agent'],
    ['orc server --controllers=scheduler,replicas', 'Only these controllers in this process'],
  ],
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
      if (file?.role === 'worker')
        throw new CliError(`this machine joined as a worker: run \`orc up --data-dir ${flags.dataDir}\``);
      const nodeName = file?.nodeName ?? flags.nodeName ?? defaultNodeName();
      const saved = flags.listen === undefined ? file?.manager?.listen : undefined;
      const where = saved === undefined ? listen : parseListen(saved);
      await runManager({ ...context, logger }, { ...flags, nodeName, listen: where }, file);
    } finally {
      await unlock();
    }
  },
});
