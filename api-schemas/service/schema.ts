import { bool, int, list, obj, oneOf, str, type Schema } from '../dialect.ts';
import { conditionsSchema, objectSchema, observedGenerationSchema } from '../metadata/schema.ts';
import { sessionAffinitySchema } from '../network/attachment.ts';
import {
  taskTemplateInstead,
  taskTemplateLater,
  taskTemplateProperties,
  taskTemplateSchema,
} from '../task-template/schema.ts';
import { portsSchema } from './ports.ts';

const updatesLater = 'update policies other than order and parallelism';

const placement = obj(
  'Which nodes may run the tasks.',
  {
    constraints: list(
      'All must hold, e.g. `node.labels.zone == eu`, `node.role != worker`, `node.hostname in (a, b)`, `node.labels.ssd exists`.',
      str('A constraint.', { format: 'constraint' }),
    ),
    preferences: list(
      'What to spread over, the first weighs most, e.g. `[{ spread: node.labels.zone }]`.',
      obj(
        'One preference.',
        { spread: str('What to spread over: `node.labels.…` or `engine.labels.…`.', { minLength: 1 }) },
        { required: ['spread'] },
      ),
    ),
    platforms: list(
      'Platforms the image runs on, `os/arch` each; any when absent.',
      str('A platform.', { format: 'platform' }),
    ),
    tolerations: list(
      'Taints of nodes that the tasks put up with.',
      obj(
        'One toleration.',
        {
          key: str('Key of the taint; any when absent (with `operator: Exists`).', { format: 'label-key' }),
          operator: oneOf('`Exists`: whatever the value is.', ['Equal', 'Exists'], { default: 'Equal' }),
          value: str('Value of the taint.'),
          effect: oneOf('Any when absent.', ['NoSchedule', 'PreferNoSchedule', 'NoExecute']),
        },
        { title: 'Toleration' },
      ),
    ),
    maxReplicasPerNode: int('Most tasks of the service on one node; 0: no limit.', 0, 1_000_000, {
      default: 0,
    }),
  },
  {
    title: 'Placement',
    'x-orc-instead': {
      constraint: 'constraints',
      nodeSelector: 'constraints',
      maxReplicas: 'maxReplicasPerNode',
    },
  },
);

const restart = obj(
  'When a task that ended is replaced.',
  {
    condition: oneOf('Which ends are followed by a new task.', ['any', 'on-failure', 'none'], {
      default: 'any',
    }),
    delay: str(
      'Delay of the second restart within `window`; the first is at once, each further one doubles.',
      {
        format: 'duration',
        default: '1s',
      },
    ),
    maxDelay: str('Longest delay.', { format: 'duration', default: '1m' }),
    maxAttempts: int('Restarts within `window` before the slot is given up; 0: no limit.', 0, 1_000_000, {
      default: 0,
    }),
    window: str('A task that ran this long clears the failure count of its slot.', {
      format: 'duration',
      default: '1m',
    }),
  },
  { title: 'RestartPolicy', default: {}, 'x-orc-instead': { policy: 'condition', retries: 'maxAttempts' } },
);

const update = obj(
  'How tasks are replaced when the template changes.',
  {
    order: oneOf('`start-first` when absent; `stop-first` where a host port is published.', [
      'start-first',
      'stop-first',
    ]),
    parallelism: int('Slots replaced at a time.', 1, 1_000_000, { default: 1 }),
  },
  {
    title: 'UpdatePolicy',
    default: {},
    'x-orc-later': {
      delay: updatesLater,
      failureAction: updatesLater,
      monitor: updatesLater,
      maxFailureRatio: updatesLater,
      progressDeadline: updatesLater,
      strategy: updatesLater,
      canary: updatesLater,
      pause: updatesLater,
      paused: updatesLater,
      maxSurge: updatesLater,
      maxUnavailable: updatesLater,
    },
  },
);

const disconnect = obj(
  'What is done about tasks on a node that is out of reach. (The model of Nomad.)',
  {
    lostAfter: str('A node that was not heard of for this long is given up by this service.', {
      format: 'duration',
      default: '5s',
    }),
    stopOnClientAfter: str(
      'The node itself stops the tasks after this long without a server; never when absent. Replacements start only when that must have happened.',
      { format: 'duration' },
    ),
    replace: bool('Tasks of a node that is given up are replaced elsewhere.', { default: true }),
    reconcile: oneOf(
      'Which task stays when the node comes back after its replacement has started to run.',
      ['keepReplacement', 'keepOriginal', 'longestRunning', 'bestScore'],
      { default: 'keepReplacement' },
    ),
  },
  {
    title: 'DisconnectPolicy',
    default: {},
    'x-orc-instead': {
      lost_after: 'lostAfter',
      stop_on_client_after: 'stopOnClientAfter',
      stopAfterClientDisconnect: 'stopOnClientAfter',
    },
  },
);

