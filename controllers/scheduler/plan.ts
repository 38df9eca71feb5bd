import type { Node, Revision, Service, Task } from '../../api-schemas/index.ts';
import { byRun } from '../runtime/tasks.ts';
import {
  availabilityRefusal,
  placementRefusal,
  taintRefusal,
  untolerated,
  wishOf,
  type Wish,
} from '../runtime/placement/fit.ts';
import { policyOf } from '../runtime/policy.ts';
import { occupy, revisionKey, roomRefusal, seatsOf, serviceKey, type Seat } from './cluster.ts';
import { demandOf, type Demand } from './demand.ts';
import { explain } from './explain.ts';
import { failingNodes } from './failures.ts';
import { SpreadTree } from './spread.ts';

export interface Observed {
  /** Tasks without a node that want one. */
  readonly pending: readonly Task[];
  /** All tasks: what the nodes carry already. */
  readonly tasks: readonly Task[];
  readonly nodes: readonly Node[];
  readonly revisionOf: (task: Task) => Revision | undefined;
  readonly serviceOf: (task: Task) => Service | undefined;
  /** Tasks of the same service, for its failures. */
  readonly siblingsOf: (task: Task) => readonly Task[];
  readonly nowMs: number;
}

export type Step =
  | { readonly kind: 'BindTask'; readonly task: Task; readonly nodeName: string }
  | { readonly kind: 'ExplainTask'; readonly task: Task; readonly message: string };

/**
 * Returns where each pending task goes, or why it can go nowhere. Tasks that are alike are placed as one batch:
 * nodes are filtered once for it, then taken from a heap. No node is ever given more than it has room for.
 */
export function plan(observed: Observed): Step[] {
  const seats = [...seatsOf(observed.nodes, observed.tasks, observed.revisionOf).values()];
  return [...batchesOf(observed.pending).values()].flatMap((batch) => placeBatch(batch, seats, observed));
}

function batchesOf(pending: readonly Task[]): ReadonlyMap<string, readonly Task[]> {
  const batches = new Map<string, Task[]>();
  for (const task of pending) {
    const batch = batches.get(revisionKey(task));
    if (batch === undefined) batches.set(revisionKey(task), [task]);
    else batch.push(task);
  }
  return batches;
}

function placeBatch(batch: readonly Task[], seats: readonly Seat[], observed: Observed): Step[] {
  const [first] = batch;
  const revision = first && observed.revisionOf(first);
  const service = first && observed.serviceOf(first);
  if (first === undefined || revision === undefined || service === undefined) return [];

  const { placement } = policyOf(service).spec;
  const wish = wishOf(placement, revision.spec.template.platform);
  const demand = demandOf(revision);
  const limit = placement?.maxReplicasPerNode ?? 0;
  const [service_, revision_] = [serviceKey(first), revisionKey(first)];
  const failing = failingNodes(observed.siblingsOf(first), observed.nowMs);
  const tree = new SpreadTree(
    seats.filter((seat) => staticRefusal(wish, seat.node) === undefined),
    (placement?.preferences ?? []).map((preference) => preference.spread),
    (seat) => seat.ofService.get(service_) ?? 0,
    better(service_, failing, wish),
  );

  const steps: Step[] = [];
  let message: string | undefined;
  for (const task of batch.toSorted(bySlotThenRun)) {
    const isPlaced =
      message === undefined &&
      tree.place(
        (seat) => roomRefusal(seat, demand, limit, revision_) === undefined,
        (seat) => {
          occupy(seat, task, demand);
          steps.push({ kind: 'BindTask', task, nodeName: seat.name });
        },
      );
    if (isPlaced) continue;
    message ??= explain(refusals(seats, wish, demand, limit, revision_, placement?.constraints));
    steps.push({ kind: 'ExplainTask', task, message });
  }
  return steps;
}

const bySlotThenRun = (a: Task, b: Task): number => (a.spec.slot ?? 0) - (b.spec.slot ?? 0) || byRun(a, b);

const staticRefusal = (wish: Wish, node: Node, texts?: readonly string[]): string | undefined =>
  availabilityRefusal(node) ?? placementRefusal(wish, node, texts) ?? taintRefusal(wish, node);

/** Not where the service keeps failing, nor where it is not liked, then fewest of the service, then fewest of all, then by name. */
const better =
  (service: string, failing: ReadonlySet<string>, wish: Wish) =>
  (a: Seat, b: Seat): boolean => {
    const order =
      Number(failing.has(a.name)) - Number(failing.has(b.name)) ||
      Number(isDisliked(wish, a)) - Number(isDisliked(wish, b)) ||
      (a.ofService.get(service) ?? 0) - (b.ofService.get(service) ?? 0) ||
      a.tasks - b.tasks;
    return order < 0 || (order === 0 && a.name < b.name);
  };

const isDisliked = (wish: Wish, { node }: Seat): boolean =>
  (node.spec.taints ?? []).length > 0 && untolerated(wish, node, 'PreferNoSchedule') !== undefined;

const refusals = (
  seats: readonly Seat[],
  wish: Wish,
  demand: Demand,
  limit: number,
  revision: string,
  texts: readonly string[] | undefined,
): ReadonlyMap<string, string> =>
  new Map(
    seats.map((seat) => [
      seat.name,
      staticRefusal(wish, seat.node, texts) ?? roomRefusal(seat, demand, limit, revision) ?? 'has room',
    ]),
  );
