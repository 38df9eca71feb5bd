/** The systemd unit of a machine: runs as little as it can, and comes back. Pure. */

import { noServerHere } from '../command.ts';

export interface UnitOptions {
  readonly kind: 'up' | 'server' | 'agent';
  readonly dataDir: string;
  /** The program and what stands before its arguments, e.g. node and the path of orc. */
  readonly program: readonly string[];
  /** Directory of the CLI's contexts, which servers write. */
  readonly configDir: string;
  /** $ORC_CONFIG, where it is set. */
  readonly configFile?: string | undefined;
  /** Further words of the command. */
  readonly args: readonly string[];
}

const about = {
  up: 'orc: this machine in its cluster',
  server: 'orc: API server, controllers and etcd',
  agent: 'orc: agent of this node',
} as const;

export function unitText(options: UnitOptions): string {
  const { kind, dataDir, program, configDir, configFile, args } = options;
  const hasAgent = kind !== 'server';
  const hasServer = kind !== 'agent';
  const directories = [dataDir, ...(hasServer ? [configDir] : [])];
  const lock = '/run/xtables.lock';
  const sockets = '/run/wireguard';
  const command = [...program, kind, '--data-dir', dataDir, ...args];
  const lines = [
    `# Printed by \`orc systemd-unit ${kind}\`. As /etc/systemd/system/orc.service: systemctl enable --now orc`,
    '[Unit]',
    `Description=${about[kind]}`,
    `Wants=network-online.target${hasAgent ? ' docker.service' : ''}`,
    `After=network-online.target${hasAgent ? ' docker.service' : ''}`,
    '# It is started again for as long as it takes.',
    'StartLimitIntervalSec=0',
    '',
    '[Service]',
    'Type=exec',
    `ExecStartPre=+${words(['/bin/mkdir', '-p', '-m', '0700', ...directories, ...(hasAgent ? [sockets] : [])])}`,
    ...(hasAgent ? [`ExecStartPre=+${words(['/bin/touch', lock])}`] : []),
    ...(hasServer && configFile !== undefined ? [`Environment=${word(`ORC_CONFIG=${configFile}`)}`] : []),
    `ExecStart=${words(command)}`,
    'Restart=always',
    'RestartSec=1',
    ...(kind === 'server'
      ? ['# The machine was made a worker.', `RestartPreventExitStatus=${String(noServerHere)}`]
      : []),
    ...endOf(hasServer),
    'LimitNOFILE=1048576',
    'TasksMax=infinity',
    'OOMScoreAdjust=-900',
    'UMask=0077',
    '',
    '# What it may do. Node compiles code as it runs, so memory may be writable and executable.',
    'NoNewPrivileges=yes',
    `CapabilityBoundingSet=${capabilities(hasAgent).join(' ')}`,
    'ProtectSystem=strict',
    `ReadWritePaths=${words([...directories, ...(hasAgent ? [lock, sockets] : [])])}`,
    'PrivateTmp=yes',
    ...(hasAgent
      ? ['# wireguard-go makes devices by it.', 'DevicePolicy=closed', 'DeviceAllow=/dev/net/tun rw']
      : ['PrivateDevices=yes']),
    'ProtectClock=yes',
    'ProtectControlGroups=yes',
    'ProtectHostname=yes',
    'ProtectKernelLogs=yes',
    'ProtectKernelModules=yes',
    ...(hasAgent ? ['# The agent lets 127.0.0.1 reach containers, by a setting of their bridges.'] : []),
    `ProtectKernelTunables=${hasAgent ? 'no' : 'yes'}`,
    '# AF_NETLINK tells it its addresses, and programs published ports.',
    'RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK',
    ...(hasAgent
      ? ['# The agent enters network namespaces of containers, where their virtual IPs are.']
      : []),
    `RestrictNamespaces=${hasAgent ? 'net' : 'yes'}`,
    'RestrictRealtime=yes',
    'RestrictSUIDSGID=yes',
    'LockPersonality=yes',
    'SystemCallArchitectures=native',
    'SystemCallFilter=@system-service',
    'SystemCallErrorNumber=EPERM',
    '',
    '[Install]',
    'WantedBy=multi-user.target',
  ];
  return `${lines.join('\n')}\n`;
}

/**
 * orc ends its etcd when it is told to stop. When it crashes, etcd is to run on: the next orc takes it over, and the
 * quorum does not notice. So systemd ends orc alone.
 */
const endOf = (hasServer: boolean): readonly string[] =>
  hasServer
    ? [
        '# On stop orc ends its etcd itself. When orc crashes, etcd runs on, and the next orc takes it over.',
        'KillMode=process',
        'TimeoutStopSec=60',
      ]
    : ['# What encrypts networks runs on while orc is restarted.', 'KillMode=process', 'TimeoutStopSec=30'];

/**
 * NET_ADMIN and NET_RAW: nft, iptables, conntrack, devices. SYS_PTRACE and DAC_READ_SEARCH: who holds a published port.
 * SYS_ADMIN and SYS_PTRACE: the kernel lets nobody else into the network namespace of a container.
 */
export const capabilities = (hasAgent: boolean): readonly string[] => [
  'CAP_NET_BIND_SERVICE',
  ...(hasAgent
    ? ['CAP_NET_ADMIN', 'CAP_NET_RAW', 'CAP_SYS_ADMIN', 'CAP_SYS_PTRACE', 'CAP_DAC_READ_SEARCH']
    : []),
];

/** As systemd reads a command line: what has a blank or another special character is quoted. */
const words = (list: readonly string[]): string => list.map(word).join(' ');

function word(text: string): string {
  const plain = text.replace(/%/g, '%%').replace(/\$/g, '$$$$');
  if (/^[\w@%+=:,./$-]+$/.test(plain)) return plain;
  return `"${plain.replace(/[\\"]/g, '\\$&')}"`;
}
