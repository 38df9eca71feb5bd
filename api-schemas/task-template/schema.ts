import {
  bool,
  int,
  list,
  listBy,
  obj,
  oneOf,
  setOf,
  str,
  stringMap,
  strings,
  type Schema,
} from '../dialect.ts';
import { attachmentsSchema } from '../network/attachment.ts';
import { mountSchema } from './mounts.ts';
import { deviceRequestSchema, deviceSchema, resourcesSchema } from './resources.ts';

const envVar = obj(
  'One environment variable.',
  {
    name: str('Name.', { format: 'env-name' }),
    value: str('Value; empty when absent.'),
  },
  {
    title: 'EnvVar',
    required: ['name'],
    'x-orc-later': { valueFrom: 'values from secrets, configs or fields of the task' },
  },
);

const healthcheck = obj(
  'Says when the task is Running and when it is to be replaced. What is absent is as in the image, else as the engine has it (30s, 30s, 0s, 5s, 3).',
  {
    test: strings('`[CMD, program, args…]`, `[CMD-SHELL, line]`, or `[NONE]` for no check.', { minItems: 1 }),
    interval: str('Time between checks.', { format: 'duration' }),
    timeout: str('A check that takes longer has failed.', { format: 'duration' }),
    startPeriod: str('Failures in this time after the start do not count.', { format: 'duration' }),
    startInterval: str('Time between checks in the start period; engines from API 1.44.', {
      format: 'duration',
    }),
    retries: int(
      "Failures in a row that make the container unhealthy; 0 for the engine's default.",
      0,
      2 ** 31 - 1,
    ),
    disable: bool('Switch off the check of the image.', { default: false }),
  },
  { title: 'Healthcheck', 'x-orc-instead': { command: 'test', cmd: 'test' } },
);

const ulimit = obj(
  "One resource limit of the container's processes.",
  {
    name: str('Name, e.g. `nofile`.', { format: 'ulimit-name' }),
    soft: int('Soft limit; -1 for no limit.', -1, Number.MAX_SAFE_INTEGER),
    hard: int('Hard limit, at least the soft one; -1 for no limit.', -1, Number.MAX_SAFE_INTEGER),
  },
  { required: ['name', 'soft', 'hard'] },
);

