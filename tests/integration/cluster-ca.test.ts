/** The CA of a cluster of processes is replaced by another one, while it is used and while parts of it are away. */
import { X509Certificate } from 'node:crypto';
import { copyFileSync, readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { Cluster, Event, Task } from '../../api-schemas/index.ts';
import { Client, isConnectionError, loadContext } from '../../client/index.ts';
import { certificatesIn, digestOf } from '../../kit/certificate.ts';
import { isApiError } from '../../kit/errors.ts';
import { startMachines, until, untilReady, type Machine, type Machines } from './cluster-harness.ts';

const machines: Machines = startMachines();
const [a, b, c] = [machines.machine('a'), machines.machine('b'), machines.machine('c')];
const [d, e, f] = [machines.machine('d'), machines.machine('e'), machines.machine('f')];
const managers = [a, b, c];
afterAll(() => machines.stop());

const pki = (machine: Machine, name: string): string =>
  readFileSync(join(machine.dataDir, 'pki', name), 'utf8');
const cluster = async (through: Machine): Promise<Cluster> => {
  const [found] = await through.get<Cluster>('cluster', 'orc');
  if (found === undefined) throw new Error('there is no Cluster');
  return found;
};
/** What would differ if a container had been started anew. */
const containers = async (through: Machine): Promise<readonly string[]> =>
  (await through.get<Task>('tasks'))
    .map(({ metadata, spec, status }) =>
      [metadata.uid, spec.nodeName, status?.state, status?.containerID, status?.startedAt].join(' '),
    )
    .sort();
/** What was found about nodes that were out of reach, since the start. */
const troubles = async (through: Machine): Promise<readonly string[]> =>
  (await through.get<Event>('events', '-A'))
    .filter(({ reason }) => reason === 'NodeNotReady' || reason === 'NodeLost')
    .map(({ involvedObject, message }) => `${involvedObject.name}: ${message}`);
/** Each certificate of the machine is of the CA of that digest, and no other is trusted. */
const isOf = (machine: Machine, digest: string): boolean => {
  const trust = certificatesIn(pki(machine, 'trust.crt'));
  const [ca] = trust;
  if (ca === undefined || trust.length !== 1 || digestOf(ca) !== digest) return false;
  const leaves = ['server.crt', 'admin.crt', 'node.crt', 'etcd.crt', 'etcd-client.crt'];
  return readdirSync(join(machine.dataDir, 'pki'))
    .filter((name) => leaves.includes(name))
    .every((name) => new X509Certificate(pki(machine, name)).verify(new X509Certificate(ca).publicKey));
};

/** What runs, but for the machines of these names. */
const elsewhere = async (
  through: Machine,
  than: readonly string[],
  all?: readonly string[],
): Promise<readonly string[]> =>
  (all ?? (await containers(through))).filter((line) => than.every((name) => !line.includes(` ${name} `)));

/** A watch goes on with the certificate that it began with, however long nobody takes that any more. */
const watchMs = 2_000;

/** True once the Cluster is as asked, now or after a change; false when the watch of it has ended before. */
async function seenBy(through: Machine, isSo: (cluster: Cluster) => Promise<boolean>): Promise<boolean> {
  const { ca, cert = '', key = '' } = await loadContext({ path: `${through.dataDir}.config` });
  const client = new Client({ endpoints: [`https://${through.address}:6750`], tls: { ca, cert, key } });
  try {
    for await (const event of client.watch('Cluster', { signal: AbortSignal.timeout(watchMs) })) {
      if (event.type === 'BOOKMARK') continue;
      const now = event.type === 'SYNC' ? event.items[0] : event.object;
      if (now !== undefined && (await isSo(now))) return true;
    }
    return false;
  } catch (error) {
    if (isConnectionError(error) || isApiError(error)) return false;
    throw error;
  } finally {
    client.close();
  }
}

// Nothing is to move while a machine is away.
const service =
  'apiVersion: orc.dev/v1\nkind: Service\nmetadata: { name: web }\nspec: { image: web, replicas: 8, disconnect: { lostAfter: 30m } }\n';
const rotate = (through: Machine, ...more: readonly string[]) =>
  through.orc('ca', 'rotate', '--yes', '--wait', '--timeout', '2m', ...more);

describe('replacing the CA', () => {
  let before: readonly string[];
  let old: string;

  beforeAll(async () => {
    a.start('init');
    await until('the context of a', [a], async () => (await a.orc('get', 'nodes')).code === 0);
    await untilReady(a, a);
    await machines.join(b, a, 'manager');
    await machines.join(c, a, 'manager');
    await Promise.all([machines.join(d, a, 'worker'), machines.join(e, a, 'worker')]);
    await a.apply(service);
    before = await containers(a);
    old = digestOf(pki(a, 'ca.crt'));
  }, 180_000);

  test('reaches managers, nodes and contexts, touches no container, and no node is out of reach meanwhile', async () => {
    const earlier = await troubles(a);
    const [oldToken] = [(await a.must('token', 'show', 'worker', '-q')).trim()];
    copyFileSync(`${a.dataDir}.config`, `${f.dataDir}.config`);
    const ran = await rotate(a);
    expect(ran).toMatchObject({ code: 0 });
    const { status } = await cluster(b);
    expect(status?.ca).toMatchObject({ phase: 'Done', from: old, waitingFor: [], skipped: [] });
    const to = status?.ca?.to ?? '';
    expect(to).not.toBe(old);
    for (const machine of [a, b, c, d, e])
      expect([machine.name, isOf(machine, to)]).toEqual([machine.name, true]);
    for (const machine of managers) {
      expect(digestOf(pki(machine, 'ca.crt'))).toBe(to);
      expect(status?.managers?.[machine.name]?.pki).toEqual({ issuer: to, trust: [to] });
    }
    expect(await containers(c)).toEqual(before);
    expect(await troubles(a)).toEqual(earlier);
    // What is of the old CA opens nothing any more.
    expect((await f.orc('get', 'nodes')).code).not.toBe(0);
    const late = await f.orc(
      'join',
      '--token',
      oldToken,
      '--name',
      'f',
      '--data-dir',
      f.dataDir,
      `${a.address}:6750`,
    );
    expect(late.err).toMatch(/another cluster than the token/);
    await machines.join(f, b, 'worker');
  }, 180_000);

  test('goes on with the others when a node is away, which joins again with one command', async () => {
    await d.end();
    const ran = await rotate(b, '--wait-for-unreachable', '3s');
    expect(ran).toMatchObject({ code: 0, err: expect.stringContaining('node d') });
    const { status } = await cluster(b);
    expect(status?.ca).toMatchObject({ phase: 'Done', skipped: ['node d'] });
    d.start('up');
    await until('d says what to do', [d], () => /CA was replaced while the node was away/.test(d.log()));
    await d.end();
    await machines.join(d, b, 'worker');
    expect(isOf(d, status?.ca?.to ?? '')).toBe(true);
    expect(await elsewhere(c, ['d'])).toEqual(await elsewhere(c, ['d'], before));
  }, 180_000);

  test('goes on where it was when the manager whose turn it is is killed, in each phase', async () => {
    before = await containers(b);
    const rotation = ((await cluster(b)).status?.ca?.rotation ?? 0) + 1;
    await a.must('ca', 'rotate', '--yes', '--no-wait');
    const killed = new Set<string>();
    const isDone = async (now: Cluster): Promise<boolean> => {
      const ca = now.status?.ca;
      const victim = [a, c].find(({ name }) => name === ca?.turn);
      if (victim !== undefined && ca !== undefined && ca.phase !== 'Done' && !killed.has(ca.phase)) {
        killed.add(ca.phase);
        await victim.kill();
        victim.start('up');
      }
      return ca?.rotation === rotation && ca.phase === 'Done';
    };
    await until('it is done', [a, b, c], () => seenBy(b, isDone));
    expect([...killed]).toEqual(expect.arrayContaining(['Trust', 'Issue', 'Drop']));
    const { status } = await cluster(b);
    expect(status?.ca?.skipped).toEqual([]);
    for (const machine of [...managers, d, e, f])
      await until(`${machine.name} is of the new CA`, [machine], () => isOf(machine, status?.ca?.to ?? ''));
    await untilReady(b, a);
    await untilReady(b, c);
    // What those ran that were killed, was in their memory.
    const kept = await elsewhere(b, ['a', 'c'], before);
    expect(await containers(b)).toEqual(expect.arrayContaining([...kept]));
  }, 240_000);
});
