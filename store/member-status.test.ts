import { afterEach, describe, expect, test } from '@jest/globals';
import { Connection } from './connection.ts';
import { memberStatus } from './member-status.ts';
import { announcePeerUrl, moveLeader } from './members.ts';
import { startTestEtcd, type TestEtcd } from './testing.ts';

describe('the status of a member', () => {
  let etcd: TestEtcd | undefined;
  let connection: Connection | undefined;
  const connect = async (args: readonly string[] = []): Promise<Connection> => {
    etcd = await startTestEtcd({ args });
    return (connection = new Connection({ endpoints: etcd.endpoints }));
  };
  afterEach(async () => {
    connection?.close();
    await etcd?.stop();
  });

  test('says that it leads, and how far it is', async () => {
    const status = await memberStatus(await connect());
    expect(status).toMatchObject({ isLeader: true, isLearner: false, leaderId: status.id, alarms: [] });
    expect(status.appliedIndex).toBe(status.raftIndex);
    expect(await moveLeader(connection as Connection)).toBe('alone');
  });

  test('says which member is full', async () => {
    const full = await connect([`--quota-backend-bytes=${64 * 1024}`]);
    const put = (i: number): Promise<unknown> =>
      full.call('KV', 'put', { key: Buffer.from(`k${i}`), value: Buffer.alloc(32 * 1024) });
    let status = await memberStatus(full);
    for (let i = 0; status.alarms.length === 0; i++) {
      await put(i).catch(() => undefined);
      status = await memberStatus(full);
    }
    expect(status.alarms).toEqual([{ memberId: status.id, kind: 'full' }]);
  });

  test('shows the address that was announced', async () => {
    const own = await connect();
    await announcePeerUrl(own, 'http://127.0.0.1:6751');
    type Members = { readonly members: readonly { readonly peerURLs: readonly string[] }[] };
    const { members } = await own.call<Members>('Cluster', 'memberList', {});
    expect(members[0]?.peerURLs).toEqual(['http://127.0.0.1:6751']);
  });
});
