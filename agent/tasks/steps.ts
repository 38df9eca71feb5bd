import type { Port, Revision, Task, TaskEvent, TaskStatus } from '../../api-schemas/index.ts';
import { parseDuration } from '../../api-schemas/units.ts';
import { backoffMs } from '../../kit/backoff.ts';
import type { Clock } from '../../kit/clock.ts';
import type { Attachment } from '../network/index.ts';
import {
  label,
  RuntimeError,
  type ContainerNetwork,
  type ContainerSpec,
  type ContainerState,
  type Runtime,
} from '../runtime/types.ts';
import type { Entry } from './entry.ts';
import { see } from './entry.ts';
import type { Limiter } from './limiter.ts';
import { finished, fromExit } from './outcome.ts';
import type { Step } from './plan.ts';
import { pullRetry, type TaskRecord } from './record.ts';

/** The networks of the node, as tasks need them. */
export interface TaskNetworks {
  /** Makes sure that the task's networks are there, and takes an address for it on each. Throws NotReady. */
  attach(task: Task, signal: AbortSignal): Promise<Attachment>;
  /** The engine has the addresses by now, or nobody will. */
  release(networks: readonly ContainerNetwork[]): void;
  /** The engine says that a network of the task is not there. */
  forget(task: Task): void;
  /** Names and rules follow what is known of containers as of this call. */
  update(): Promise<void>;
  /** The container's addresses by name of the Network. */
  addressesOf(container: Pick<ContainerState, 'addresses'>, task?: Task): ContainerState['addresses'];
}

export interface StepDeps {
  readonly runtime: Runtime;
  readonly clock: Clock;
  readonly networks: TaskNetworks;
  /** Shared by all creates and starts of the node. */
  readonly starts: Limiter;
  readonly event: (event: TaskEvent) => void;
  /** Changes what is remembered; reports the status when that is among it. */
  readonly remember: (entry: Entry, change: Partial<TaskRecord>) => void;
  /** Sends `gone`. */
  readonly gone: (entry: Entry) => void;
  /** Resolves when new connections go to no task that is not serving. */
  readonly drained: () => Promise<void>;
  /** Says who holds one of these ports, e.g. `nginx (pid 812)`. */
  readonly portHolder: (ports: readonly Port[]) => Promise<string | undefined>;
}

/** Docker's own default. */
const defaultGrace = '10s';

/** Does one step of a task. Throws only EngineUnavailable and what is a bug. */
export async function execute(
  deps: StepDeps,
  entry: Entry,
  step: Exclude<Step, { kind: 'wait' }>,
): Promise<void> {
  const { runtime, remember } = deps;
  const { task, revision, container } = entry;
  switch (step.kind) {
    case 'report':
      return remember(entry, { status: step.status });
    case 'inspect':
      return inspect(deps, entry);
    case 'prepare':
      return task === undefined || revision === undefined ? undefined : prepare(deps, entry, task, revision);
    case 'start':
      return container ? start(deps, entry, container.id) : undefined;
    case 'restart':
      return container ? restartAlone(deps, entry, container.id) : undefined;
    case 'fail':
      say(deps, entry, 'Warning', step.reason, step.message);
      // Servers take it out of the Endpoints when they know.
      return remember(entry, {
        failing: { reason: step.reason, message: step.message },
        status: { ...entry.record.status, reason: step.reason, message: step.message },
      });
    case 'leave':
      return remember(entry, { leavingAt: deps.clock.now() });
    case 'stop': {
      if (!container) return;
      await deps.drained();
      const grace = revision && parseDuration(revision.spec.template.stopGracePeriod ?? defaultGrace);
      await runtime.stop(container.id, grace);
      return inspect(deps, entry);
    }
    case 'remove':
      if (container) await runtime.remove(container.id);
      return see(entry, null);
    case 'confirm':
      return confirm(deps, entry);
    case 'gone':
      remember(entry, { gone: true });
      return deps.gone(entry);
  }
}

/** Looks at the container anew; for an id that the engine does not know there is none. */
export async function inspect({ runtime }: Pick<StepDeps, 'runtime'>, entry: Entry): Promise<void> {
  entry.stale = false;
  const id = entry.container?.id ?? entry.record.containerID;
  if (id === undefined) return;
  see(entry, (await runtime.inspect(id)) ?? null);
}

async function prepare(deps: StepDeps, entry: Entry, task: Task, revision: Revision): Promise<void> {
  const abort = new AbortController();
  entry.abort = abort;
  try {
    await makeContainer(deps, entry, task, revision, abort.signal);
  } catch (error) {
    if (abort.signal.aborted) return;
    if (!(error instanceof RuntimeError) || error.kind === 'EngineUnavailable') throw error;
    if (error.kind === 'ImagePullFailed' || error.kind === 'NotReady') return retryLater(deps, entry, error);
    reject(deps, entry, 'Rejected', error.reason, error.message);
  } finally {
    entry.abort = undefined;
  }
}

