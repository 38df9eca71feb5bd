import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { Obj } from '../../api-schemas/index.ts';
import {
  announcePeerUrl,
  backup,
  listMembers,
  memberStatus,
  restoreEtcd,
  superviseEtcd,
  verifyBackup,
  type Store,
} from '../../store/index.ts';
import { eventually, peerUrl, startMachines, type Machine } from './store-harness.ts';

const namespace = (name: string): Obj => ({ apiVersion: 'v1', kind: 'Namespace', metadata: { name } });
const names = (store: Store): readonly string[] =>
  store.cache.list('Namespace').map(({ metadata }) => metadata.name);

describe('the data of a machine that was alone', () => {
  const machines = startMachines();
  let one: Machine, two: Machine, other: Machine;
  const bytes: Buffer[] = [];
  const open = async function* (): AsyncGenerator<Buffer> {
    for (const each of bytes) yield await Promise.resolve(each);
  };
  beforeAll(async () => {
    [one, two, other] = [
      await machines.machine('one'),
      await machines.machine('two'),
      await machines.machine('other'),
    ];
    await machines.runAlone(one);
    await (await machines.open(one)).registry.create(namespace('alone'));
    await one.etcd?.stop();
  });
  afterAll(() => machines.stop());

  test('is that of the first member of a cluster, once it has announced its address', async () => {
    await machines.run(one);
    const { connection } = await machines.open(one);
    await announcePeerUrl(connection, peerUrl(one));
    expect(await listMembers(connection)).toMatchObject([{ name: 'one', peerUrls: [peerUrl(one)] }]);
    await machines.join(two, one);
    expect(names(await machines.open(two))).toEqual(['alone']);
  }, 40_000);

  test('is backed up from what is left of the cluster, when that is asked for', async () => {
    const store = await machines.open(one);
    await machines.kill(two);
    await eventually(async () =>
      (await memberStatus(store.connection)).leaderId === undefined ? true : undefined,
    );
    await expect(verifyBackup(backup(store))).rejects.toMatchObject({ code: 503, reason: 'NoQuorum' });
    for await (const part of backup({ connection: store.connection, staleOk: true })) bytes.push(part);
    expect(await verifyBackup(open())).toMatchObject({ keys: 1 });
  });

  test('is restored as the first member of a new cluster elsewhere', async () => {
    const { bootstrap: _, ...member } = machines.member(other, { kind: 'new' });
    await restoreEtcd({ ...machines.options(other), member, open });
    await machines.run(other);
    const store = await machines.open(other);
    expect(names(store)).toEqual(['alone']);
    expect(await listMembers(store.connection)).toMatchObject([
      { name: 'other', peerUrls: [peerUrl(other)] },
    ]);
  });

  test('waits for its majority as long as that takes, or until it is told to give up', async () => {
    await one.etcd?.stop();
    const giveUp = new AbortController();
    const said: unknown[] = [];
    const waiting = superviseEtcd({
      ...machines.options(one),
      member: machines.member(one, { kind: 'new' }),
      signal: giveUp.signal,
      logger: {
        ...machines.options(one).logger,
        warn: (_: object, text: string) => said.push(text),
      } as never,
    });
    const ended = expect(waiting).rejects.toThrow('enough');
    await eventually(() => (said.length > 0 ? true : undefined));
    expect(said).toEqual(['etcd waits for a majority of the members']);
    giveUp.abort(new Error('enough'));
    await ended;
    const [again] = await Promise.all([machines.run(one), machines.run(two)]);
    expect(again.health().state).toBe('running');
  }, 40_000);
});