/** Fields of a task template, in the order they are documented. */
export const taskTemplateProperties: Readonly<Record<string, Schema>> = {
  image: str(
    'Image reference, e.g. `nginx:1.27` or `registry.example.com/team/app@sha256:…`; read as Docker reads it.',
    {
      format: 'image',
    },
  ),
  pullPolicy: oneOf(
    '`always` asks the registry before each start, `missing` only when the node lacks the image, `never` does not.',
    ['always', 'missing', 'never'],
    { default: 'missing' },
  ),
  platform: str("Which variant of a multi-platform image, e.g. `linux/arm64`; the node's own when absent.", {
    format: 'platform',
  }),
  entrypoint: strings("Replaces the image's entrypoint; the image's command is then not used."),
  command: strings("Arguments of the entrypoint; replaces the image's command."),
  env: listBy(['name'], "Environment variables, on top of the image's.", envVar),
  workingDir: str('Working directory.', { format: 'container-path' }),
  user: str('User and optionally group, by name or number, e.g. `1000:1000`.', { minLength: 1 }),
  groups: setOf('Further groups, by name or number.', str('A group.', { minLength: 1 })),
  hostname: str("Host name inside the container; the container's id when absent.", { format: 'hostname' }),
  domainname: str('NIS domain name inside the container.', { format: 'hostname' }),
  extraHosts: strings(
    "Further lines of /etc/hosts, `name:ip`; `host-gateway` stands for the node's address.",
  ),
  dns: list(
    "Name servers, first asked first; the engine's when absent.",
    str('IP address.', { format: 'ip' }),
  ),
  dnsSearch: strings('Search domains.'),
  dnsOptions: strings('Options of resolv.conf, e.g. `ndots:2`.'),
  containerLabels: stringMap(
    'Labels of the container (those of the object itself are in `metadata.labels`).',
  ),
  init: bool("Run an init process that reaps and forwards signals; the engine's default when absent."),
  tty: bool('Give it a terminal.', { default: false }),
  stdinOpen: bool('Keep standard input open.', { default: false }),
  readOnly: bool('Make the root file system read-only.', { default: false }),
  stopSignal: str("Signal that asks it to stop, e.g. `SIGTERM`; the image's when absent.", {
    format: 'signal',
  }),
  stopGracePeriod: str('Time from the stop signal to SIGKILL.', { format: 'duration', default: '10s' }),
  capAdd: setOf(
    'Linux capabilities to add, e.g. `NET_ADMIN`; `ALL` for all.',
    str('A capability.', { format: 'capability' }),
  ),
  capDrop: setOf(
    'Linux capabilities to drop; `ALL` for all.',
    str('A capability.', { format: 'capability' }),
  ),
  privileged: bool('All capabilities and devices, no confinement. The container is then root on its node.', {
    default: false,
  }),
  securityOpt: strings(
    'Security options as `docker run` takes them: `no-new-privileges`, `seccomp=unconfined` or a profile in JSON, `apparmor=NAME`, `label=type:NAME`, …',
  ),
  credentialSpec: str('gMSA credential of Windows containers: `file://NAME` or `registry://NAME`.', {
    format: 'credential-spec',
  }),
  isolation: oneOf('Isolation of Windows containers.', ['default', 'process', 'hyperv']),
  sysctls: stringMap('Kernel parameters of the container\'s namespaces, e.g. `net.core.somaxconn: "1024"`.'),
  ulimits: listBy(['name'], "Resource limits; the engine's for what is absent.", ulimit),
  oomScoreAdj: int('How likely the kernel kills it when memory runs out; 0 is neutral.', -1000, 1000),
  pid: str('Process namespace: `host`, `private`, or `container:<id>`; its own when absent.', {
    format: 'pid-mode',
  }),
  ipc: str(
    "IPC namespace: `none`, `private`, `shareable`, `host`, or `container:<id>`; the engine's default when absent.",
    { format: 'ipc-mode' },
  ),
  uts: str('Host name namespace: `host`, or its own when absent.', { format: 'host-mode' }),
  userns: str("User namespace: `host`, or the engine's default when absent.", { format: 'host-mode' }),
  cgroupns: oneOf("Control group namespace; the engine's default when absent.", ['host', 'private']),
  cgroupParent: str('Parent control group.', { minLength: 1 }),
  runtime: str("OCI runtime of the engine, e.g. `runc`, `runsc`; the engine's default when absent.", {
    minLength: 1,
  }),
  macAddress: str('MAC address on its network, e.g. `02:42:ac:11:00:02`. Only sensible with one replica.', {
    format: 'mac',
  }),
  shmSize: str("Size of /dev/shm, e.g. `64Mi`; the engine's default when absent.", { format: 'bytes' }),
  storageOpt: stringMap('Options of the storage driver, e.g. `size: 10G`.'),
  devices: list('Devices of the node.', deviceSchema),
  deviceCgroupRules: list(
    'Rules of the device control group, e.g. `c 42:* rmw`.',
    str('A rule.', { format: 'device-rule' }),
  ),
  gpus: {
    description: 'GPUs: `all`, how many, or a device request; short for an entry of `deviceRequests`.',
    anyOf: [
      { type: 'string', description: 'All of them.', enum: ['all'] },
      int('How many.', 0, 1024),
      deviceRequestSchema,
    ],
    'x-kubernetes-preserve-unknown-fields': true,
    'x-orc-expect':
      'must be `all`, a number from 0 to 1024, or an object with driver, count, deviceIDs, capabilities, options',
  },
  deviceRequests: list('Devices that drivers of the engine choose.', deviceRequestSchema),
  maskedPaths: list(
    "Paths of /proc and /sys hidden from it; the engine's when absent.",
    str('A path.', { format: 'absolute-path' }),
  ),
  readonlyPaths: list(
    "Paths of /proc and /sys read-only for it; the engine's when absent.",
    str('A path.', { format: 'absolute-path' }),
  ),
  healthcheck,
  logging: obj(
    "Where the output goes; the engine's default when absent. `orc logs` needs a driver that can be read back.",
    {
      driver: str('Log driver, e.g. `json-file`, `local`, `journald`.', { minLength: 1 }),
      options: stringMap('Options of the driver.'),
    },
  ),
  networks: attachmentsSchema,
  networkMode: oneOf(
    '`host`: the network of the node itself. `none`: only loopback. On the networks of `networks` when absent.',
    ['host', 'none'],
  ),
  mounts: listBy(['target'], 'Directories, volumes and memory file systems.', mountSchema),
  resources: resourcesSchema,
};

const secretsLater = 'secrets and configs';

/** Fields that later versions bring. */
export const taskTemplateLater: Readonly<Record<string, string>> = {
  secrets: secretsLater,
  configs: secretsLater,
  envFrom: secretsLater,
  envFile: 'environment files; list the variables in `env`',
  links: 'links; services of a stack reach each other by name',
  ipAddress: 'addresses of one’s choice',
  volumesFrom: 'volumes of another container; name the same volume in `mounts`',
  registryAuth: 'registry credentials of a service; log the engine in',
  pullSecrets: 'registry credentials of a service; log the engine in',
  preStop: 'lifecycle hooks',
  readiness: 'probes beside `healthcheck`',
  liveness: 'probes beside `healthcheck`',
};

/** What Docker, Compose and Kubernetes call a field. */
export const taskTemplateInstead: Readonly<Record<string, string>> = {
  environment: 'env',
  volumes: 'mounts',
  args: 'command',
  cmd: 'command',
  workdir: 'workingDir',
  groupAdd: 'groups',
  hosts: 'extraHosts',
  pull: 'pullPolicy',
  imagePullPolicy: 'pullPolicy',
  healthCheck: 'healthcheck',
  securityContext: 'securityOpt',
  cgroup: 'cgroupns',
  memLimit: 'resources.limits.memory',
  logDriver: 'logging.driver',
  logOpt: 'logging.options',
  oomKillDisable: 'resources.oomKillDisable',
  memswapLimit: 'resources.memorySwap',
  cpus: 'resources.limits.cpus',
  memory: 'resources.limits.memory',
  pidsLimit: 'resources.limits.pids',
  cpuset: 'resources.cpusetCpus',
  cpuShares: 'resources.cpuShares',
  blkioConfig: 'resources.blkio',
  tmpfs: 'mounts',
  network: 'networks',
  network_mode: 'networkMode',
};

export const taskTemplateSchema: Schema = obj(
  'Every setting of a container; a change of any of them makes a new Revision.',
  taskTemplateProperties,
  {
    title: 'TaskTemplate',
    required: ['image'],
    'x-orc-later': taskTemplateLater,
    'x-orc-instead': taskTemplateInstead,
  },
);
