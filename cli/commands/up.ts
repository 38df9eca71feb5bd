import { defineCommand } from '../command.ts';
import { agentOptions, commonOptions, loggerOf, serverOptions } from '../compose/flags.ts';
import { checkAgentFlags, checkServerFlags } from '../compose/check.ts';
import { writeContext } from '../compose/context.ts';
import { checkListen } from '../compose/listen.ts';
import { lockDataDir } from '../compose/lock.ts';
import { startManager } from '../compose/manager.ts';
import { startWorker } from '../compose/worker.ts';
import { untilAborted } from '../compose/wait.ts';
import { note } from '../io.ts';

export const command = defineCommand({
  describe:
    'Run a whole cluster on this machine: API server, etcd, controllers and the agent, in one process.',
  examples: [
    ['orc up', 'Start on the local Docker Engine; state in the default data directory'],
    ['orc up --runtime simulated --data-dir /tmp/try', 'Try it without an engine'],
    ['orc up --listen 127.0.0.1:7000 --data-dir /srv/second', 'A second cluster beside the first'],
    [
      'orc up --etcd-endpoints https://10.0.0.5:2379 --etcd-ca-file ca.pem',
      'Keep the state in an etcd of yours',
    ],
  ],
  epilog:
    'Writes a context for the CLI (and kubectl) to $ORC_CONFIG or ~/.orc/config.\n' +
    'Ctrl-C or SIGTERM stops orc; containers run on, and the next `orc up` takes them over.',
  options: (yargs) => agentOptions(serverOptions(commonOptions(yargs))),

  async run({ io, signal, clock }, flags) {
    const started = clock.now();
    const logger = loggerOf(flags);
    checkAgentFlags(flags);
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
        const { ca, node } = manager.pki;
        const worker = await startWorker({
          ...flags,
          role: 'manager',
          endpoints: [manager.url],
          tls: { ca: ca.cert, cert: node.cert, key: node.key },
          logger,
        });
        note(
          io,
          `orc is up at ${manager.url} (${((clock.now() - started) / 1000).toFixed(1)} s); ${context}`,
        );
        await untilAborted(signal);
        logger.info('stopping; containers run on');
        await worker.close();
      } finally {
        await manager.close();
      }
    } finally {
      await unlock();
    }
  },
});
