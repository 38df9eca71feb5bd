import type { Endpoints, Revision, ServiceStatus, Task } from '../../api-schemas/index.ts';
import type { NewCondition } from '../runtime/conditions.ts';
import { label } from '../runtime/names.ts';
import { desiredCount, globalSlots } from '../runtime/placement/slots.ts';
import { policyOf } from '../runtime/policy.ts';
import type { ServiceView } from '../runtime/observe-service.ts';
import { endedByItself, isDone, isLive, isReady, runOf, slotOf, stateOf } from '../runtime/tasks.ts';
import { causeOfSlot, type Cause } from './cause.ts';
import { drainHeld } from './drain.ts';
import { networkTrouble } from './networks.ts';
import { portTrouble } from './ports.ts';
import { afterEnd } from './restart.ts';
import { bySlot } from './slots.ts';

export interface Summary {
  readonly status: Omit<ServiceStatus, 'conditions'>;
  readonly conditions: readonly NewCondition[];
  /** Types of conditions that are there only while something is wrong, and nothing is. */
  readonly absent: readonly string[];
}

/** Works out a service's status. Pure; two passes over the same objects give the same words. */
export function summarize(view: ServiceView, endpoints: Endpoints | undefined): Summary {
  const { service, tasks, nodes } = view;
  const policy = policyOf(service);
  const { generation } = service.metadata;
  const desired = desiredCount(policy, nodes, tasks);
  const live = tasks.filter(isLive);
  const current = live.filter(({ spec }) => spec.revision === policy.revision);
  const ready = live.filter((task) => isReady(task, nodes));
  const serving = new Set(ready.map(slotOf)).size;
  const isCurrent = (task: Task): boolean => task.spec.revision === policy.revision;
  const good = new Set(ready.filter(isCurrent).map(slotOf));
  const readyCurrent = good.size;
  for (const task of tasks) if (isCurrent(task) && isDone(task, policy)) good.add(slotOf(task));
  const exists = view.revisions.some((revision) => revision.metadata.name === policy.revision);
  const hasOld = live.length > current.length;
  const isUpdated = exists && !hasOld;
  const isConverged = isUpdated && good.size >= desired && live.length <= desired;

  const bySlotTasks = groupOf(view, policy.revision);
  const cause = isConverged ? undefined : firstCause(view, bySlotTasks);
  const gaveUp = gaveUpOf(view, bySlotTasks);
  const ports = portTrouble(service, tasks, nodes);
  const held = drainHeld(service, tasks, nodes, desired - serving);
  const done = good.size - readyCurrent;
  const counts = [
    `${readyCurrent} of ${desired} ready${hasOld ? ' on the new revision' : ''}`,
    ...(hasOld ? [`${serving} serving`] : []),
    ...(done === 0 ? [] : [`${done} completed`]),
  ].join(', ');
  const networks = networkTrouble(service);
  // A task that waits for its network says less than what the network lacks.
  const trouble = networks ?? cause ?? ports;
  const because = trouble === undefined ? '' : `: ${trouble.message}`;
  const tolerated = policy.order === 'stop-first' && !isUpdated ? policy.parallelism : 0;
  const stamp = generation === undefined ? {} : { observedGeneration: generation };
  const condition = (type: string, ok: boolean, reason: string, message: string): NewCondition => ({
    type,
    status: ok ? 'True' : 'False',
    reason,
    message,
    ...stamp,
  });
  const isAvailable = serving + done >= desired - tolerated;
  const progress = progressOf(isConverged, isUpdated, gaveUp !== undefined, current.length, desired);

  return {
    status: {
      ...stamp,
      desired,
      replicas: live.length,
      ready: ready.length,
      updated: current.length,
      ...(exists ? { currentRevision: policy.revision } : {}),
      selector: `${label.service}=${service.metadata.name}`,
      ...(endpoints?.ports === undefined ? {} : { ports: endpoints.ports }),
    },
    conditions: [
      isConverged && trouble === undefined
        ? condition('Ready', true, 'Converged', counts)
        : condition('Ready', false, trouble?.reason ?? progress.reason, `${counts}${because}`),
      condition(
        'Available',
        isAvailable,
        isAvailable ? 'EnoughReady' : 'TooFewReady',
        `${serving} of ${desired} serving`,
      ),
      condition('Progressing', progress.isGoingOn, progress.reason, progress.message),
      ...(gaveUp === undefined ? [] : [condition('Stalled', true, gaveUp.reason, gaveUp.message)]),
      ...(ports === undefined ? [] : [{ ...ports, ...stamp }]),
      ...(held === undefined ? [] : [{ ...held, ...stamp }]),
    ],
    absent: [
      ...(gaveUp === undefined ? ['Stalled'] : []),
      ...(ports === undefined ? ['PortsPublished'] : []),
      ...(held === undefined ? ['DrainHeld'] : []),
    ],
  };
}

