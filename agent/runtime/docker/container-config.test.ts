import { describe, expect, test } from '@jest/globals';
import type { TaskTemplate } from '../../../api-schemas/index.ts';
import { containerConfig, endpointConfig, laterNetworks } from './container-config.ts';

const config = (template: Partial<TaskTemplate>, api = '1.41'): Record<string, unknown> =>
  containerConfig(
    { name: 'c', labels: {}, template: { image: 'i:1', ...template }, hostPorts: [], networks: [] },
    api,
  );

/** Each field of the template, and what the engine gets for it: a path below the body, and a value. */
const golden: readonly (readonly [Partial<TaskTemplate>, string, unknown])[] = [
  [{ entrypoint: ['/e'] }, 'Entrypoint', ['/e']],
  [{ command: ['a', 'b'] }, 'Cmd', ['a', 'b']],
  [{ env: [{ name: 'A', value: 'b' }, { name: 'E', value: '' }, { name: 'C' }] }, 'Env', ['A=b', 'E=', 'C']],
  [{ workingDir: '/w' }, 'WorkingDir', '/w'],
  [{ user: '1:2' }, 'User', '1:2'],
  [{ groups: ['g'] }, 'HostConfig.GroupAdd', ['g']],
  [{ hostname: 'h' }, 'Hostname', 'h'],
  [{ domainname: 'd' }, 'Domainname', 'd'],
  [{ extraHosts: ['a:1.2.3.4'] }, 'HostConfig.ExtraHosts', ['a:1.2.3.4']],
  [{ dns: ['1.1.1.1'] }, 'HostConfig.Dns', ['1.1.1.1']],
  [{ dnsSearch: ['s'] }, 'HostConfig.DnsSearch', ['s']],
  [{ dnsOptions: ['timeout:1'] }, 'HostConfig.DnsOptions', ['timeout:1']],
  [{ containerLabels: { a: 'b' } }, 'Labels', { a: 'b' }],
  [{ init: true }, 'HostConfig.Init', true],
  [{ tty: true }, 'Tty', true],
  [{ stdinOpen: true }, 'OpenStdin', true],
  [{ readOnly: true }, 'HostConfig.ReadonlyRootfs', true],
  [{ stopSignal: 'SIGINT' }, 'StopSignal', 'SIGINT'],
  [{ stopGracePeriod: '1500ms' }, 'StopTimeout', 2],
  [{ capAdd: ['NET_ADMIN'] }, 'HostConfig.CapAdd', ['NET_ADMIN']],
  [{ capDrop: ['ALL'] }, 'HostConfig.CapDrop', ['ALL']],
  [{ privileged: true }, 'HostConfig.Privileged', true],
  [{ securityOpt: ['no-new-privileges'] }, 'HostConfig.SecurityOpt', ['no-new-privileges']],
  [{ credentialSpec: 'file://x' }, 'HostConfig.SecurityOpt', ['credentialspec=file://x']],
  [{ isolation: 'process' }, 'HostConfig.Isolation', 'process'],
  [{ sysctls: { 'net.core.somaxconn': '1' } }, 'HostConfig.Sysctls', { 'net.core.somaxconn': '1' }],
  [
    { ulimits: [{ name: 'nofile', soft: 1, hard: 2 }] },
    'HostConfig.Ulimits',
    [{ Name: 'nofile', Soft: 1, Hard: 2 }],
  ],
  [{ oomScoreAdj: -5 }, 'HostConfig.OomScoreAdj', -5],
  [{ pid: 'host' }, 'HostConfig.PidMode', 'host'],
  [{ ipc: 'private' }, 'HostConfig.IpcMode', 'private'],
  [{ uts: 'host' }, 'HostConfig.UTSMode', 'host'],
  [{ userns: 'host' }, 'HostConfig.UsernsMode', 'host'],
  [{ cgroupns: 'host' }, 'HostConfig.CgroupnsMode', 'host'],
  [{ cgroupParent: '/p' }, 'HostConfig.CgroupParent', '/p'],
  [{ runtime: 'runsc' }, 'HostConfig.Runtime', 'runsc'],
  [{ macAddress: '02:00:00:00:00:01' }, 'MacAddress', '02:00:00:00:00:01'],
  [{ shmSize: '64Mi' }, 'HostConfig.ShmSize', 67_108_864],
  [{ storageOpt: { size: '1G' } }, 'HostConfig.StorageOpt', { size: '1G' }],
  [
    { devices: [{ source: '/dev/fuse' }] },
    'HostConfig.Devices',
    [{ PathOnHost: '/dev/fuse', PathInContainer: '/dev/fuse', CgroupPermissions: 'rwm' }],
  ],
  [{ deviceCgroupRules: ['c 1:3 mr'] }, 'HostConfig.DeviceCgroupRules', ['c 1:3 mr']],
  [{ gpus: 'all' }, 'HostConfig.DeviceRequests', [{ Count: -1, Capabilities: [['gpu']] }]],
  [{ gpus: 2 }, 'HostConfig.DeviceRequests', [{ Count: 2, Capabilities: [['gpu']] }]],
  [
    {
      deviceRequests: [
        { driver: 'nvidia', deviceIDs: ['0'], capabilities: [['gpu', 'compute']], options: { a: 'b' } },
      ],
    },
    'HostConfig.DeviceRequests',
    [{ Driver: 'nvidia', DeviceIDs: ['0'], Capabilities: [['gpu', 'compute']], Options: { a: 'b' } }],
  ],
  [{ maskedPaths: ['/m'] }, 'HostConfig.MaskedPaths', ['/m']],
  [{ readonlyPaths: ['/r'] }, 'HostConfig.ReadonlyPaths', ['/r']],
  [
    {
      healthcheck: {
        test: ['CMD', 'x'],
        interval: '1s',
        timeout: '2s',
        startPeriod: '3s',
        startInterval: '4s',
        retries: 5,
      },
    },
    'Healthcheck',
    { Test: ['CMD', 'x'], Interval: 1e9, Timeout: 2e9, StartPeriod: 3e9, StartInterval: 4e9, Retries: 5 },
  ],
  [{ healthcheck: { disable: true } }, 'Healthcheck', { Test: ['NONE'] }],
  [
    { logging: { driver: 'json-file', options: { 'max-size': '1m' } } },
    'HostConfig.LogConfig',
    { Type: 'json-file', Config: { 'max-size': '1m' } },
  ],
  [
    {
      mounts: [
        {
          type: 'bind',
          source: '/s',
          target: '/t',
          readOnly: true,
          consistency: 'cached',
          bind: { propagation: 'rshared', recursive: 'readonly', createSource: true },
        },
      ],
    },
    'HostConfig.Mounts',
    [
      {
        Type: 'bind',
        Source: '/s',
        Target: '/t',
        ReadOnly: true,
        Consistency: 'cached',
        BindOptions: { Propagation: 'rshared', ReadOnlyForceRecursive: true, CreateMountpoint: true },
      },
    ],
  ],
  [
    {
      mounts: [
        {
          type: 'volume',
          source: 'v',
          target: '/t',
          volume: {
            driver: 'local',
            driverOptions: { o: 'x' },
            labels: { a: 'b' },
            noCopy: true,
            subpath: 'p',
          },
        },
      ],
    },
    'HostConfig.Mounts',
    [
      {
        Type: 'volume',
        Source: 'v',
        Target: '/t',
        VolumeOptions: {
          NoCopy: true,
          Labels: { a: 'b' },
          Subpath: 'p',
          DriverConfig: { Name: 'local', Options: { o: 'x' } },
        },
      },
    ],
  ],
  [
    {
      mounts: [
        { type: 'tmpfs', target: '/t', tmpfs: { size: '1Mi', mode: '1777', options: ['exec', 'uid=1'] } },
      ],
    },
    'HostConfig.Mounts',
    [
      {
        Type: 'tmpfs',
        Target: '/t',
        TmpfsOptions: { SizeBytes: 1_048_576, Mode: 0o1777, Options: [['exec'], ['uid', '1']] },
      },
    ],
  ],
  [{ resources: { limits: { cpus: '500m' } } }, 'HostConfig.NanoCpus', 500_000_000],
  [{ resources: { limits: { memory: '1Gi' } } }, 'HostConfig.Memory', 2 ** 30],
  [{ resources: { limits: { pids: 10 } } }, 'HostConfig.PidsLimit', 10],
  [{ resources: { reservations: { memory: '1Mi' } } }, 'HostConfig.MemoryReservation', 2 ** 20],
  [{ resources: { memorySwap: '-1' } }, 'HostConfig.MemorySwap', -1],
  [{ resources: { memorySwappiness: 0 } }, 'HostConfig.MemorySwappiness', 0],
  [{ resources: { cpuShares: 512 } }, 'HostConfig.CpuShares', 512],
  [{ resources: { cpusetCpus: '0-1' } }, 'HostConfig.CpusetCpus', '0-1'],
  [{ resources: { cpusetMems: '0' } }, 'HostConfig.CpusetMems', '0'],
  [{ resources: { cpuRealtimePeriod: '1s' } }, 'HostConfig.CpuRealtimePeriod', 1_000_000],
  [{ resources: { cpuRealtimeRuntime: '950ms' } }, 'HostConfig.CpuRealtimeRuntime', 950_000],
  [{ resources: { oomKillDisable: true } }, 'HostConfig.OomKillDisable', true],
  [{ resources: { blkio: { weight: 300 } } }, 'HostConfig.BlkioWeight', 300],
  [
    { resources: { blkio: { weightDevice: [{ path: '/dev/a', weight: 1 }] } } },
    'HostConfig.BlkioWeightDevice',
    [{ Path: '/dev/a', Weight: 1 }],
  ],
  ...(['ReadBps', 'WriteBps', 'ReadIOps', 'WriteIOps'] as const).map(
    (kind) =>
      [
        { resources: { blkio: { [`device${kind}`]: [{ path: '/dev/a', rate: 9 }] } } },
        `HostConfig.BlkioDevice${kind}`,
        [{ Path: '/dev/a', Rate: 9 }],
      ] as const,
  ),
];

