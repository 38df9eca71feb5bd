import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { defineCommand } from '../command.ts';
import { agentOptions, commonOptions, defaultPort, loggerOf } from '../compose/flags.ts';
import { checkAgentFlags, checkServerUrls } from '../compose/check.ts';
import { lockDataDir } from '../compose/lock.ts';
import { startWorker } from '../compose/worker.ts';
import { untilAborted } from '../compose/wait.ts';
import { CliError } from '../errors.ts';
import { note } from '../io.ts';

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

  async run({ io, signal }, flags) {
    const logger = loggerOf(flags);
    checkAgentFlags(flags);
    checkServerUrls(flags.serverUrl);
    const unlock = await lockDataDir(flags.dataDir, 'agent');
    try {
      const read = (name: string): string => {
        const path = join(flags.dataDir, 'pki', name);
        try {
          return readFileSync(path, 'utf8');
        } catch (error) {
          throw new CliError(`cannot read ${path}: start \`orc server\` on this data directory first`, {
            cause: error,
          });
        }
      };
      const worker = await startWorker({
        ...flags,
        role: 'worker',
        endpoints: flags.serverUrl,
        tls: { ca: read('ca.crt'), cert: read('node.crt'), key: read('node.key') },
        logger,
      });
      note(io, `orc agent is up: node ${flags.nodeName}, server ${flags.serverUrl.join(', ')}`);
      await untilAborted(signal);
      await worker.close();
    } finally {
      await unlock();
    }
  },
});
