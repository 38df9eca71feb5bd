import type { Endpoints, ServiceStatus, Task } from '../../api-schemas/index.ts';
import type { NewCondition } from '../runtime/conditions.ts';
import { label } from '../runtime/names.ts';
import { desiredCount, globalSlots } from '../runtime/placement/slots.ts';
import { policyOf } from '../runtime/policy.ts';
import type { ServiceView } from '../runtime/observe-service.ts';
import { endedByItself, isLive, isReady, runOf, slotOf } from '../runtime/tasks.ts';
import { causeOfSlot, type Cause } from './cause.ts';
import { afterEnd } from './restart.ts';
import { bySlot } from './slots.ts';

export interface Summary {
  readonly status: Omit<ServiceStatus, 'conditions'>;
  readonly conditions: readonly NewCondition[];
  /** The service has slots whose restarts are used up; otherwise the condition `Stalled` goes. */
  readonly isStalled: boolean;
}

/** Works out a service's status. Pure; two passes over the same objects give the same words. */
export function summarize(view: ServiceView, endpoints: Endpoints | undefined): Summary {
  const { service, tasks, nodes } = view;
  const policy = policyOf(service);
  const { generation } = service.metadata;
  const desired = desiredCount(policy, nodes, tasks);
  const live = tasks.filter(isLive);
  const current = live.filter((task) => task.spec.revision === policy.revision);
  const ready = live.filter((task) => isReady(task, nodes));
  const readySlots = new Set(ready.map(slotOf)).size;
  const readyCurrent = new Set(ready.filter((task) => task.spec.revision === policy.revision).map(slotOf))
    .size;
  const exists = view.revisions.some((revision) => revision.metadata.name === policy.revision);
  const isUpdated = exists && live.length === current.length;
  const isConverged = isUpdated && readyCurrent >= desired && live.length <= desired;

  const bySlotTasks = groupOf(view, policy.revision);
  const cause = isConverged ? undefined : firstCause(view, bySlotTasks);
  const gaveUp = gaveUpOf(view, bySlotTasks);
  const counts = `${readyCurrent} of ${desired} ready${isUpdated ? '' : ' on the new revision'}`;
  const because = cause === undefined ? '' : `: ${cause.message}`;
  const tolerated = policy.order === 'stop-first' && !isUpdated ? policy.parallelism : 0;
  const stamp = generation === undefined ? {} : { observedGeneration: generation };
  const condition = (type: string, ok: boolean, reason: string, message: string): NewCondition => ({
    type,
    status: ok ? 'True' : 'False',
    reason,
    message,
    ...stamp,
  });
  const isAvailable = readySlots >= desired - tolerated;
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
      isConverged
        ? condition('Ready', true, 'Converged', counts)
        : condition('Ready', false, cause?.reason ?? progress.reason, `${counts}${because}`),
      condition(
        'Available',
        isAvailable,
        isAvailable ? 'EnoughReady' : 'TooFewReady',
        `${readySlots} of ${desired} serving`,
      ),
      condition('Progressing', progress.isGoingOn, progress.reason, progress.message),
      ...(gaveUp === undefined ? [] : [condition('Stalled', true, 'RestartsUsedUp', gaveUp)]),
    ],
    isStalled: gaveUp !== undefined,
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

function gaveUpOf({ service, nodes }: ServiceView, slots: Slots): string | undefined {
  const policy = policyOf(service);
  for (const key of [...slots.keys()].sort(bySlot)) {
    const tasks = slots.get(key) ?? [];
    const latest = tasks.reduce((a, b) => (runOf(a) > runOf(b) ? a : b));
    if (tasks.some(isLive) || !endedByItself(latest)) continue;
    const verdict = afterEnd(latest, policy);
    if (verdict.kind !== 'gaveUp') continue;
    const cause = causeOfSlot(tasks, nodes);
    return `slot ${key} gave up after ${verdict.restarts} restarts: ${cause?.message ?? ''}; correct the service, or delete the task to try again`;
  }
  return undefined;
}
