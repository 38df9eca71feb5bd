/**
 * Changes of etcd's members, all through our own: its client port is the only one that we reach. What may be
 * repeated says so; what etcd refuses for a reason that a person or time can mend is an answer, not an error.
 * Errors are ApiErrors: 503 `NoQuorum` or `StoreUnavailable`.
 */
import { peerAddressOf, removalOf } from '../api-schemas/cluster-api.ts';
import { ApiError, messageOf } from '../kit/errors.ts';
import { isRpcError } from './connection.ts';
import { hasNoLeader, noQuorum, storeUnavailable } from './errors.ts';
import {
  listMembers,
  memberOf,
  memberStatus,
  type Member,
  type MemberCalls,
  type RawMember,
  type RawMembers,
} from './member-status.ts';

export interface Added {
  /** `found`: it had been added before, by an attempt that was cut short, or it is one of the members already. */
  readonly kind: 'added' | 'found';
  readonly member: Member;
  /** What the new member's `bootstrap: { kind: 'join' }` takes. */
  readonly initialCluster: string;
}

export interface AddRefused {
  readonly kind: 'refused';
  /**
   * `Unhealthy`: not all members are connected, or not yet for five seconds. `AnotherLearner`: one at a time.
   * Both pass by themselves, or when the member that is down is removed. `NameTaken`: a member of that name has
   * another address; it is to be removed first, or told its new address.
   */
  readonly reason: 'Unhealthy' | 'AnotherLearner' | 'NameTaken';
  readonly message: string;
}

export type Promoted =
  | { readonly kind: 'promoted' }
  /** It has not caught up with the leader's log yet. `raftIndex` is about where it must come to. */
  | { readonly kind: 'notReady'; readonly raftIndex: number; readonly message: string };

export type Removed =
  /** Or it was none any more. */
  | { readonly kind: 'removed' }
  | { readonly kind: 'refused'; readonly reason: 'WouldLoseQuorum'; readonly message: string };

/** A change of the members is one entry of the log, and may be behind a long one. */
const changeTimeoutMs = 10_000;

/** `--initial-cluster` of `self`. etcd compares the addresses only, so those that never started get their id. */
export const initialClusterOf = (members: readonly Member[], self: { id: string; name: string }): string =>
  members
    .flatMap(({ id, name, peerUrls }) =>
      peerUrls.map((url) => `${id === self.id ? self.name : name || id}=${url}`),
    )
    .join(',');

/** Adds a member without a vote. A repeat finds the one that was added, by its address. */
export async function addLearner(
  connection: MemberCalls,
  { name, peerUrl }: { readonly name: string; readonly peerUrl: string },
): Promise<Added | AddRefused> {
  const found = await findBefore(connection, name, peerUrl);
  if (found !== undefined) return found;
  try {
    const request = { peerURLs: [peerUrl], isLearner: true };
    type Answer = RawMembers & { readonly member: RawMember };
    const answer = await change<Answer>(connection, 'memberAdd', request);
    return added('added', memberOf(answer.member), answer.members.map(memberOf), name);
  } catch (error) {
    const text = messageOf(error);
    if (text.includes('too many learner members')) return await anotherLearner(connection);
    if (isUnhealthy(text)) return unhealthy(name);
    // Another attempt was faster, or an answer was lost.
    const again = await findBefore(connection, name, peerUrl).catch(() => undefined);
    if (again !== undefined) return again;
    throw unavailable(`${name} was not added`, error);
  }
}

async function findBefore(
  connection: MemberCalls,
  name: string,
  peerUrl: string,
): Promise<Added | AddRefused | undefined> {
  const members = await listMembers(connection);
  const found = members.find(({ peerUrls }) => peerUrls.includes(peerUrl));
  if (found !== undefined && (found.name === name || !found.isStarted))
    return added('found', found, members, name);
  const other = found ?? members.find((member) => member.name === name);
  if (other === undefined) return undefined;
  return {
    kind: 'refused',
    reason: 'NameTaken',
    message: `${other.name} is a member already, at ${other.peerUrls.join(', ')}: remove it first, if it does not come back`,
  };
}

const added = (kind: Added['kind'], member: Member, members: readonly Member[], name: string): Added => ({
  kind,
  member,
  initialCluster: initialClusterOf(members, { id: member.id, name }),
});

async function anotherLearner(connection: MemberCalls): Promise<AddRefused> {
  const learner = (await listMembers(connection)).find(({ isLearner }) => isLearner);
  const who = learner === undefined ? 'another manager' : learner.name || peerAddressOf(learner);
  const remedy = learner === undefined ? '' : `; if it does not come: \`${removalOf(learner)}\``;
  return {
    kind: 'refused',
    reason: 'AnotherLearner',
    message: `${who} is being added, and it is one at a time: wait until it has caught up${remedy}`,
  };
}

const unhealthy = (name: string): AddRefused => ({
  kind: 'refused',
  reason: 'Unhealthy',
  message: `${name} cannot be added yet: all managers must have been connected for five seconds. Start the one that is down, or remove it`,
});

