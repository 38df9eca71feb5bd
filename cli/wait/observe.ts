/** What a waiting `apply` or `scale` sees: the state of services and stacks, from objects alone. Pure. */
import {
  taskStates,
  type Condition,
  type Obj,
  type Service,
  type Stack,
  type Task,
  type TaskState,
} from '../../api-schemas/index.ts';

export interface SlotView {
  /** `3`, or the node's name in a global service. */
  readonly slot: string;
  readonly state: TaskState | undefined;
  readonly node: string | undefined;
  /** Why it is not Running, in words. */
  readonly problem: string | undefined;
  /** Whose words the problem is: the slot's task, or its predecessor. */
  readonly culprit: Task | undefined;
}

export interface ServiceView {
  readonly name: string;
  readonly desired: number | undefined;
  readonly running: number;
  readonly slots: readonly SlotView[];
  readonly outcome: Outcome;
  /** The condition that says why, when it is not converged. */
  readonly why: string | undefined;
}

/** `gone`: the object was deleted meanwhile. `superseded`: it was changed by another write than the awaited one. */
export type Outcome = 'waiting' | 'converged' | 'failed' | 'gone' | 'superseded';

export interface TargetView {
  /** `stack/hello` */
  readonly target: string;
  readonly outcome: Outcome;
  readonly why: string | undefined;
  readonly services: readonly ServiceView[];
}

type Watched = Service | Stack;

export const isCurrent = (object: Obj & { status?: { observedGeneration?: number } }): boolean =>
  (object.status?.observedGeneration ?? 0) >= (object.metadata.generation ?? 0);

const conditionOf = (object: Watched, type: string): Condition | undefined =>
  object.status?.conditions?.find((c) => c.type === type);

const isFresh = (object: Watched, condition: Condition | undefined): boolean =>
  condition !== undefined &&
  (condition.observedGeneration ?? object.metadata.generation ?? 0) >= (object.metadata.generation ?? 0);

/** Stalled, for the spec as it is now: it will not get better by itself. */
const stalled = (object: Watched): Condition | undefined => {
  const condition = conditionOf(object, 'Stalled');
  return condition?.status === 'True' && isCurrent(object) && isFresh(object, condition)
    ? condition
    : undefined;
};

/** The condition that explains best why the object is not ready. */
function explain(object: Watched): string | undefined {
  const conditions = object.status?.conditions ?? [];
  const bad =
    conditions.find((c) => c.type === 'Stalled' && c.status === 'True') ??
    conditions.find((c) => c.type === 'Ready' && c.status !== 'True') ??
    conditions.find((c) => c.type === 'Progressing' && c.status === 'False');
  if (bad === undefined) return undefined;
  return bad.message === '' ? bad.reason : bad.message;
}

/** The view of one service. `tasks` may hold those of others. */
export function viewService(service: Service, tasks: readonly Task[]): ServiceView {
  const { spec, status, metadata } = service;
  const global = spec.mode === 'global';
  const own = tasks.filter(
    (t) => t.spec.service === metadata.name && t.metadata.namespace === metadata.namespace,
  );
  const desired =
    status !== undefined && isCurrent(service) ? (status.desired ?? wanted(service)) : wanted(service);
  const slots = slotsOf(own, global ? undefined : desired, status?.currentRevision);
  const ready = isCurrent(service) ? (status?.ready ?? 0) : slots.filter((s) => s.state === 'Running').length;
  return {
    name: metadata.name,
    desired,
    running: Math.min(ready, desired ?? ready),
    slots,
    outcome: outcomeOf(service, desired),
    why: explain(service),
  };
}

const wanted = (service: Service): number | undefined =>
  service.spec.mode === 'global' ? undefined : (service.spec.replicas ?? 1);

function outcomeOf(service: Service, desired: number | undefined): Outcome {
  if (stalled(service) !== undefined) return 'failed';
  const { status } = service;
  if (!isCurrent(service) || status === undefined) return 'waiting';
  const readyCondition = conditionOf(service, 'Ready');
  if (readyCondition !== undefined && !(readyCondition.status === 'True' && isFresh(service, readyCondition)))
    return 'waiting';
  const target = desired ?? 0;
  const enough = (status.ready ?? 0) >= target && (status.updated ?? target) >= target;
  return enough && (status.replicas ?? target) <= target ? 'converged' : 'waiting';
}

function slotsOf(
  tasks: readonly Task[],
  desired: number | undefined,
  revision: string | undefined,
): SlotView[] {
  const bySlot = new Map<string, Task[]>();
  for (let slot = 1; slot <= Math.min(desired ?? 0, 10_000); slot++) bySlot.set(String(slot), []);
  for (const task of tasks) {
    const slot = slotName(task);
    const members = bySlot.get(slot);
    if (members === undefined) bySlot.set(slot, [task]);
    else members.push(task);
  }
  return [...bySlot]
    .filter(([, members]) => members.length === 0 || members.some(isMeant) || desired === undefined)
    .map(([slot, members]) => viewSlot(slot, members, revision))
    .filter((view) => view.state !== 'Shutdown');
}

