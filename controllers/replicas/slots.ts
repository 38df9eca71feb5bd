import type { Node, Task } from '../../api-schemas/index.ts';
import { isLost, isNodeReady } from '../runtime/nodes.ts';
import { byRun, endedByItself, isLive, isRunning, slotOf } from '../runtime/tasks.ts';

/** How the place of a live task is: it may stay, is to leave it (drain, placement), or is out of reach. */
export type Place = 'good' | 'leaving' | 'lost';

/** The tasks of one revision in one slot. */
export interface Slot {
  readonly key: string;
  /** Oldest first, those being deleted too. */
  readonly tasks: readonly Task[];
  readonly latest: Task;
  readonly live: readonly { readonly task: Task; readonly place: Place }[];
  /** It has a live task, or its last one ended by itself, so that the restart policy has to say what comes. */
  readonly claimed: boolean;
  /** A live task of it serves. */
  readonly ready: boolean;
  /** Its live tasks are all on nodes that are not ready or that they have to leave. */
  readonly shaky: boolean;
}

export type PlaceOf = (task: Task) => Place;

/** Says where a live task stands; `mayStay` is asked once per node. */
export function placesOf(nodes: ReadonlyMap<string, Node>, mayStay: (node: Node) => boolean): PlaceOf {
  const known = new Map<string, Place>();
  return ({ spec: { nodeName } }) => {
    if (nodeName === undefined) return 'good';
    const before = known.get(nodeName);
    if (before !== undefined) return before;
    const node = nodes.get(nodeName);
    const place = node === undefined || isLost(node) ? 'lost' : mayStay(node) ? 'good' : 'leaving';
    known.set(nodeName, place);
    return place;
  };
}

/** Groups tasks by revision, then by slot. */
export function groupSlots(
  tasks: readonly Task[],
  placeOf: PlaceOf,
  nodes: ReadonlyMap<string, Node>,
): ReadonlyMap<string, ReadonlyMap<string, Slot>> {
  const groups = new Map<string, Map<string, Task[]>>();
  for (const task of tasks) {
    const slots = groups.get(task.spec.revision) ?? new Map<string, Task[]>();
    groups.set(task.spec.revision, slots);
    const key = slotOf(task);
    const slot = slots.get(key);
    if (slot === undefined) slots.set(key, [task]);
    else slot.push(task);
  }
  return new Map(
    [...groups].map(([revision, slots]) => [
      revision,
      new Map([...slots].map(([key, members]) => [key, readSlot(key, members, placeOf, nodes)])),
    ]),
  );
}

function readSlot(key: string, members: Task[], placeOf: PlaceOf, nodes: ReadonlyMap<string, Node>): Slot {
  const tasks = members.length === 1 ? members : members.toSorted(byRun);
  const latest = tasks[tasks.length - 1] as Task;
  const live = tasks.filter(isLive).map((task) => ({ task, place: placeOf(task) }));
  return {
    key,
    tasks,
    latest,
    live,
    claimed: live.length > 0 || endedByItself(latest),
    ready: live.some(({ task, place }) => place !== 'lost' && isRunning(task)),
    shaky: live.every(({ task, place }) => place !== 'good' || !isOnReadyNode(task, nodes)),
  };
}

function isOnReadyNode({ spec: { nodeName } }: Task, nodes: ReadonlyMap<string, Node>): boolean {
  if (nodeName === undefined) return true;
  const node = nodes.get(nodeName);
  return node !== undefined && isNodeReady(node);
}

/** 1 before 2 before 10; node names alphabetically. */
export const bySlot = (a: string, b: string): number => {
  const [x, y] = [Number(a), Number(b)];
  if (!Number.isNaN(x) && !Number.isNaN(y)) return x - y;
  return a < b ? -1 : a > b ? 1 : 0;
};

/**
 * Orders slots by what is given up first: those that do not serve, those on nodes that are not ready or
 * draining, those that a newer revision already serves, then the highest.
 */
export const byLoss =
  (servedByNewer: ReadonlySet<string>) =>
  (a: Slot, b: Slot): number =>
    Number(a.ready) - Number(b.ready) ||
    Number(b.shaky) - Number(a.shaky) ||
    Number(servedByNewer.has(b.key)) - Number(servedByNewer.has(a.key)) ||
    bySlot(b.key, a.key);
