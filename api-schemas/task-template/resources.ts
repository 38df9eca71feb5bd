import { bool, int, listBy, list, mapOf, obj, str, stringMap, strings, type Schema } from '../dialect.ts';

const maxInt = Number.MAX_SAFE_INTEGER;

const throttleDevice = obj(
  'A rate for one device.',
  {
    path: str('Device, e.g. `/dev/sda`.', { format: 'absolute-path' }),
    rate: int('Bytes or operations a second.', 1, maxInt),
  },
  { title: 'ThrottleDevice', required: ['path', 'rate'] },
);
const throttle = (description: string): Schema => listBy(['path'], description, throttleDevice);

export const resourcesSchema: Schema = obj(
  'What the container may use, and what is kept free for it.',
  {
    limits: obj('The engine enforces these; no limit when absent.', {
      cpus: str('Cores, e.g. `1.5` or `500m`; at least `1m`.', { format: 'cpus' }),
      memory: str('Bytes, e.g. `256Mi`; at least 4Mi. Beyond it the container is killed.', {
        format: 'bytes',
      }),
      pids: int('Processes and threads; -1 for no limit.', -1, maxInt),
    }),
    reservations: obj(
      'The scheduler keeps these free for the task on its node.',
      {
        cpus: str('Cores, e.g. `250m`.', { format: 'cpus' }),
        memory: str('Bytes, e.g. `128Mi`.', { format: 'bytes' }),
        generic: mapOf(
          'Generic resource kind to amount, e.g. `{ "NVIDIA-GPU": 2 }`; as the engine advertises them.',
          int('Amount.', 1, maxInt),
        ),
      },
      { 'x-orc-later': { devices: 'reserved devices; name them in `devices` or `deviceRequests`' } },
    ),
    memorySwap: str(
      'Total of memory and swap, e.g. `512Mi`; `-1` for no limit of swap. Needs `limits.memory`.',
      {
        format: 'bytes-or-unlimited',
      },
    ),
    memorySwappiness: int(
      "How eagerly the kernel swaps, in percent; -1 for the kernel's own (cgroup v1).",
      -1,
      100,
    ),
    cpuShares: int(
      "Weight beside other containers when cores are scarce; the engine's default is 1024.",
      2,
      262144,
    ),
    cpusetCpus: str('Cores the container may run on, e.g. `0-2,7`.', { format: 'cpuset' }),
    cpusetMems: str('Memory nodes it may use, e.g. `0,1` (NUMA only).', { format: 'cpuset' }),
    cpuRealtimePeriod: str('Period of the real-time scheduler, e.g. `1s` (cgroup v1).', {
      format: 'duration',
    }),
    cpuRealtimeRuntime: str('Real-time share of each period, e.g. `950ms` (cgroup v1).', {
      format: 'duration',
    }),
    oomKillDisable: bool('Pause, not kill, the container out of memory (cgroup v1). Needs `limits.memory`.'),
    blkio: obj('Block I/O.', {
      weight: int('Weight beside other containers.', 10, 1000),
      weightDevice: listBy(
        ['path'],
        'Weight for one device.',
        obj(
          'A weight for one device.',
          {
            path: str('Device, e.g. `/dev/sda`.', { format: 'absolute-path' }),
            weight: int('Weight.', 10, 1000),
          },
          { required: ['path', 'weight'] },
        ),
      ),
      deviceReadBps: throttle('Largest read rate of a device, in bytes a second.'),
      deviceWriteBps: throttle('Largest write rate of a device, in bytes a second.'),
      deviceReadIOps: throttle('Largest read rate of a device, in operations a second.'),
      deviceWriteIOps: throttle('Largest write rate of a device, in operations a second.'),
    }),
  },
  {
    title: 'Resources',
    'x-orc-instead': { requests: 'reservations', swappiness: 'memorySwappiness', cpuset: 'cpusetCpus' },
  },
);

export const deviceSchema: Schema = obj(
  'A device of the node in the container.',
  {
    source: str('Path on the node, e.g. `/dev/fuse`, or a CDI name, e.g. `vendor.com/class=name`.', {
      minLength: 1,
    }),
    target: str('Path in the container; as `source` when absent.', { format: 'container-path' }),
    permissions: str('Of `r`ead, `w`rite, `m`knod; `rwm` when absent.', { format: 'device-permissions' }),
  },
  { title: 'Device', required: ['source'] },
);

export const deviceRequestSchema: Schema = obj(
  'Devices that a driver of the engine chooses, e.g. GPUs.',
  {
    driver: str('Name of the driver, e.g. `nvidia`; one with the capabilities when absent.'),
    count: int('How many; -1 for all. Not with `deviceIDs`.', -1, 1024),
    deviceIDs: strings('Which ones. Not with `count`.'),
    capabilities: list(
      'Alternatives, each a list of capabilities that must all be there, e.g. `[[gpu, utility]]`.',
      strings('Capabilities that must all be there.'),
    ),
    options: stringMap('Options of the driver.'),
  },
  { title: 'DeviceRequest' },
);
