/** A phase as it stands: who has the turn, who is waited for and until when, who no more. Pure. */
import { parseDuration, type Cluster, type ClusterCa, type Node } from '../../api-schemas/index.ts';
import type { Since } from '../runtime/sightings.ts';
import { managerId, managersOf, nodesOf, type Manager, type Member } from './asks.ts';

export interface Observed {
  readonly cluster: Cluster;
  /** Names of the managers that hold their Lease. */
  readonly alive: ReadonlySet<string>;
  readonly nodes: readonly Node[];
  readonly nowMs: number;
  /** Since when who came back could have been seen: time before that is not held against anyone. */
  readonly watchingSinceMs: number;
  /** Since when a node's condition is as it is. */
  readonly since: Since;
}

export interface Settled {
  readonly status: ClusterCa;
  readonly skippedNow: readonly string[];
  readonly isOver: boolean;
  /** All that have the new CA's key are out of reach for too long, before the others had it from them. */
  readonly isKeyLost: boolean;
  readonly wakeAtMs?: number;
}

export const waitOf = ({ spec }: Cluster): string => spec.ca?.waitForUnreachable ?? '2m';

/** `ca` as it is now, in its phase. */
export function settle(observed: Observed, ca: ClusterCa): Settled {
  const managers = managersOf(observed.cluster, ca, observed.alive);
  const nodes = nodesOf(observed.nodes, ca, observed.since);
  const lacking = new Set([...managers, ...nodes].filter(({ isDone }) => !isDone).map(({ id }) => id));
  const skipped = ca.skipped.filter((id) => lacking.has(id));
  const isAwaited = ({ id }: Member): boolean => lacking.has(id) && !skipped.includes(id);

  const first = managersPart(observed, ca, managers, managers.filter(isAwaited));
  const { turn: _turn, ...kept } = ca;
  if (first.waiting.length > 0) {
    const turn = nextTurn(first.waiting, holderOf(ca, managers));
    const status = { ...kept, ...(turn === undefined ? {} : { turn: turn.name }) };
    return awaitKey(observed, managers, settled(status, skipped, first));
  }
  const sinceMs = isAtNodes(ca) ? first.sinceMs : observed.nowMs;
  const second = waitFor(observed, sinceMs, nodes.filter(isAwaited));
  const late = comeBack(managers, skipped, holderOf(ca, managers));
  const status = { ...kept, ...(late === undefined ? {} : { turn: late.name }) };
  const waiting = [...(late === undefined ? [] : [late]), ...second.waiting];
  return settled(status, skipped, { ...second, waiting, gone: [...first.gone, ...second.gone] });
}

const holderOf = ({ turn }: ClusterCa, managers: readonly Manager[]): Manager | undefined =>
  managers.find(({ name }) => name === turn);

/** Whether the managers' part is over: then only one that was skipped and came back may have the turn. */
const isAtNodes = ({ turn, skipped }: ClusterCa): boolean =>
  turn === undefined || skipped.includes(managerId(turn));

interface Wait {
  readonly sinceMs: number;
  readonly waiting: readonly Member[];
  /** Those whose time is up. */
  readonly gone: readonly Member[];
  readonly dues: readonly number[];
}

/** A turn that is done is a new beginning: a manager restarts its etcd in its own, which may take a while. */
function managersPart(
  observed: Observed,
  ca: ClusterCa,
  managers: readonly Manager[],
  awaited: readonly Manager[],
): Wait {
  const isNew = awaited.length > 0 && (isAtNodes(ca) || holderOf(ca, managers)?.isDone !== false);
  const sinceMs = isNew ? observed.nowMs : Math.min(Date.parse(ca.since), observed.nowMs);
  return waitFor(observed, sinceMs, awaited);
}

/** Until when one that is out of reach is waited for, by our clock. */
function duesOf({ cluster, nowMs, watchingSinceMs }: Observed, sinceMs: number) {
  const waitMs = parseDuration(waitOf(cluster));
  const past = (ms: number): number => (ms <= nowMs ? ms : 0);
  return (awaySinceMs = 0): number => Math.max(sinceMs, past(awaySinceMs), past(watchingSinceMs)) + waitMs;
}

function waitFor(observed: Observed, sinceMs: number, awaited: readonly Member[]): Wait {
  const dueMs = duesOf(observed, sinceMs);
  const isGone = ({ isReached, awaySinceMs }: Member): boolean =>
    !isReached && observed.nowMs >= dueMs(awaySinceMs);
  const waiting = awaited.filter((one) => !isGone(one));
  return {
    sinceMs,
    waiting,
    gone: awaited.filter(isGone),
    dues: waiting.filter(({ isReached }) => !isReached).map(({ awaySinceMs }) => dueMs(awaySinceMs)),
  };
}

const settled = (
  status: ClusterCa,
  skipped: readonly string[],
  { sinceMs, waiting, gone, dues }: Wait,
): Settled => ({
  status: {
    ...status,
    since: new Date(sinceMs).toISOString(),
    waitingFor: waiting.map(wordsOf),
    skipped: [...skipped, ...gone.map(({ id }) => id)],
  },
  skippedNow: gone.map(({ id }) => id),
  isOver: waiting.length === 0,
  isKeyLost: false,
  ...(dues.length === 0 ? {} : { wakeAtMs: Math.min(...dues) }),
});

/** Nobody can come to have the key while all that have it are out of reach: they are waited for, too, though done. */
function awaitKey(observed: Observed, managers: readonly Manager[], made: Settled): Settled {
  const holders = managers.filter(({ hasKey }) => hasKey);
  const { status } = made;
  if (status.phase !== 'Trust' || holders.some(({ isReached }) => isReached)) return made;
  const dueMs = duesOf(observed, Date.parse(status.since))();
  const words = holders.map(({ id }) => `${id}: no other has the key of the new CA`);
  return {
    ...made,
    status: { ...status, waitingFor: [...words, ...status.waitingFor] },
    isKeyLost: observed.nowMs >= dueMs,
    wakeAtMs: Math.min(dueMs, made.wakeAtMs ?? dueMs),
  };
}

/** Who has the turn keeps it while it is in reach; when nobody is in reach, the first one is waited for. */
const nextTurn = (waiting: readonly Member[], holder: Member | undefined): Member | undefined =>
  waiting.find(({ id, isReached }) => id === holder?.id && isReached) ??
  waiting.find(({ isReached }) => isReached) ??
  waiting[0];

/**
 * A manager that was skipped, is back while the nodes are at it, and can still do what the phase asks: it gets the
 * turn, and so may not have to join again. It stays among the skipped until it is done, by which such a turn is told
 * from one of the managers' part.
 */
function comeBack(
  managers: readonly Manager[],
  skipped: readonly string[],
  holder: Manager | undefined,
): Manager | undefined {
  const back = managers.filter(({ id, isReached, isAble }) => skipped.includes(id) && isReached && isAble);
  return back.find(({ id }) => id === holder?.id) ?? back[0];
}

const wordsOf = ({ id, isReached, isTold }: Member): string =>
  isTold || !isReached ? id : `${id}: its orc is older and does not say whom it trusts; update it`;
