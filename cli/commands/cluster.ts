import { defineCommand } from '../command.ts';
import { writeBackup } from '../cluster/backup.ts';
import { readPassphrase } from '../cluster/passphrase.ts';
import { clusterStatus } from '../cluster/status.ts';
import { advertisedAddress, formatAddress } from '../compose/advertise.ts';
import {
  advertiseOption,
  dataDirOption,
  defaultNodeName,
  defaultPort,
  loggerOf,
  nodeNameOption,
  parseListen,
} from '../compose/flags.ts';
import { lockDataDir } from '../compose/lock.ts';
import { recoverManager, restoreManager } from '../compose/restore.ts';
import { CliError, usageError } from '../errors.ts';
import { checkReadable, checkWritable } from '../file-flag.ts';
import { note, say } from '../io.ts';

export const command = defineCommand({
  positionals: '<action> [file]',
  describe: 'Show how a cluster is, back it up, restore it, or bring it back from its last manager.',
  examples: [
    ['orc cluster status', 'The managers, who leads, and what needs a person'],
    ['orc cluster backup orc.backup', 'The state and the CA, sealed under a passphrase'],
    ['orc cluster restore orc.backup --name n1', 'On a new machine; then `orc up`'],
    ['orc cluster recover --force', 'On the last manager, when the others are gone for good; then `orc up`'],
  ],
  epilog:
    'status: asks each manager, with what the context knows of them; exit code 1 when something needs a person.\n' +
    'backup: through any manager, while the cluster is used; --stale takes what one manager has when the majority is\n' +
    'lost. The passphrase comes from --passphrase-file, $ORC_PASSPHRASE, or is asked for.\n' +
    'restore, recover: on the machine itself, while orc does not run there. Containers that run are taken over.',
  options: (yargs) =>
    dataDirOption(yargs, 'restore, recover: of the manager that is made, or made the only one')
      .positional('action', {
        choices: ['status', 'backup', 'restore', 'recover'] as const,
        demandOption: true,
        describe: 'What to do',
      })
      .positional('file', { type: 'string', describe: 'backup, restore: the backup' })
      .option('output', {
        alias: 'o',
        type: 'string',
        choices: ['json'] as const,
        describe: 'status: how to print',
      })
      .option('passphrase-file', {
        type: 'string',
        describe: 'backup, restore: a file that holds the passphrase',
      })
      .option('stale', { type: 'boolean', default: false, describe: 'backup: without asking the majority' })
      .option('force', {
        type: 'boolean',
        default: false,
        describe: 'recover: yes, the others are gone; backup: replace the file that is there',
      })
      .option('listen', {
        type: 'string',
        defaultDescription: `0.0.0.0:${defaultPort}`,
        describe: 'restore: where the API listens',
      })
      .option('advertise', {
        ...advertiseOption,
        describe: 'restore: address (and port) by which other machines reach this one',
      })
      .option('peer-port', {
        type: 'number',
        default: defaultPort + 1,
        describe: 'restore: port of etcd, for the other managers only',
      })
      .option('node-name', { ...nodeNameOption, describe: 'restore: name of this node' }),

  async run(context, flags) {
    const { io, connect, signal } = context;
    switch (flags.action) {
      case 'status':
        return clusterStatus(context, flags.output);
      case 'backup': {
        const file = fileOf(flags.file, 'backup');
        checkWritable('a backup', file, flags.force);
        const passphrase = await readPassphrase(io, flags.passphraseFile, true);
        const { client } = await connect();
        const bytes = await writeBackup(client, { file, passphrase, staleOk: flags.stale, signal });
        return say(
          io,
          `${file}: ${bytes} bytes, checked. It opens with the passphrase only: keep both, apart`,
        );
      }
      case 'restore': {
        const file = fileOf(flags.file, 'restore');
        checkReadable('the backup', file);
        const passphrase = await readPassphrase(io, flags.passphraseFile, false);
        const listen = parseListen(flags.listen ?? `0.0.0.0:${defaultPort}`);
        const advertise = await advertisedAddress(flags.advertise, listen);
        const unlock = await lockDataDir(flags.dataDir, 'orc');
        try {
          const { createdAt, keys } = await restoreManager({
            file,
            passphrase,
            dataDir: flags.dataDir,
            nodeName: flags.nodeName ?? defaultNodeName(),
            manager: {
              listen: formatAddress(listen),
              advertise: formatAddress(advertise),
              peerPort: flags.peerPort,
            },
            logger: loggerOf({ logLevel: 'warn' }),
          });
          note(
            io,
            `restored ${keys} objects of ${createdAt}; start it with \`orc up --data-dir ${flags.dataDir}\``,
          );
          note(io, 'Nodes that do not find it at the old addresses are told the new one by joining again.');
        } finally {
          await unlock();
        }
        return;
      }
      case 'recover': {
        if (!flags.force) {
          throw new CliError(
            'recover makes a cluster of this manager alone: what others have and it has not is lost, and they must join anew. Run it with --force once they are gone for good',
          );
        }
        const unlock = await lockDataDir(flags.dataDir, 'orc');
        try {
          const name = await recoverManager(flags.dataDir);
          note(io, `${name} will be the only manager: start it with \`orc up --data-dir ${flags.dataDir}\``);
        } finally {
          await unlock();
        }
      }
    }
  },
});

function fileOf(file: string | undefined, action: 'backup' | 'restore'): string {
  if (file !== undefined) return file;
  throw usageError('no file is given', `e.g. orc cluster ${action} orc.backup`);
}