async function makeContainer(
  deps: StepDeps,
  entry: Entry,
  task: Task,
  revision: Revision,
  signal: AbortSignal,
): Promise<void> {
  const { runtime, remember } = deps;
  let pulling = false;
  await runtime.ensureImage(revision.spec.template, signal, (message, warning = false) => {
    if (warning) return say(deps, entry, 'Warning', 'ImagePullFailed', message);
    if (!pulling) say(deps, entry, 'Normal', 'Pulling', message);
    pulling = true;
    remember(entry, { status: { ...withoutTrouble(entry.record.status), message } });
  });
  if (pulling) say(deps, entry, 'Normal', 'Pulled', 'the image is on the node');
  const create = async (): Promise<Made> => {
    const attachment = await deps.networks.attach(task, signal);
    const spec = containerSpec(task, revision, attachment);
    try {
      signal.throwIfAborted();
      return { ...(await deps.starts.run(() => runtime.create(spec, signal))), spec };
    } catch (error) {
      deps.networks.release(attachment.networks);
      throw error;
    }
  };
  const made = await create().catch((error: unknown) => {
    if (!(error instanceof RuntimeError) || error.reason !== 'NetworkMissing') throw error;
    // Removed by hand since we looked.
    deps.networks.forget(task);
    return create();
  });
  for (const warning of made.warnings) say(deps, entry, 'Warning', 'EngineWarning', warning);
  const { retry: _retry, ...rest } = entry.record;
  entry.record = rest;
  remember(entry, { containerID: made.id });
  const { labels, networks } = made.spec;
  if (made.found) await inspect(deps, entry);
  else
    see(entry, {
      id: made.id,
      taskUID: entry.uid,
      labels,
      status: 'created',
      health: 'none',
      addresses: networks.flatMap(({ name, ip, ip6 }) =>
        [ip, ip6].flatMap((one) => (one === undefined ? [] : [{ network: name, ip: one }])),
      ),
      ports: [],
    });
  // What is seen of it counts from here on.
  deps.networks.release(networks);
}

interface Made {
  readonly id: string;
  readonly found: boolean;
  readonly warnings: readonly string[];
  readonly spec: ContainerSpec;
}

export function containerSpec(task: Task, revision: Revision, attachment: Attachment): ContainerSpec {
  const { name, namespace = 'default', uid = '', labels = {} } = task.metadata;
  const stack = labels['orc.dev/stack'];
  return {
    name: `orc-${name}-${uid.slice(0, 8)}`,
    labels: {
      [label.namespace]: namespace,
      [label.task]: name,
      [label.taskUID]: uid,
      [label.service]: task.spec.service,
      ...(stack === undefined ? {} : { [label.stack]: stack }),
      ...(task.spec.slot === undefined ? {} : { [label.slot]: String(task.spec.slot) }),
    },
    template: revision.spec.template,
    hostPorts: revision.spec.hostPorts ?? [],
    ...attachment,
  };
}

async function start(deps: StepDeps, entry: Entry, id: string): Promise<void> {
  try {
    // Who asks is to be known before it can ask.
    await deps.networks.update();
    await deps.starts.run(() => deps.runtime.start(id));
  } catch (error) {
    if (!(error instanceof RuntimeError) || error.kind === 'EngineUnavailable') throw error;
    // Removed by hand; 20.10 says so only now. The next task of the network makes it anew.
    if (error.reason === 'NetworkMissing' && entry.task !== undefined) deps.networks.forget(entry.task);
    const holder =
      error.kind === 'PortTaken' ? await deps.portHolder(entry.revision?.spec.hostPorts ?? []) : undefined;
    const message = holder === undefined ? error.message : `${error.message} Held by ${holder}.`;
    await inspect(deps, entry);
    return reject(deps, entry, 'Failed', error.reason, message);
  }
  await inspect(deps, entry);
}

/** Starts the container again, without anyone to ask; counted first, so that a crash in between delays the next one. */
async function restartAlone(deps: StepDeps, entry: Entry, id: string): Promise<void> {
  const alone = (entry.record.alone ?? 0) + 1;
  deps.remember(entry, { alone });
  say(
    deps,
    entry,
    'Warning',
    'RestartedAlone',
    `started again by the node (${alone}), as no server is reached`,
  );
  entry.endedOutside = false;
  // What was seen of its end is over.
  entry.container = undefined;
  await start(deps, entry, id);
}

function retryLater({ clock, remember, ...deps }: StepDeps, entry: Entry, error: RuntimeError): void {
  const failures = (entry.record.retry?.failures ?? 0) + 1;
  const delay = backoffMs(failures, pullRetry);
  remember(entry, {
    retry: { failures, at: clock.now() + delay },
    status: {
      ...entry.record.status,
      reason: error.reason,
      message: `${error.message} Next try in ${delay / 1000}s.`,
    },
  });
  say({ ...deps }, entry, 'Warning', error.reason, error.message);
}

function reject(
  deps: StepDeps,
  entry: Entry,
  state: 'Rejected' | 'Failed',
  reason: string,
  message: string,
): void {
  say(deps, entry, 'Warning', reason, message);
  // What the engine said of the start is all there is to know.
  deps.remember(entry, { confirmed: true, status: { ...entry.record.status, state, reason, message } });
}

/** Takes the cause from the settled container: the event of its end may come before the engine knows that memory ran out. */
async function confirm(deps: StepDeps, entry: Entry): Promise<void> {
  await inspect(deps, entry);
  const { container, record } = entry;
  if (!container) return;
  const { state, reason = '', message = '' } = record.status;
  const cause = fromExit(reason) ? undefined : { reason, message };
  const status = finished(container, record, state, cause);
  deps.remember(entry, { confirmed: true, ...(status.reason === reason ? {} : { status }) });
}

/** Makes an event of the task. */
export function say(
  { event }: Pick<StepDeps, 'event'>,
  { task, uid }: Entry,
  type: TaskEvent['type'],
  reason: string,
  message: string,
): void {
  if (task === undefined) return;
  event({ namespace: task.metadata.namespace ?? '', name: task.metadata.name, uid, type, reason, message });
}

function withoutTrouble({ reason: _reason, message: _message, ...rest }: TaskStatus): TaskStatus {
  return rest;
}
