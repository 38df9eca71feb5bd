import { defineCommand } from '../command.ts';
import { agentOptions, commonOptions, defaultNodeName, defaultPort, loggerOf } from '../compose/flags.ts';
import { checkAgentFlags, checkServerUrls } from '../compose/check.ts';
import { lockDataDir } from '../compose/lock.ts';
import { runWorker } from '../compose/node.ts';

export const command = defineCommand({
  describe: 'Run the agent of this node, with a server in another process.',
  examples: [
    [
      'orc agent --server-url https://127.0.0.1:6750',
      'The agent beside an `orc server` on one data directory',
    ],
  ],
  epilog:
    'The certificates are those that the server made in the data directory (`pki/ca.crt`, `node.crt`, `node.key`).',
  options: (yargs) =>
    agentOptions(commonOptions(yargs)).option('server-url', {
      type: 'string',
      array: true,
      default: [`https://127.0.0.1:${defaultPort}`],
      describe: 'Where the API server is; repeat it for several',
    }),

  async run(context, flags) {
    const logger = loggerOf(flags);
    checkAgentFlags(flags);
    checkServerUrls(flags.serverUrl);
    const unlock = await lockDataDir(flags.dataDir, 'agent');
    try {
      const { dataDir, runtime, dockerHost, nodeName = defaultNodeName() } = flags;
      const agent = { runtime, dockerHost };
      await runWorker({ ...context, logger }, { dataDir, nodeName, agent }, flags.serverUrl);
    } finally {
      await unlock();
    }
  },
});
