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
  /** All that have the new CA's key are out of reach for too long, and no certificate is of it yet. */
  readonly isKeyLost: boolean;
  readonly wakeAtMs?: number;
}

const iso = (ms: number): string => new Date(ms).toISOString();

export const waitOf = ({ spec }: Cluster): string => spec.ca?.waitForUnreachable ?? '2m';

/** `given` as it is now, in its phase. */
export function settle(observed: Observed, given: ClusterCa): Settled {
  const managers = managersOf(observed.cluster, given, observed.alive);
  const nodes = nodesOf(observed.nodes, given, observed.since);
  const lacking = new Set([...managers, ...nodes].filter(({ isDone }) => !isDone).map(({ id }) => id));
  const skipped = given.skipped.filter((id) => lacking.has(id));
  const isAwaited = ({ id }: Member): boolean => lacking.has(id) && !skipped.includes(id);
  if (!managers.some(({ isSource, isReached }) => isSource && isReached)) {
    const awaited = [...managers, ...nodes].filter(isAwaited);
    return awaitSource(observed, { ...given, skipped }, { managers, nodes, awaited });
  }
  // While there was none, nobody could do anything: that time is held against nobody.
  const ca = isSourceAwaited(given) ? { ...given, since: iso(observed.nowMs) } : given;

  const first = managersPart(observed, ca, managers, managers.filter(isAwaited));
  const { turn: _turn, ...kept } = ca;
  if (first.waiting.length > 0) {
    const turn = nextTurn(first.waiting, holderOf(ca, managers));
    const status = { ...kept, ...(turn === undefined ? {} : { turn: turn.name }) };
    return settled(status, skipped, { ...first, waiting: first.waiting.map(withAgent(nodes)) });
  }
  const sinceMs = isAtNodes(ca) ? first.sinceMs : observed.nowMs;
  // A node follows its machine's own manager: without that it is never done, however well it is connected.
  const left = new Set([...skipped, ...first.gone.map(({ id }) => id)]);
  const isLeft = ({ name }: Member): boolean => left.has(managerId(name));
  const awaited = nodes.filter(isAwaited);
  const second = waitFor(
    observed,
    sinceMs,
    awaited.filter((node) => !isLeft(node)),
  );
  const late = comeBack(managers, skipped, holderOf(ca, managers));
  const status = { ...kept, ...(late === undefined ? {} : { turn: late.name }) };
  const waiting = [...(late === undefined ? [] : [late]), ...second.waiting];
  const skippedToo = [...skipped, ...awaited.filter(isLeft).map(({ id }) => id)];
  return settled(status, skippedToo, { ...second, waiting, gone: [...first.gone, ...second.gone] });
}

/** A manager that is out of reach though the agent of its machine is not: that is told, as it is easily mended. */
const withAgent =
  (nodes: readonly Member[]) =>
  (manager: Member): Member => {
    const hasAgent = nodes.some(({ name, isReached }) => name === manager.name && isReached);
    return hasAgent && !manager.isReached
      ? { ...manager, trouble: 'its agent runs, but not its server; start that' }
      : manager;
  };

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
    since: iso(sinceMs),
    waitingFor: waiting.map(wordsOf),
    skipped: [...skipped, ...gone.map(({ id }) => id)],
  },
  skippedNow: gone.map(({ id }) => id),
  isOver: waiting.length === 0,
  isKeyLost: false,
  ...(dues.length === 0 ? {} : { wakeAtMs: Math.min(...dues) }),
});

/** Part of what is said while there is no source, by which that state is known again: it is in the object alone. */
const noSource = 'can give the new CA';
const isSourceAwaited = ({ waitingFor }: ClusterCa): boolean =>
  waitingFor.some((text) => text.includes(noSource));

interface Everyone {
  readonly managers: readonly Manager[];
  readonly nodes: readonly Member[];
  readonly awaited: readonly Member[];
}

/**
 * No manager through which the others could go on is in reach, so that nobody can do what is asked, and none is
 * skipped for it. Where no certificate is of the new CA yet it is given up for another one in time; else there is no
 * way on without a manager that has it, unless a person says that it is gone for good.
 */
function awaitSource(observed: Observed, ca: ClusterCa, { managers, nodes, awaited }: Everyone): Settled {
  const { nowMs } = observed;
  const isIssued = managers.some((one) => one.isIssued) || nodes.some((one) => one.isReached && one.isIssued);
  const sources = managers.filter(({ isSource }) => isSource);
  const sinceMs = isSourceAwaited(ca) ? Math.min(Date.parse(ca.since), nowMs) : nowMs;
  const dueMs = duesOf(observed, sinceMs)();
  const words =
    sources.length === 0
      ? [`a manager: none that is left ${noSource}, another one is made`]
      : sources.map(({ id, name }) => `${id}: no other ${noSource}, ${remedyFor(name, isIssued)}`);
  const others = awaited.filter(({ id }) => !sources.some((source) => source.id === id));
  return {
    status: { ...ca, since: iso(sinceMs), waitingFor: [...words, ...others.map(wordsOf)] },
    skippedNow: [],
    isOver: false,
    isKeyLost: !isIssued && nowMs >= dueMs,
    ...(isIssued ? {} : { wakeAtMs: dueMs }),
  };
}

const remedyFor = (name: string, isIssued: boolean): string =>
  isIssued
    ? `and certificates are of it already; start orc there, or, if that is gone for good, \`orc node rm ${name}\``
    : 'another one is made if it stays away';

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

function wordsOf({ id, isReached, isTold, trouble }: Member): string {
  if (trouble !== undefined) return `${id}: ${trouble}`;
  return isTold || !isReached ? id : `${id}: its orc is older and does not say whom it trusts; update it`;
}