const disruption = obj(
  'How much of the service may be missing because a node is drained or no longer fits.',
  {
    maxUnavailable: int(
      'Slots that may be without a ready task; 0: a task leaves only when its replacement runs. Absent: no limit.',
      0,
      1_000_000,
    ),
  },
  {
    title: 'DisruptionPolicy',
    'x-orc-instead': { minAvailable: 'maxUnavailable', max_unavailable: 'maxUnavailable' },
  },
);

/** Fields of a service that are not its task template's. */
export const serviceOwnProperties: Readonly<Record<string, Schema>> = {
  mode: oneOf(
    '`replicated`: as many tasks as `replicas`. `global`: one task on each node that fits.',
    ['replicated', 'global'],
    {
      default: 'replicated',
      'x-orc-later': { 'replicated-job': 'jobs', 'global-job': 'jobs' },
    },
  ),
  replicas: int('Tasks wanted; 1 when absent. Not allowed with `mode: global`.', 0, 1_000_000),
  ports: portsSchema('Ports that can be reached from outside.'),
  endpointMode: oneOf(
    '`vip`: the name of the service is one address of its own, from which connections are spread over the ready tasks. `dnsrr`: it is the addresses of the ready tasks.',
    ['vip', 'dnsrr'],
    { default: 'vip' },
  ),
  sessionAffinity: sessionAffinitySchema,
  placement,
  restart,
  update,
  disconnect,
  disruption,
  singleton: bool(
    'Never two tasks at once, not even across a partition: the old one has stopped before the new one starts.',
    { default: false },
  ),
  revisionHistoryLimit: int('Old revisions kept.', 0, 1000, { default: 10 }),
  taskHistoryLimit: int('Finished tasks kept for each slot.', 0, 1000, { default: 4 }),
};

const later: Readonly<Record<string, string>> = {
  ...taskTemplateLater,
  rollback: 'rollback policies',
  maxConcurrent: 'jobs',
  completions: 'jobs',
  job: 'jobs',
  dependsOn: 'ordering of services',
  autoscale: 'autoscaling',
  forceUpdate: 'a forced update; change an entry of `containerLabels`',
};

const instead: Readonly<Record<string, string>> = {
  ...taskTemplateInstead,
  scale: 'replicas',
  port: 'ports',
  publish: 'ports',
  expose: 'ports',
  constraints: 'placement.constraints',
  nodeSelector: 'placement.constraints',
  restartPolicy: 'restart',
  updateConfig: 'update',
  rollbackConfig: 'rollback',
  strategy: 'update',
  endpoint_mode: 'endpointMode',
};

export const serviceSpecSchema: Schema = obj(
  'What the service is to be: its task template and how many tasks run, where, reachable how.',
  { ...taskTemplateProperties, ...serviceOwnProperties },
  {
    title: 'ServiceSpec',
    'x-orc-extends': taskTemplateSchema,
    required: ['image'],
    'x-orc-later': later,
    'x-orc-instead': instead,
  },
);

const count = (description: string): Schema => int(description, 0, Number.MAX_SAFE_INTEGER);

const statusSchema = obj(
  'How the service is. Written by controllers.',
  {
    observedGeneration: observedGenerationSchema,
    desired: count('Tasks wanted now: `spec.replicas`, or the number of fitting nodes of a global service.'),
    replicas: count('Tasks that exist and are meant to run, whatever their state.'),
    ready: count('Of these, Running (so healthy, where there is a health check).'),
    updated: count('Of these, of the current revision.'),
    currentRevision: str('Name of the revision that the service is, or is being, updated to.'),
    selector: str('Label selector of the tasks, for the scale subresource.'),
    ports: portsSchema('Published ports, with the chosen numbers.'),
    conditions: conditionsSchema,
  },
  { title: 'ServiceStatus' },
);

export const serviceSchema = objectSchema(
  'Service',
  'orc.dev/v1',
  'A replicated or global workload: containers of one template, kept running.',
  { spec: serviceSpecSchema, status: statusSchema },
  { required: ['spec'] },
);
