import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { request } from 'node:https';
import { join } from 'node:path';
import type { Obj, Service } from '../../api-schemas/index.ts';
import { Connection } from '../../store/connection.ts';
import {
  addLearner,
  announcePeerUrl,
  listMembers,
  memberStatus,
  moveLeader,
  promote,
  removeMember,
  type Store,
} from '../../store/index.ts';
import {
  eventually,
  peerPort,
  peerUrl,
  startMachines,
  type Machine,
  type Machines,
} from './store-harness.ts';

const namespace = (name: string): Obj => ({ apiVersion: 'v1', kind: 'Namespace', metadata: { name } });
const service = (name: string): Service => ({
  apiVersion: 'orc.dev/v1',
  kind: 'Service',
  metadata: { name, namespace: 'default' },
  spec: { image: 'web' },
});
const names = (store: Store): readonly string[] =>
  store.cache.list('Namespace').map(({ metadata }) => metadata.name);

describe('a cluster of three etcd members', () => {
  const machines: Machines = startMachines();
  let a: Machine, b: Machine, c: Machine, removed: Machine;
  let stores: Map<Machine, Store>;
  const store = (of: Machine): Store => {
    const found = stores.get(of);
    if (found === undefined) throw new Error(`${of.name} has no store`);
    return found;
  };
  const leader = (): Promise<Machine> =>
    eventually(async () => {
      for (const each of [a, b, c]) {
        if (each.etcd?.health().state !== 'running') continue;
        if ((await memberStatus(store(each).connection)).isLeader) return each;
      }
      return undefined;
    });

  beforeAll(async () => {
    [a, b, c] = [await machines.machine('a'), await machines.machine('b'), await machines.machine('c')];
    await machines.run(a);
    await machines.join(b, a);
    await machines.join(c, b);
    stores = new Map(
      await Promise.all([a, b, c].map(async (each) => [each, await machines.open(each)] as const)),
    );
  }, 60_000);
  afterAll(() => machines.stop());

  test('has three members with a vote, known by name and address, and one leader', async () => {
    const members = await listMembers(store(c).connection);
    expect(members.map(({ name }) => name).sort()).toEqual(['a', 'b', 'c']);
    expect(members.flatMap(({ peerUrls }) => peerUrls).sort()).toEqual([a, b, c].map(peerUrl).sort());
    expect(members.every(({ isLearner, isStarted }) => !isLearner && isStarted)).toBe(true);
    const status = await Promise.all([a, b, c].map((each) => memberStatus(store(each).connection)));
    expect(status.filter(({ isLeader }) => isLeader)).toHaveLength(1);
    expect(new Set(status.map(({ leaderId }) => leaderId)).size).toBe(1);
    expect(status[0]).toMatchObject({ isLearner: false, alarms: [], version: a.etcd?.health().version });
  });

  test('finds a member that is added again, and refuses its name at another address', async () => {
    const { connection } = store(a);
    const again = await addLearner(connection, { name: 'b', peerUrl: peerUrl(b) });
    expect(again).toMatchObject({ kind: 'found', member: { name: 'b', isLearner: false } });
    const other = await addLearner(connection, { name: 'b', peerUrl: 'https://127.0.0.1:1' });
    expect(other).toMatchObject({ kind: 'refused', reason: 'NameTaken' });
  });

  test('finds a learner that never came, gives it no vote, and lets no other in before it is removed', async () => {
    const { connection } = store(b);
    const late = { name: 'late', peerUrl: 'https://127.0.0.1:1' };
    const made = await eventually(async () => {
      const answer = await addLearner(connection, late);
      return answer.kind === 'refused' && answer.reason === 'Unhealthy' ? undefined : answer;
    });
    if (made.kind === 'refused') throw new Error(made.message);
    expect(made).toMatchObject({ kind: 'added', member: { isLearner: true, isStarted: false } });
    expect(made.initialCluster.split(',').sort()).toEqual(
      [...[a, b, c].map((each) => `${each.name}=${peerUrl(each)}`), 'late=https://127.0.0.1:1'].sort(),
    );
    expect(await addLearner(connection, late)).toEqual({ ...made, kind: 'found' });
    const { id } = made.member;
    expect(await promote(connection, id)).toMatchObject({ kind: 'notReady', raftIndex: expect.any(Number) });
    expect(await addLearner(connection, { name: 'x', peerUrl: 'https://127.0.0.1:2' })).toMatchObject({
      kind: 'refused',
      reason: 'AnotherLearner',
      message: expect.stringMatching(/^127\.0\.0\.1:1 is being added.*`orc node rm 127\.0\.0\.1:1`$/),
    });
    expect(await removeMember(connection, id)).toEqual({ kind: 'removed' });
    expect(await removeMember(connection, id)).toEqual({ kind: 'removed' });
    await expect(promote(connection, id)).rejects.toMatchObject({ code: 404 });
    const { id: own } = await memberStatus(connection);
    expect(await promote(connection, own)).toEqual({ kind: 'promoted' });
  });

  test('speaks with members and our clients only, though nodes have certificates of the same CA', async () => {
    const get = (port: number, who: { cert: string; key: string }): Promise<number | string> =>
      new Promise((resolve) => {
        const { cert, key } = who;
        const ask = request({ host: '127.0.0.1', port, path: '/version', ca: a.pki.ca.cert, cert, key });
        ask.on('response', (answer) => resolve(answer.resume().statusCode ?? 0));
        ask.on('error', (error) => resolve(error.message));
        ask.end();
      });
    const clientPort = Number(a.etcd?.endpoints[0]?.split(':').at(-1));
    const client = { cert: String(a.tls.cert), key: String(a.tls.key) };
    expect(await get(a.port, a.pki.etcd)).toBe(200);
    expect(await get(clientPort, client)).toBe(200);
    for (const stranger of [a.pki.node, a.pki.admin, a.pki.server]) {
      expect(await get(a.port, stranger)).toEqual(expect.any(String));
      expect(await get(clientPort, stranger)).toEqual(expect.any(String));
    }
    expect(await get(a.port, client)).toEqual(expect.any(String));
    const { cert, key } = a.pki.node;
    const tls = { ca: a.tls.ca, cert: Buffer.from(cert), key: Buffer.from(key) };
    const connection = new Connection({ endpoints: a.etcd?.endpoints ?? [], tls });
    await expect(connection.call('Maintenance', 'status', {}, 1000)).rejects.toThrow();
    connection.close();
  });

  test('hands the leadership over before a member stops', async () => {
    const before = await leader();
    expect(await moveLeader(store(before).connection)).toBe('moved');
    const after = await leader();
    expect(after).not.toBe(before);
    expect(await moveLeader(store(before).connection)).toBe('notLeader');
  });

  test('goes on through the others when the leader is killed, and takes it back', async () => {
    const killed = await leader();
    const others = [a, b, c].filter((each) => each !== killed);
    await machines.kill(killed);
    await Promise.all(
      others.flatMap((each) => [
        store(each).registry.create(namespace(`by-${each.name}`)),
        store(each).cache.sync(),
      ]),
    );
    const [one] = others as [Machine];
    const id = (await memberStatus(store(one).connection)).id;
    expect(await removeMember(store(one).connection, id)).toMatchObject({
      kind: 'refused',
      reason: 'WouldLoseQuorum',
      message: expect.stringMatching(
        /Without . too few managers would be connected: of the other 2, 2 must.*Start the one that is down/,
      ),
    });
    await machines.run(killed, { kind: 'join', initialCluster: 'is not read any more' });
    stores.set(killed, await machines.open(killed));
    expect(names(store(killed))).toEqual(others.map(({ name }) => `by-${name}`).sort());
  });

  test('refuses the writes of a leader whose member was cut off', async () => {
    const cut = await leader();
    const [other] = [a, b, c].filter((each) => each !== cut) as [Machine];
    const old = await store(cut).campaign('cut', { identity: 'old', ttlSeconds: 2 });
    const pid = cut.etcd?.health().pid ?? 0;
    process.kill(pid, 'SIGSTOP');
    const next = await store(other).campaign('cut', { identity: 'next', ttlSeconds: 2 });
    await store(other).registry.create(service('by-next'), { fence: next.fence });
    process.kill(pid, 'SIGCONT');
    await expect(
      eventually(async () => {
        // Until its member is back, the answer is that nobody knows.
        const error = await store(cut)
          .registry.create(service('by-old'), { fence: old.fence })
          .then(() => new Error('it was written'))
          .catch((each: unknown) => each as { readonly reason?: string });
        return 'reason' in error && error.reason !== 'Fenced' ? undefined : error;
      }),
    ).resolves.toMatchObject({ code: 409, reason: 'Fenced' });
    if (!old.lost.aborted) await once(old.lost, 'abort');
    expect(store(other).cache.get('Service', 'default', 'by-old')).toBeUndefined();
    await next.resign();
  });

  test('runs with a member at another address, which that member tells the others', async () => {
    const moved = c;
    await moved.etcd?.stop();
    moved.port = await peerPort();
    await machines.run(moved);
    stores.set(moved, await machines.open(moved));
    await announcePeerUrl(store(moved).connection, peerUrl(moved));
    await announcePeerUrl(store(moved).connection, peerUrl(moved));
    const members = await eventually(async () => {
      const found = await listMembers(store(a).connection);
      return found.some(({ peerUrls }) => peerUrls[0] === peerUrl(moved)) ? found : undefined;
    });
    expect(members).toHaveLength(3);
  });

  test('without a majority reads from the cache go on, and writes say that there is no quorum', async () => {
    const survivor = a;
    const known = names(store(survivor));
    await machines.kill(b);
    await machines.kill(c);
    await eventually(async () =>
      (await memberStatus(store(survivor).connection)).leaderId === undefined ? true : undefined,
    );
    await expect(store(survivor).registry.create(namespace('late'))).rejects.toMatchObject({
      code: 503,
      reason: 'NoQuorum',
      message: expect.stringMatching(/no quorum: nothing was written\. A majority of the managers must run/),
    });
    await expect(store(survivor).cache.sync()).rejects.toMatchObject({ code: 503, reason: 'NoQuorum' });
    // The first one has waited for a leader; the next is refused by the member itself, at once.
    const next = await store(survivor)
      .cache.sync()
      .catch((error: unknown) => error as Error);
    expect(next).toMatchObject({ reason: 'NoQuorum', cause: { details: 'etcdserver: no leader' } });
    expect((next as { cause?: Error }).cause?.cause).toBeUndefined();
    expect(names(store(survivor))).toEqual(known);
    expect(await listMembers(store(survivor).connection)).toHaveLength(3);
    const add = addLearner(store(survivor).connection, { name: 'd', peerUrl: 'https://127.0.0.1:1' });
    expect(await add.catch((error: unknown) => error)).toMatchObject({ reason: 'NoQuorum' });
  }, 40_000);

  test('is made new from the survivor, with all its data, and only once', async () => {
    const known = names(store(a));
    await a.etcd?.stop();
    await machines.run(a, { kind: 'force-new' });
    const args = readFileSync(join(a.dataDir, 'etcd', 'etcd.json'), 'utf8');
    expect(args).not.toContain('force-new-cluster');
    stores.set(a, await machines.open(a));
    expect(names(store(a))).toEqual(known);
    expect((await listMembers(store(a).connection)).map(({ name }) => name)).toEqual(['a']);
    await store(a).registry.create(namespace('after'));

    const d = (removed = await machines.machine('d'));
    await machines.join(d, a);
    await a.etcd?.stop();
    const again = machines.run(a, { kind: 'force-new' });
    stores.set(d, await machines.open(d));
    await again;
    stores.set(a, await machines.open(a));
    expect((await listMembers(store(d).connection)).map(({ name }) => name).sort()).toEqual(['a', 'd']);
    expect(names(store(d))).toContain('after');
  }, 40_000);

  test('knows when it was removed, and says what to do', async () => {
    const { connection } = store(a);
    const d = (await listMembers(connection)).find(({ name }) => name === 'd');
    // It counts as connected after five seconds.
    await eventually(async () =>
      (await removeMember(connection, d?.id ?? '')).kind === 'removed' ? true : undefined,
    );
    await eventually(() => (removed.etcd?.health().state === 'removed' ? true : undefined));
    await expect(machines.run(removed)).rejects.toThrow(
      /was removed from its cluster.*`orc leave`, then `orc join`/,
    );
    const own = await memberStatus(connection);
    expect(await removeMember(connection, own.id)).toMatchObject({
      kind: 'refused',
      message: 'a is the only manager: it cannot be removed',
    });
  });
});
