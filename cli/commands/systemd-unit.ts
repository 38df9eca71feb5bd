import { realpathSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { configPath } from '../../client/index.ts';
import { unitText } from '../cluster/unit.ts';
import { defineCommand } from '../command.ts';
import { dataDirOption } from '../compose/flags.ts';

export const command = defineCommand({
  positionals: '<kind>',
  describe: 'Print a systemd unit that runs orc on this machine, with as few rights as it needs.',
  examples: [
    [
      'orc systemd-unit up > /etc/systemd/system/orc.service',
      'A machine alone, or a node after `orc init --no-start` or `orc join --no-start`',
    ],
    ['orc systemd-unit server --data-dir /srv/orc', 'A server without an agent'],
    ['orc systemd-unit up -- --docker-host tcp://127.0.0.1:2375', 'With further flags of `orc up`'],
  ],
  epilog:
    'The unit names this very program, and its node. Stopping it leaves containers as they are; etcd stops with orc,\n' +
    'and runs on when orc crashes. Copy it, or override parts of it with `systemctl edit orc`.',
  options: (yargs) =>
    dataDirOption(yargs).positional('kind', {
      choices: ['up', 'server', 'agent'] as const,
      demandOption: true,
      describe: 'Which command it runs',
    }),

  run({ io }, { kind, dataDir, '--': args }) {
    const program = [
      process.execPath,
      '--enable-source-maps',
      '--no-warnings',
      realpathSync(process.argv[1] ?? ''),
    ];
    const configFile = io.env['ORC_CONFIG'] === '' ? undefined : io.env['ORC_CONFIG'];
    const configDir = dirname(resolve(configPath(io.env)));
    const more = Array.isArray(args) ? args.map(String) : [];
    io.stdout.write(unitText({ kind, dataDir, program, configDir, configFile, args: more }));
    return Promise.resolve();
  },
});
