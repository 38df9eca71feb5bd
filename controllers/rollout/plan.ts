import type { Node, Revision, Service, Task } from '../../api-schemas/index.ts';
import { apiVersion, label, ownerReference } from '../runtime/names.ts';
import { desiredCount } from '../runtime/placement/slots.ts';
import { policyOf, type Policy } from '../runtime/policy.ts';
import { isDone, isFinished, isOnLostNode, isReady, slotOf } from '../runtime/tasks.ts';

export interface Observed {
  readonly service: Service;
  /** Revisions that this service owns. */
  readonly revisions: readonly Revision[];
  /** Tasks that this service owns. */
  readonly tasks: readonly Task[];
  readonly nodes: ReadonlyMap<string, Node>;
}

export type Step =
  | { readonly kind: 'CreateRevision'; readonly revision: Revision }
  | {
      readonly kind: 'SetRevision';
      readonly revision: Revision;
      readonly replicas: number;
      readonly number: number;
    }
  | { readonly kind: 'DeleteRevision'; readonly revision: Revision };

/** What matters of one revision. */
export interface Share {
  /** `spec.replicas` as it is. */
  readonly wanted: number;
  /** Slots that serve, or have done their work. */
  readonly ready: number;
  /** Tasks that have not ended, on nodes that are not lost. */
  readonly unfinished: number;
  readonly number: number;
}

/**
 * Returns the steps that give each revision the number of slots it should have now. Reads everything from the
 * objects: whoever takes over in the middle of an update goes on with it.
 *
 * A start-first update never has more than `parallelism` tasks beyond those wanted, and takes an old slot away
 * only when a new one is ready in its stead; a stop-first update never has more than `parallelism` slots
 * without a ready task because of the update.
 */
export function plan({ service, revisions, tasks, nodes }: Observed): Step[] {
  const policy = policyOf(service);
  const desired = desiredCount(policy, nodes, tasks);
  const shares = sharesOf(policy, revisions, tasks, nodes);
  const current = revisions.find((revision) => revision.metadata.name === policy.revision);
  const others = revisions.filter((revision) => revision !== current);
  const share = (revision: Revision): Share => shares.get(revision.metadata.name) ?? noShare;

  const counts = divide(policy, desired, current === undefined ? noShare : share(current), others.map(share));
  const highest = Math.max(0, ...others.map((revision) => revision.spec.number));
  const steps: Step[] = [];
  if (current === undefined) {
    steps.push({
      kind: 'CreateRevision',
      revision: newRevision(service, policy, highest + 1, counts.current),
    });
  } else {
    const number = current.spec.number > highest ? current.spec.number : highest + 1;
    steps.push(...set(current, counts.current, number));
  }
  others.forEach((revision, i) => {
    steps.push(...set(revision, counts.others[i] ?? 0, revision.spec.number));
  });
  return [...steps, ...trim(policy, others, counts.others, tasks)];
}

const noShare: Share = { wanted: 0, ready: 0, unfinished: 0, number: 0 };

/** Returns how many slots the current revision and each other one should have. Pure arithmetic, no objects. */
export function divide(
  policy: Pick<Policy, 'order' | 'parallelism'>,
  desired: number,
  current: Share,
  others: readonly Share[],
): { readonly current: number; readonly others: readonly number[] } {
  const oldWanted = sum(others.map((share) => share.wanted));
  const oldUnfinished = sum(others.map((share) => share.unfinished));
  const step = policy.parallelism === 0 ? desired : policy.parallelism;
  const keep = (total: number): readonly number[] => takeAway(others, Math.max(0, oldWanted - total));

  switch (policy.order) {
    case 'start-first': {
      if (oldWanted === 0) return { current: desired, others: keep(0) };
      const fresh = clamp(Math.max(current.wanted, current.ready + step), desired);
      // Between the counts there is always enough for `desired`, unless it was raised meanwhile: the old
      // revision, which is known to work, then makes up for what is missing.
      const missing = Math.max(0, desired - fresh - oldWanted);
      const old = Math.min(oldWanted + missing, Math.max(0, desired - current.ready));
      return { current: fresh, others: old > oldWanted ? giveMore(others, old - oldWanted) : keep(old) };
    }
    case 'stop-first': {
      if (oldWanted === 0 && oldUnfinished === 0) return { current: desired, others: keep(0) };
      const room = Math.max(0, desired - oldUnfinished);
      const fresh = clamp(Math.max(current.wanted, Math.min(current.ready + step, room)), desired);
      const missing = Math.max(0, desired - step - fresh - oldWanted);
      const old = Math.min(oldWanted + missing, Math.max(0, desired - current.ready - step));
      return { current: fresh, others: old > oldWanted ? giveMore(others, old - oldWanted) : keep(old) };
    }
  }
}

