/** Where replacing the CA goes from where it is. Pure: all that is remembered is in `Cluster.status.ca`. */
import { isDeepStrictEqual } from 'node:util';
import type { ClusterCa } from '../../api-schemas/index.ts';
import type { NewEvent } from '../runtime/events.ts';
import { managerId, managersOf, nodesOf, type Phase } from './asks.ts';
import { began, skippedEvent, startedOver } from './events.ts';
import { settle, waitOf, type Observed } from './settle.ts';

export interface Plan {
  /** The very object of the cluster when nothing changes. */
  readonly status: ClusterCa | undefined;
  readonly events: readonly NewEvent[];
  /** When something is due even if nothing changes. */
  readonly wakeAtMs?: number;
}

const after: Readonly<Record<Exclude<Phase, 'Create' | 'Done'>, Phase>> = {
  Trust: 'Issue',
  Issue: 'Drop',
  Drop: 'Done',
};

/**
 * What is to be said of the rotation. A phase ends when all have done what it asks but those that were out of reach
 * for too long: first the managers, one at a time, then the nodes, all at once. So there is no moment in which two
 * of them that are in reach trust no CA in common.
 */
export function plan(observed: Observed): Plan {
  const ca = observed.cluster.status?.ca;
  const made = ca === undefined || ca.phase === 'Done' ? rest(observed, ca) : goOn(observed, ca);
  return isDeepStrictEqual(made.status, ca) ? { ...made, status: ca, events: [] } : made;
}

/** None is under way: begins the one that is asked for, else forgets who came back from those that were skipped. */
function rest(observed: Observed, ca: ClusterCa | undefined): Plan {
  const { cluster, nowMs } = observed;
  const rotation = cluster.spec.ca?.rotation ?? 0;
  const holder = rotation > (ca?.rotation ?? 0) ? makerOf(observed, ca?.to) : undefined;
  if (holder === undefined) {
    const status = ca === undefined ? undefined : { ...ca, skipped: stillSkipped(observed, ca) };
    return { status, events: [] };
  }
  const now = new Date(nowMs).toISOString();
  const begun: ClusterCa = {
    rotation,
    phase: 'Create',
    turn: holder.name,
    from: holder.issuer,
    startedAt: now,
    since: now,
    waitingFor: [managerId(holder.name)],
    skipped: [],
  };
  const { status, events, ...due } = goOn(observed, begun);
  return { status, events: [began(begun), ...events], ...due };
}

/** The first manager in reach that issues with `from`: who makes the new CA. */
function makerOf(
  { cluster, alive }: Observed,
  from: string | undefined,
): { readonly name: string; readonly issuer: string } | undefined {
  const known = Object.entries(cluster.status?.managers ?? {})
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .flatMap(([name, { pki }]) => (pki === undefined || !alive.has(name) ? [] : [{ name, ...pki }]));
  // One that missed the rotation before may still say that it issues with a CA that nobody trusts.
  return known.find(({ issuer }) => issuer === from) ?? known[0];
}

const stillSkipped = ({ cluster, alive, nodes, since }: Observed, ca: ClusterCa): readonly string[] => {
  const all = [...managersOf(cluster, ca, alive), ...nodesOf(nodes, ca, since)];
  const lacking = new Set(all.filter(({ isDone }) => !isDone).map(({ id }) => id));
  return ca.skipped.filter((id) => lacking.has(id));
};

function goOn(observed: Observed, ca: ClusterCa): Plan {
  if (ca.phase === 'Create') return create(observed, ca);
  const settled = settle(observed, ca);
  const { status, skippedNow, isOver } = settled;
  const events = skippedNow.map((id) => skippedEvent(id, waitOf(observed.cluster)));
  if (settled.isKeyLost) {
    // It is worth nothing yet, as no certificate is of it.
    const again = create(observed, beginAgain(status, observed.nowMs));
    return { ...again, events: [...events, startedOver(status), ...again.events] };
  }
  if (!isOver) {
    return { status, events, ...(settled.wakeAtMs === undefined ? {} : { wakeAtMs: settled.wakeAtMs }) };
  }
  const next = begin(status, observed.nowMs);
  if (next.phase === 'Done') return { status: next, events: [...events, began(next)] };
  const further = goOn(observed, next);
  return { ...further, events: [...events, began(next), ...further.events] };
}

/** The manager with the turn makes the new CA; nothing of it is anywhere else yet, so another one may as well. */
function create(observed: Observed, ca: ClusterCa): Plan {
  const { cluster, alive, nowMs } = observed;
  const pki = cluster.status?.managers?.[ca.turn ?? '']?.pki;
  if (ca.turn !== undefined && alive.has(ca.turn)) {
    if (pki?.next === undefined || pki.next === ca.from) return { status: ca, events: [] };
    const next = begin({ ...ca, to: pki.next }, nowMs);
    const further = goOn(observed, next);
    return { ...further, events: [began(next), ...further.events] };
  }
  const turn = makerOf(observed, ca.from)?.name;
  // Nobody is in reach: whoever comes first gets it.
  if (turn === undefined) return { status: ca, events: [] };
  return create(observed, { ...ca, turn, since: iso(nowMs), waitingFor: [managerId(turn)] });
}

function begin(ca: ClusterCa, nowMs: number): ClusterCa {
  const { turn: _turn, ...kept } = ca;
  const phase = ca.phase === 'Create' ? 'Trust' : ca.phase === 'Done' ? 'Done' : after[ca.phase];
  const now = iso(nowMs);
  return { ...kept, phase, since: now, waitingFor: [], ...(phase === 'Done' ? { finishedAt: now } : {}) };
}

/** Who has the turn keeps it: it waits for a key that does not come. */
function beginAgain(ca: ClusterCa, nowMs: number): ClusterCa {
  const { to: _to, ...kept } = ca;
  const waitingFor = ca.turn === undefined ? [] : [managerId(ca.turn)];
  return { ...kept, phase: 'Create', since: iso(nowMs), waitingFor };
}

const iso = (ms: number): string => new Date(ms).toISOString();