/** Gives a learner its vote, once it has caught up. A repeat after success is a success. */
export async function promote(connection: MemberCalls, id: string): Promise<Promoted> {
  try {
    await change(connection, 'memberPromote', { ID: id });
    return { kind: 'promoted' };
  } catch (error) {
    if (messageOf(error).includes('in sync with leader')) return await notReady(connection);
    const known = await find(connection, id).catch(() => ({ isLearner: true }));
    if (known?.isLearner === false) return { kind: 'promoted' };
    if (known !== undefined) throw unavailable('the manager did not get its vote', error);
    throw new ApiError(404, 'The manager that should get its vote was removed: it must join again', {
      cause: error,
    });
  }
}

/** Undefined: it is no member. */
const find = async (connection: MemberCalls, id: string): Promise<Member | undefined> =>
  (await listMembers(connection)).find((member) => member.id === id);

async function notReady(connection: MemberCalls): Promise<Promoted> {
  const { raftIndex } = await memberStatus(connection);
  return {
    kind: 'notReady',
    raftIndex,
    message: `It has not caught up yet: the leader is at ${raftIndex}`,
  };
}

/**
 * Removes a member for good; its data is of no use afterwards. Refused when too few of those that remain would
 * be connected, which would leave them without a majority. The leader is better moved away first.
 */
export async function removeMember(connection: MemberCalls, id: string): Promise<Removed> {
  try {
    await change(connection, 'memberRemove', { ID: id });
    return { kind: 'removed' };
  } catch (error) {
    if (isUnhealthy(messageOf(error))) return await wouldLoseQuorum(connection, id);
    const known = await find(connection, id).catch(() => ({ id }));
    if (known === undefined) return { kind: 'removed' };
    throw unavailable('the manager was not removed', error);
  }
}

async function wouldLoseQuorum(connection: MemberCalls, id: string): Promise<Removed> {
  const members = await listMembers(connection);
  const voters = members.filter(({ isLearner }) => !isLearner).length;
  const name = members.find((member) => member.id === id)?.name || id;
  const left = voters - 1;
  const message =
    left === 0
      ? `${name} is the only manager: it cannot be removed`
      : `Without ${name} too few managers would be connected: of the other ${left}, ${Math.floor(left / 2) + 1} must have been for ` +
        'five seconds. Start the one that is down, or remove that one first';
  return { kind: 'refused', reason: 'WouldLoseQuorum', message };
}

/** Tells all where a member is now. Nothing is written when they know. */
export async function updatePeerUrls(
  connection: MemberCalls,
  id: string,
  peerUrls: readonly string[],
): Promise<void> {
  const member = await find(connection, id);
  if (member !== undefined && sameSet(member.peerUrls, peerUrls)) return;
  try {
    await change(connection, 'memberUpdate', { ID: id, peerURLs: peerUrls });
  } catch (error) {
    throw unavailable('the new address of the manager was not told to the others', error);
  }
}

/**
 * The same for our own member: to be called after each start, as the address may have changed, and before the
 * first other member is added, as an etcd that was alone is at 127.0.0.1. Works from the new address, too: our
 * member dials the others.
 */
export async function announcePeerUrl(connection: MemberCalls, peerUrl: string): Promise<void> {
  const { id } = await memberStatus(connection);
  await updatePeerUrls(connection, id, [peerUrl]);
}

/**
 * Makes another member the leader, when ours is: to be called before ours stops, so that nobody waits for an
 * election. `alone`: there is no other that could; `failed`: none took it over, and an election will do.
 */
export async function moveLeader(
  connection: MemberCalls,
): Promise<'moved' | 'notLeader' | 'alone' | 'failed'> {
  const { id, isLeader } = await memberStatus(connection);
  if (!isLeader) return 'notLeader';
  const others = (await listMembers(connection)).filter(
    (member) => member.id !== id && member.isStarted && !member.isLearner,
  );
  if (others.length === 0) return 'alone';
  for (const { id: targetID } of others) {
    try {
      await connection.call('Maintenance', 'moveLeader', { targetID }, 2000);
      return 'moved';
    } catch {
      // It is down: the next one.
    }
  }
  return (await memberStatus(connection)).isLeader ? 'failed' : 'moved';
}

const change = <R>(connection: MemberCalls, method: string, request: object): Promise<R> =>
  connection.call<R>('Cluster', method, request, changeTimeoutMs, { requireLeader: true });

/** What is left of etcd's answers to a change: nobody knows it, but the next attempt finds out. */
const unavailable = (what: string, error: unknown): ApiError => {
  if (error instanceof ApiError) return error;
  const timedOut = isRpcError(error) && (error.code === 4 || error.details.includes('timed out'));
  return hasNoLeader(error) || timedOut ? noQuorum(what, error) : storeUnavailable(what, error);
};

const isUnhealthy = (text: string): boolean =>
  text.includes('unhealthy cluster') || text.includes('not enough started members');

const sameSet = (a: readonly string[], b: readonly string[]): boolean =>
  a.length === b.length && a.every((each) => b.includes(each));