describe('the container of a template', () => {
  test.each(golden)('with %j has %s', (template, path, value) => {
    const at = path
      .split('.')
      .reduce<unknown>((body, key) => (body as Record<string, unknown>)[key], config(template));
    expect(at).toEqual(value);
  });

  test('with nothing but an image leaves everything to the engine', () => {
    expect(config({})).toEqual({
      Image: 'i:1',
      Labels: {},
      HostConfig: { RestartPolicy: { Name: 'no' }, AutoRemove: false },
    });
  });

  test('joins its network by id, with its address on the endpoint where the engine knows that', () => {
    const spec = {
      name: 'c',
      labels: { ours: '1' },
      template: { image: 'i:1', macAddress: '02:00:00:00:00:01', containerLabels: { ours: 'theirs' } },
      hostPorts: [],
      networks: [{ id: 'n1', name: 'net' }],
    };
    const at = (api: string): unknown => containerConfig(spec, api)['NetworkingConfig'];
    expect(at('1.41')).toEqual({ EndpointsConfig: { n1: {} } });
    expect(at('1.44')).toEqual({ EndpointsConfig: { n1: { MacAddress: '02:00:00:00:00:01' } } });
    expect(containerConfig(spec, '1.41')).toMatchObject({
      HostConfig: { NetworkMode: 'n1' },
      Labels: { ours: '1' },
    });
  });

  test('joins several networks with the addresses that it is given, at once where the engine can', () => {
    const networks = [
      { id: 'n1', name: 'one', ip: '10.64.1.1', mac: '02:42:0a:40:01:01' },
      { id: 'n2', name: 'two', ip: '10.64.17.1', mac: '02:42:0a:40:11:01' },
    ];
    const dns = { servers: ['10.64.15.254'], search: ['default.orc.internal'] };
    const spec = { name: 'c', labels: {}, template: { image: 'i' }, hostPorts: [], networks, dns };
    const endpoints = (api: string): unknown => containerConfig(spec, api)['NetworkingConfig'];
    expect(endpoints('1.44')).toEqual({
      EndpointsConfig: {
        n1: { IPAMConfig: { IPv4Address: '10.64.1.1' }, MacAddress: '02:42:0a:40:01:01' },
        n2: { IPAMConfig: { IPv4Address: '10.64.17.1' }, MacAddress: '02:42:0a:40:11:01' },
      },
    });
    expect(laterNetworks(spec, '1.44')).toEqual([]);
    expect(endpoints('1.43')).toEqual({
      EndpointsConfig: { n1: { IPAMConfig: { IPv4Address: '10.64.1.1' } } },
    });
    const [one] = networks.map((network) => ({ ...network, ip6: 'fd12::a40:101' }));
    expect(one === undefined ? undefined : endpointConfig(one, '1.41')).toEqual({
      IPAMConfig: { IPv4Address: '10.64.1.1', IPv6Address: 'fd12::a40:101' },
    });
    expect(laterNetworks(spec, '1.43').map(({ id }) => id)).toEqual(['n2']);
    expect(containerConfig(spec, '1.44')['HostConfig']).toMatchObject({
      NetworkMode: 'n1',
      Dns: ['10.64.15.254'],
      DnsSearch: ['default.orc.internal'],
      DnsOptions: ['timeout:3'],
    });
    const own = { ...spec, template: { image: 'i', dns: ['1.1.1.1'], dnsOptions: ['ndots:2'] } };
    expect(containerConfig(own, '1.44')['HostConfig']).toMatchObject({
      Dns: ['1.1.1.1'],
      DnsOptions: ['ndots:2'],
    });
  });

  test('publishes host ports, on an address where one is given', () => {
    const hostPorts = [
      { target: 80, published: 8080, hostIP: '127.0.0.1' },
      { target: 80, published: 8081 },
      { target: 53, protocol: 'udp' },
    ] as const;
    const body = containerConfig(
      { name: 'c', labels: {}, template: { image: 'i' }, hostPorts, networks: [] },
      '1.41',
    );
    expect(body['ExposedPorts']).toEqual({ '80/tcp': {}, '53/udp': {} });
    expect((body['HostConfig'] as Record<string, unknown>)['PortBindings']).toEqual({
      '80/tcp': [
        { HostIp: '127.0.0.1', HostPort: '8080' },
        { HostIp: '', HostPort: '8081' },
      ],
      '53/udp': [{ HostIp: '', HostPort: '' }],
    });
  });
});