function progressOf(
  isConverged: boolean,
  isUpdated: boolean,
  isStalled: boolean,
  updated: number,
  desired: number,
): { isGoingOn: boolean; reason: string; message: string } {
  if (isConverged) return { isGoingOn: false, reason: 'Converged', message: 'all tasks are as wanted' };
  if (isStalled) return { isGoingOn: false, reason: 'Stalled', message: 'slots have used up their restarts' };
  if (!isUpdated) {
    return { isGoingOn: true, reason: 'RollingOut', message: `${updated} of ${desired} on the new revision` };
  }
  return updated < desired
    ? { isGoingOn: true, reason: 'Scaling', message: `${updated} of ${desired} tasks made` }
    : { isGoingOn: true, reason: 'Starting', message: `waiting for ${desired} tasks to be ready` };
}

/** What the status of each revision says of its tasks, by name; of one without live tasks nothing is said. */
export function summarizeRevisions({ tasks, nodes }: ServiceView): ReadonlyMap<string, RevisionCounts> {
  const counts = new Map<string, RevisionCounts>();
  for (const task of tasks) {
    if (!isLive(task)) continue;
    const { revision } = task.spec;
    const { replicas, ready } = counts.get(revision) ?? noTasks;
    counts.set(revision, { replicas: replicas + 1, ready: ready + Number(isReady(task, nodes)) });
  }
  return counts;
}

export type RevisionCounts = Required<NonNullable<Revision['status']>>;
export const noTasks: RevisionCounts = { replicas: 0, ready: 0 };

type Slots = ReadonlyMap<string, readonly Task[]>;

/** Tasks of the current revision by slot. */
function groupOf({ tasks }: ServiceView, revision: string): Slots {
  const slots = new Map<string, Task[]>();
  for (const task of tasks) {
    if (task.spec.revision !== revision) continue;
    const slot = slots.get(slotOf(task));
    if (slot === undefined) slots.set(slotOf(task), [task]);
    else slot.push(task);
  }
  return slots;
}

/** The most telling reason among slots that do not serve: one that names a fault before one that only waits. */
function firstCause({ service, nodes }: ServiceView, slots: Slots): Cause | undefined {
  let waiting: Cause | undefined;
  for (const key of [...slots.keys()].sort(bySlot)) {
    const tasks = slots.get(key) ?? [];
    if (tasks.some((task) => isReady(task, nodes))) continue;
    const cause = causeOfSlot(tasks, nodes);
    if (cause === undefined) continue;
    if (!isPlainState(cause)) return cause;
    waiting ??= cause;
  }
  const policy = policyOf(service);
  if (waiting === undefined && policy.mode === 'global' && globalSlots(policy, nodes, []).length === 0) {
    return { reason: 'NoNodeFits', message: 'no node fits the placement' };
  }
  return waiting;
}

const isPlainState = ({ message, reason }: Cause): boolean => message.endsWith(` is ${reason}`);

/** A slot that stays empty until a person acts. */
function gaveUpOf({ service, nodes }: ServiceView, slots: Slots): Cause | undefined {
  const policy = policyOf(service);
  for (const key of [...slots.keys()].sort(bySlot)) {
    const tasks = slots.get(key) ?? [];
    const latest = tasks.reduce((a, b) => (runOf(a) > runOf(b) ? a : b));
    if (tasks.some(isLive) || !endedByItself(latest)) continue;
    const verdict = afterEnd(latest, policy);
    if (verdict.kind === 'restart' || isDone(latest, policy)) continue;
    const why = causeOfSlot(tasks, nodes)?.message ?? '';
    const remedy = 'correct the service, or delete the task to try again';
    return verdict.kind === 'gaveUp'
      ? {
          reason: 'RestartsUsedUp',
          message: `slot ${key} gave up after ${verdict.restarts} restarts: ${why}; ${remedy}`,
        }
      : stateOf(latest) === 'Complete'
        ? undefined
        : {
            reason: 'NotRestarted',
            message: `slot ${key} is not started again, as its restart condition is none: ${why}; ${remedy}`,
          };
  }
  return undefined;
}
