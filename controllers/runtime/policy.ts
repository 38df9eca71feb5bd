import {
  contentHash,
  hostPortsOf,
  parseDuration,
  templateOf,
  withDefaults,
  type Port,
  type Service,
  type ServiceSpec,
  type TaskTemplate,
} from '../../api-schemas/index.ts';
import { nameWithSuffix } from './names.ts';

/** What a service's spec asks for, with defaults applied and durations in milliseconds. */
export interface Policy {
  readonly mode: 'replicated' | 'global';
  readonly replicas: number;
  readonly order: 'start-first' | 'stop-first';
  readonly parallelism: number;
  readonly restart: {
    readonly condition: 'any' | 'on-failure' | 'none';
    readonly delayMs: number;
    readonly maxDelayMs: number;
    readonly maxAttempts: number;
    readonly windowMs: number;
  };
  readonly disconnect: {
    /** From a node's last sign of life until its tasks count as lost. */
    readonly lostAfterMs: number;
    /** After which the node stops the tasks itself; as written, for the tasks. */
    readonly stopOnClientAfter: string | undefined;
    readonly replace: boolean;
    readonly reconcile: 'keepReplacement' | 'keepOriginal' | 'longestRunning' | 'bestScore';
  };
  /** Slots that may be unready because tasks have to leave their nodes; Infinity: any. */
  readonly maxUnavailable: number;
  /** Never two tasks at once. */
  readonly singleton: boolean;
  readonly taskHistoryLimit: number;
  readonly revisionHistoryLimit: number;
  readonly template: TaskTemplate;
  readonly hostPorts: readonly Port[];
  /** Name of the Revision that this spec asks for. */
  readonly revision: string;
  readonly spec: ServiceSpec;
}

const known = new WeakMap<Service, Policy>();

/** Returns the policy of a service; worked out once per stored version of it. */
export function policyOf(service: Service): Policy {
  const before = known.get(service);
  if (before !== undefined) return before;
  const policy = readPolicy(service);
  known.set(service, policy);
  return policy;
}

function readPolicy(service: Service): Policy {
  const { spec } = withDefaults(service);
  const restart = spec.restart ?? {};
  const template = templateOf(spec);
  const hostPorts = hostPortsOf(spec);
  return {
    mode: spec.mode ?? 'replicated',
    replicas: spec.replicas ?? 1,
    order: spec.update?.order ?? 'start-first',
    parallelism: spec.update?.parallelism ?? 1,
    restart: {
      condition: restart.condition ?? 'any',
      delayMs: parseDuration(restart.delay ?? '1s'),
      maxDelayMs: parseDuration(restart.maxDelay ?? '1m'),
      maxAttempts: restart.maxAttempts ?? 0,
      windowMs: parseDuration(restart.window ?? '1m'),
    },
    disconnect: disconnectOf(spec),
    maxUnavailable: spec.disruption?.maxUnavailable ?? Number.POSITIVE_INFINITY,
    singleton: spec.singleton === true,
    taskHistoryLimit: spec.taskHistoryLimit ?? 4,
    revisionHistoryLimit: spec.revisionHistoryLimit ?? 10,
    template,
    hostPorts,
    revision: revisionName(service, template, hostPorts),
    spec,
  };
}

/**
 * A node that stops tasks itself counts from when it last heard a server, which is no later than this long after
 * the server last heard the node: the three missed heartbeats after which a server ends a session, and time for
 * the node to notice.
 */
const fenceMarginMs = 5_000;

function disconnectOf(spec: ServiceSpec): Policy['disconnect'] {
  const { disconnect = {}, singleton = false, stopGracePeriod = '10s' } = spec;
  const { lostAfter = '5s', replace = true, reconcile = 'keepReplacement' } = disconnect;
  const stopOnClientAfter = disconnect.stopOnClientAfter ?? (singleton ? lostAfter : undefined);
  const stoppedAfterMs =
    stopOnClientAfter === undefined
      ? 0
      : parseDuration(stopOnClientAfter) + fenceMarginMs + parseDuration(stopGracePeriod);
  return {
    lostAfterMs: Math.max(parseDuration(lostAfter), stoppedAfterMs),
    stopOnClientAfter,
    replace,
    reconcile,
  };
}

/** `<service>-<hash8>` of the container settings: scale, labels, placement and policies make no new revision. */
const revisionName = (service: Service, template: TaskTemplate, hostPorts: readonly Port[]): string =>
  nameWithSuffix(service.metadata.name, contentHash({ template, hostPorts }));
