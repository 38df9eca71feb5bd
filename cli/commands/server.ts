import { defineCommand } from '../command.ts';
import { commonOptions, defaultNodeName, loggerOf, serverOptions } from '../compose/flags.ts';
import { checkServerFlags } from '../compose/check.ts';
import { writeContext } from '../compose/context.ts';
import { checkListen } from '../compose/listen.ts';
import { lockDataDir } from '../compose/lock.ts';
import { startManager } from '../compose/manager.ts';
import { untilAborted } from '../compose/wait.ts';
import { note } from '../io.ts';

export const command = defineCommand({
  describe: 'Run the API server, etcd and the controllers, without an agent.',
  examples: [
    ['orc server', 'Everything of a manager but the agent'],
    ['orc server --controllers=scheduler,replicas', 'Only these controllers in this process'],
  ],
  options: (yargs) =>
    serverOptions(commonOptions(yargs)).option('node-name', {
      type: 'string',
      default: defaultNodeName(),
      describe: 'Name of this server, and of the node whose certificate is made',
    }),

  async run({ io, signal, clock }, flags) {
    const logger = loggerOf(flags);
    const listen = await checkServerFlags(flags);
    const unlock = await lockDataDir(flags.dataDir, 'orc');
    try {
      await checkListen(listen);
      const manager = await startManager({
        ...flags,
        listen,
        logger,
        signal,
        clock,
        onWait: (message) => note(io, message),
      });
      try {
        const context = await writeContext(io, manager);
        note(io, `orc server is up at ${manager.url}; ${context}`);
        await untilAborted(signal);
      } finally {
        await manager.close();
      }
    } finally {
      await unlock();
    }
  },
});
