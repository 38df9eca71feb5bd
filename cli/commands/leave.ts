import { defineCommand } from '../command.ts';
import { checkAgentFlags } from '../compose/check.ts';
import { readClusterFileToLeave } from '../compose/cluster-file.ts';
import { dataDirOption, engineOptions, loggerOf } from '../compose/flags.ts';
import { leave } from '../compose/leave.ts';
import { lockDataDir } from '../compose/lock.ts';
import { CliError } from '../errors.ts';
import { say } from '../io.ts';

export const command = defineCommand({
  describe: 'Take this machine out of its cluster; its tasks are replaced on other nodes.',
  examples: [
    ['systemctl stop orc && orc leave', 'The machine is no node any more'],
    ['orc leave --keep-containers', 'Its containers run on, and nobody looks after them'],
    ['orc leave --force', 'Also where no manager answers, or the cluster ends with it'],
  ],
  epilog:
    'orc must not run on the data directory. `orc drain NODE` before moves the tasks without a gap. A manager leaves\n' +
    'etcd first; that is refused where the others would be no majority. Named volumes and images stay.',
  options: (yargs) =>
    engineOptions(dataDirOption(yargs))
      .option('force', {
        type: 'boolean',
        default: false,
        describe: 'Forget the cluster here even if it cannot be told, or ends',
      })
      .option('keep-containers', {
        type: 'boolean',
        default: false,
        describe: 'Leave the containers as they are',
      }),

  async run({ io, signal, clock }, flags) {
    const { dataDir, runtime, dockerHost, force, keepContainers } = flags;
    checkAgentFlags({ runtime, dockerHost });
    const file = await readClusterFileToLeave(dataDir);
    if (file === undefined) {
      throw new CliError(`this machine is in no cluster (${dataDir})`, {
        remedy:
          'what `orc up` alone has made ends with its data directory; another one is named with --data-dir',
      });
    }
    const locks = [await lock(dataDir, 'orc'), await lock(dataDir, 'agent')];
    try {
      // What is worth a word is said.
      const logger = loggerOf({ logLevel: 'error' });
      const options = { io, signal, clock, logger, dataDir, runtime, dockerHost, force, keepContainers };
      say(io, await leave(options, file));
    } finally {
      for (const unlock of locks) await unlock();
    }
  },
});

const lock = (dataDir: string, role: string): Promise<() => Promise<void>> =>
  lockDataDir(dataDir, role).catch((error: unknown) => {
    throw error instanceof CliError
      ? new CliError(error.message.replace(/:.*$/s, ''), {
          remedy: 'stop orc first (`systemctl stop orc`, or Ctrl-C where it runs), then leave',
          cause: error,
        })
      : error;
  });