const sum = (numbers: readonly number[]): number => numbers.reduce((a, b) => a + b, 0);
const clamp = (n: number, max: number): number => Math.max(0, Math.min(n, max));

/** Takes `count` slots away: those that do not serve first (of the newest revision first), then of the oldest. */
function takeAway(shares: readonly Share[], count: number): readonly number[] {
  const left = shares.map((share) => share.wanted);
  let missing = count;
  const take = (i: number, most: number): void => {
    const taken = Math.min(missing, most, left[i] ?? 0);
    left[i] = (left[i] ?? 0) - taken;
    missing -= taken;
  };
  const newestFirst = shares.map((_, i) => i).sort((a, b) => numberOf(shares, b) - numberOf(shares, a));
  for (const i of newestFirst) take(i, Math.max(0, (shares[i]?.wanted ?? 0) - (shares[i]?.ready ?? 0)));
  for (const i of newestFirst.toReversed()) take(i, Number.MAX_SAFE_INTEGER);
  return left;
}

/** Gives `count` more slots to the revision that serves most; of equals, the newest. */
function giveMore(shares: readonly Share[], count: number): readonly number[] {
  let best = 0;
  shares.forEach((share, i) => {
    const other = shares[best] ?? noShare;
    if (share.ready > other.ready || (share.ready === other.ready && share.number > other.number)) best = i;
  });
  return shares.map((share, i) => share.wanted + (i === best ? count : 0));
}

const numberOf = (shares: readonly Share[], i: number): number => shares[i]?.number ?? 0;

function sharesOf(
  policy: Policy,
  revisions: readonly Revision[],
  tasks: readonly Task[],
  nodes: ReadonlyMap<string, Node>,
): ReadonlyMap<string, Share> {
  const ready = new Map<string, Set<string>>();
  const unfinished = new Map<string, number>();
  for (const task of tasks) {
    const { revision } = task.spec;
    if (isReady(task, nodes) || isDone(task, policy)) {
      const slots = ready.get(revision) ?? new Set();
      ready.set(revision, slots.add(slotOf(task)));
    }
    if (!isFinished(task) && !isOnLostNode(task, nodes)) {
      unfinished.set(revision, (unfinished.get(revision) ?? 0) + 1);
    }
  }
  return new Map(
    revisions.map((revision) => {
      const { name } = revision.metadata;
      const share: Share = {
        wanted: revision.spec.replicas,
        ready: ready.get(name)?.size ?? 0,
        unfinished: unfinished.get(name) ?? 0,
        number: revision.spec.number,
      };
      return [name, share];
    }),
  );
}

const set = (revision: Revision, replicas: number, number: number): Step[] =>
  revision.spec.replicas === replicas && revision.spec.number === number
    ? []
    : [{ kind: 'SetRevision', revision, replicas, number }];

/** Revisions past the history limit, oldest first, of which no task is left. */
function trim(
  policy: Policy,
  others: readonly Revision[],
  counts: readonly number[],
  tasks: readonly Task[],
): Step[] {
  const used = new Set(tasks.map((task) => task.spec.revision));
  const idle = others.filter(
    (revision, i) => counts[i] === 0 && revision.spec.replicas === 0 && !used.has(revision.metadata.name),
  );
  return idle
    .toSorted((a, b) => b.spec.number - a.spec.number)
    .slice(policy.revisionHistoryLimit)
    .map((revision) => ({ kind: 'DeleteRevision', revision }));
}

function newRevision(service: Service, policy: Policy, number: number, replicas: number): Revision {
  const { name, namespace = '', labels } = service.metadata;
  const stack = labels?.[label.stack];
  return {
    apiVersion,
    kind: 'Revision',
    metadata: {
      name: policy.revision,
      namespace,
      labels: { [label.service]: name, ...(stack === undefined ? {} : { [label.stack]: stack }) },
      ownerReferences: [ownerReference(service)],
    },
    spec: {
      service: name,
      number,
      template: policy.template,
      ...(policy.hostPorts.length === 0 ? {} : { hostPorts: policy.hostPorts }),
      replicas,
    },
  };
}