const slotName = (task: Task): string =>
  task.spec.slot === undefined ? (task.spec.nodeName ?? task.metadata.name) : String(task.spec.slot);
/** The task is there to run, not to be stopped. */
const isMeant = (task: Task): boolean =>
  task.spec.desiredState !== 'Shutdown' && task.metadata.deletionTimestamp === undefined;
const rank = (state: TaskState | undefined): number => (state === undefined ? -1 : taskStates.indexOf(state));

/** Place in the sequence of the slot's tasks; times have seconds only. */
const runOf = (task: Task): number => Number(task.metadata.annotations?.['orc.dev/run'] ?? 0);

const newestFirst = (a: Task, b: Task): number => {
  if (runOf(a) !== runOf(b)) return runOf(b) - runOf(a);
  const [x, y] = [a.metadata.creationTimestamp ?? '', b.metadata.creationTimestamp ?? ''];
  if (x !== y) return x < y ? 1 : -1;
  return (b.spec.restarts ?? 0) - (a.spec.restarts ?? 0) || (a.metadata.name < b.metadata.name ? 1 : -1);
};

function viewSlot(slot: string, tasks: readonly Task[], revision: string | undefined): SlotView {
  const sorted = [...tasks].sort(newestFirst);
  const meant = sorted.filter(isMeant);
  const task = meant.find((t) => t.spec.revision === revision) ?? meant[0] ?? sorted[0];
  if (task === undefined)
    return { slot, state: undefined, node: undefined, problem: undefined, culprit: undefined };
  const [problem, culprit] = problemOf(task, sorted);
  return {
    slot,
    state: task.status?.state ?? 'New',
    node: task.spec.nodeName,
    problem,
    culprit,
  };
}

/** Why the slot is not Running, and who says so: the task itself, else how its predecessor ended. */
function problemOf(
  task: Task,
  sorted: readonly Task[],
): readonly [problem: string, culprit: Task] | readonly [undefined, undefined] {
  const state = task.status?.state ?? 'New';
  if (state === 'Running' || state === 'Complete') return [undefined, undefined];
  const own = wordsOf(task);
  if (own !== undefined) return [own, task];
  const before = sorted.find(
    (t) =>
      t !== task &&
      rank(t.status?.state) >= taskStates.indexOf('Failed') &&
      t.spec.service === task.spec.service,
  );
  const how = before === undefined ? undefined : wordsOf(before);
  if (before === undefined || how === undefined || (task.spec.restarts ?? 0) === 0)
    return [undefined, undefined];
  return [`restart ${String(task.spec.restarts)}: ${how}`, before];
}

/** `ImagePullFailed: manifest unknown` */
export function wordsOf(task: Task): string | undefined {
  const { reason, message, exitCode, conditions } = task.status ?? {};
  const scheduled = conditions?.find((c) => c.type === 'Scheduled' && c.status === 'False');
  const why = reason ?? scheduled?.reason;
  const what =
    message ?? scheduled?.message ?? (exitCode === undefined ? undefined : `exit code ${String(exitCode)}`);
  if (what === undefined || what === '') return why;
  return why === undefined || what.startsWith(why) ? what : `${why}: ${what}`;
}

/** The view of a stack: the services it owns, and those it has yet to make. */
export function viewStack(stack: Stack, services: readonly Service[], tasks: readonly Task[]): TargetView {
  const owned = services.filter((s) => s.metadata.ownerReferences?.some((o) => o.uid === stack.metadata.uid));
  const views = Object.keys(stack.spec.services).map((key): ServiceView => {
    const name = `${stack.metadata.name}-${key}`;
    const service = owned.find((s) => s.metadata.name === name);
    if (service !== undefined) return { ...viewService(service, tasks), name: key };
    return {
      name: key,
      desired: stack.spec.services[key]?.replicas ?? 1,
      running: 0,
      slots: [],
      outcome: 'waiting',
      why: undefined,
    };
  });
  const bad = stalled(stack);
  const target = `stack/${stack.metadata.name}`;
  if (bad !== undefined) return { target, services: views, outcome: 'failed', why: explain(stack) };
  const failed = views.find((v) => v.outcome === 'failed');
  if (failed !== undefined)
    return { target, services: views, outcome: 'failed', why: `${failed.name}: ${failed.why ?? 'stalled'}` };
  const ready = conditionOf(stack, 'Ready');
  const saysReady = ready === undefined || (ready.status === 'True' && isFresh(stack, ready));
  const done = isCurrent(stack) && saysReady && views.every((v) => v.outcome === 'converged');
  return { target, services: views, outcome: done ? 'converged' : 'waiting', why: explain(stack) };
}

/** The view of a service that is waited for by itself. */
export function viewAlone(service: Service, tasks: readonly Task[]): TargetView {
  const view = viewService(service, tasks);
  return {
    target: `service/${service.metadata.name}`,
    outcome: view.outcome,
    why: view.why,
    services: [view],
  };
}
