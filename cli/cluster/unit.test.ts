import { describe, expect, test } from '@jest/globals';
import { golden } from '../testing.ts';
import { unitText, type UnitOptions } from './unit.ts';

const options: UnitOptions = {
  kind: 'up',
  dataDir: '/var/lib/orc',
  program: ['/usr/bin/node', '/opt/orc/bin/orc.mjs'],
  configDir: '/root/.orc',
  args: [],
};

describe('the systemd unit', () => {
  for (const kind of ['up', 'server', 'agent'] as const)
    test(`of ${kind} is as it was reviewed`, () => {
      const text = unitText({ ...options, kind });
      expect(text).toBe(golden(`unit-${kind}.service`, text));
    });

  test('has its words quoted as systemd reads them', () => {
    const args = ['--docker-host', 'unix:///run/my docker.sock', '--node-name', '100%$"x"'];
    const text = unitText({ ...options, dataDir: '/srv/orc', args });
    expect(text).toContain(
      'ExecStart=/usr/bin/node /opt/orc/bin/orc.mjs up --data-dir /srv/orc ' +
        '--docker-host "unix:///run/my docker.sock" --node-name "100%%$$\\"x\\""\n',
    );
    expect(text).toContain('ReadWritePaths=/srv/orc /root/.orc /run/xtables.lock /run/wireguard\n');
  });

  test('gives a server no more than it needs', () => {
    const text = unitText({ ...options, kind: 'server' });
    expect(text).toContain('CapabilityBoundingSet=CAP_NET_BIND_SERVICE\n');
    expect(text).toContain('ProtectKernelTunables=yes\n');
    expect(text).not.toContain('docker');
    const own = unitText({
      ...options,
      kind: 'server',
      configDir: '/etc/orc',
      configFile: '/etc/orc/config',
    });
    expect(own).toContain('Environment=ORC_CONFIG=/etc/orc/config\n');
  });
});
