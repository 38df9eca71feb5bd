/** Nodes that become managers and workers while they run: `orc node promote` and `demote` on a cluster of processes. */
import { existsSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { parse } from 'yaml';
import type { Task } from '../../api-schemas/index.ts';
import { Client, type KubeConfig } from '../../client/index.ts';
import { startMachines, until, untilReady, type Machine, type Machines } from './cluster-harness.ts';

const machines: Machines = startMachines();
const [a, b, c] = [machines.machine('a'), machines.machine('b'), machines.machine('c')];
afterAll(() => machines.stop());

const file = (machine: Machine, name: string): string => join(machine.dataDir, name);
const cluster = (machine: Machine): { readonly role: string; readonly manager?: { readonly etcd: string } } =>
  JSON.parse(readFileSync(file(machine, 'cluster.json'), 'utf8')) as ReturnType<typeof cluster>;
const managerColumn = async (through: Machine): Promise<Readonly<Record<string, string>>> => {
  const [, ...lines] = (await through.must('node', 'ls')).trim().split('\n');
  return Object.fromEntries(
    lines.map((line) => line.split(/ {2,}/)).map((cells) => [cells[0] ?? '', cells[3] ?? '']),
  );
};
/** Names of the contexts that the machine has. */
const contextsOf = (machine: Machine): readonly string[] =>
  ((parse(readFileSync(`${machine.dataDir}.config`, 'utf8')) as KubeConfig).contexts ?? []).map(
    ({ name }) => name,
  );
/** What would differ if a container had been started anew. */
const containers = async (through: Machine): Promise<readonly string[]> =>
  (await through.get<Task>('tasks'))
    .map(({ metadata, spec, status }) =>
      [metadata.uid, spec.nodeName, status?.state, status?.containerID, status?.startedAt].join(' '),
    )
    .sort();

const service =
  'apiVersion: orc.dev/v1\nkind: Service\nmetadata: { name: web }\nspec: { image: web, replicas: 6 }\n';

describe('the role of a node', () => {
  let before: readonly string[];

  beforeAll(async () => {
    a.start('init');
    await until('the context of a', [a], async () => (await a.orc('get', 'nodes')).code === 0);
    await untilReady(a, a);
    await Promise.all([machines.join(b, a, 'worker'), machines.join(c, a, 'worker')]);
    await a.apply(service);
    before = await containers(a);
  }, 120_000);

  test('is its own to read, with its certificate, and nothing else is', async () => {
    const pki = (name: string): string => readFileSync(file(b, join('pki', name)), 'utf8');
    const tls = { ca: pki('ca.crt'), cert: pki('node.crt'), key: pki('node.key') };
    const client = new Client({ endpoints: [`https://${a.address}:6750`], tls });
    const code = (asked: Promise<unknown>): Promise<unknown> =>
      asked.then(
        () => 200,
        (error: { code?: number }) => error.code,
      );
    const raw = (method: string, path: string, body?: object): Promise<unknown> =>
      code(client.raw(method, path, body && JSON.stringify(body), { 'content-type': 'application/json' }));
    const mine = '/apis/orc.dev/v1/nodes?fieldSelector=metadata.name%3D';
    expect(await code(client.get('Node', { name: 'b' }))).toBe(200);
    expect(JSON.parse(await client.raw('GET', `${mine}b`))).toMatchObject({
      items: [{ metadata: { name: 'b' } }],
    });
    const refused = [
      code(client.get('Node', { name: 'c' })),
      code(client.delete('Node', { name: 'c' })),
      code(client.list('Node')),
      raw('GET', `${mine}c`),
      raw('GET', `${mine}b&watch=1&fieldSelector=metadata.name%3Dc`),
      code(client.patch('Node', { name: 'b' }, 'merge', { spec: { role: 'manager' } })),
      code(client.list('Task')),
      code(client.list('Cluster')),
      raw('GET', '/cluster/v1/token'),
      raw('GET', '/cluster/v1/members'),
      raw('POST', '/cluster/v1/members/remove', { name: 'a' }),
      // Nobody has made it a manager.
      raw('POST', '/cluster/v1/promote', {}),
    ];
    expect(new Set(await Promise.all(refused))).toEqual(new Set([403]));
    client.close();
  });

  test('becomes manager beside the running agent: no container is touched', async () => {
    expect(await a.must('node', 'promote', 'b', 'c', '--wait')).toMatch(
      /b {2}is a manager[^]*c {2}is a manager/,
    );
    expect(await managerColumn(a)).toEqual({ a: 'Leader', b: 'Reachable', c: 'Reachable' });
    expect(cluster(b)).toMatchObject({ role: 'manager', manager: { etcd: 'member' } });
    expect(statSync(file(b, 'pki/ca.key')).mode & 0o777).toBe(0o600);
    expect(await containers(a)).toEqual(before);
    expect(await a.must('node', 'promote', 'b')).toContain('is a manager already');
  }, 90_000);

  test('becomes worker: etcd and the key of the CA are gone, no container is touched', async () => {
    // From the machine itself, whose own server goes away meanwhile.
    const out = await a.must('node', 'demote', 'a', '--wait');
    expect(out).toContain('a  is a worker');
    expect(contextsOf(a)).toEqual([]);
    expect(a.log()).toContain(`context "orc" is gone from ${a.dataDir}.config; there is no other`);
    expect(cluster(a)).toMatchObject({ role: 'worker', asManager: { advertise: `${a.address}:6750` } });
    for (const name of ['pki/ca.key', 'pki/admin.key', 'pki/etcd.key', 'etcd'])
      expect(existsSync(file(a, name))).toBe(false);
    const { a: own, ...others } = await managerColumn(b);
    expect(own).toBe('-');
    expect(Object.values(others).sort()).toEqual(['Leader', 'Reachable']);
    expect(await containers(b)).toEqual(before);
  }, 90_000);

  test('goes on to change after the process is killed in the middle, in both directions', async () => {
    await b.must('node', 'promote', 'a');
    await until('a joins', [a], () => cluster(a).manager?.etcd === 'joining');
    await a.kill();
    a.start('up');
    await until('a is a manager', [a, b], async () => (await managerColumn(b))['a'] === 'Reachable');
    await b.must('node', 'demote', 'a');
    await until('a leaves', [a], () => cluster(a).manager?.etcd !== 'member');
    await a.kill();
    a.start('up');
    await until('a is a worker', [a, b], () => cluster(a).role === 'worker' && !existsSync(file(a, 'etcd')));
    await until('a is said to be one', [a, b], async () =>
      /^a +Ready +worker +- /m.test(await b.must('node', 'ls')),
    );
  }, 120_000);
});

describe('a machine that others do not reach where it says', () => {
  const e = machines.machine('e');
  const elsewhere = e.address.replace(/\d+$/, '250');

  test('does not become a manager, says why, and etcd knows nothing of it; with the right address it is one', async () => {
    const token = (await b.must('token', 'show', 'worker', '-q')).trim();
    e.start('join', '--token', token, '--advertise', elsewhere, `${b.address}:6750`);
    await untilReady(b, e);
    await b.must('node', 'promote', 'e', '--no-wait');
    await until('e says why', [b, e], async () =>
      JSON.stringify(await b.get('node', 'e')).includes(`https://${elsewhere}:6750 is not reached from`),
    );
    const { code, out, err } = await b.orc('node', 'promote', 'e', '--wait', '--timeout', '3s');
    expect(code).toBe(3);
    expect(out).not.toContain('is a manager');
    expect(err).toMatch(/not a manager yet.*connection refused.*--advertise/);
    const members = JSON.parse(await b.must('cluster', 'status', '-o', 'json')) as object;
    expect(JSON.stringify(members)).not.toContain(elsewhere);
    expect((await managerColumn(b))['e']).toBe('-');
    await e.end();
    e.start('up', '--advertise', e.address);
    await until('e is a manager', [b, e], async () => (await managerColumn(b))['e'] === 'Reachable');
    await b.must('node', 'demote', 'e', '--wait');
    await e.end();
  }, 120_000);
});

describe('a manager whose server is a process of its own', () => {
  const d = machines.machine('d');

  beforeAll(async () => {
    const token = (await b.must('token', 'show', 'manager', '-q')).trim();
    const at = ['--listen', `${d.address}:6750`, '--data-dir', d.dataDir, '--name', 'd'];
    await d.must('join', '--token', token, `${b.address}:6750`, '--no-start', ...at);
    d.start('server');
    await until('d serves', [b, d], async () => (await managerColumn(b))['d'] === 'Reachable');
    d.startAgent();
    await until('d is a manager', [b, d], async () =>
      /^d +Ready +manager +Reachable /m.test(await b.must('node', 'ls')),
    );
  }, 90_000);

  test('leaves etcd when it is demoted, and ends with the code that is not started again; its agent goes on', async () => {
    const before = await containers(b);
    expect(await b.must('node', 'demote', 'd', '--wait')).toContain('d  is a worker');
    expect(await d.exited()).toBe(4);
    expect(d.log()).toMatch(/error: d is a worker of its cluster: no server runs here\n *hint: run `orc up /);
    expect(contextsOf(d)).toEqual([]);
    expect(cluster(d)).toMatchObject({ role: 'worker', asManager: { advertise: `${d.address}:6750` } });
    for (const name of ['pki/ca.key', 'pki/admin.key', 'etcd']) expect(existsSync(file(d, name))).toBe(false);
    expect(await b.must('node', 'ls')).toMatch(/^d +Ready +worker +- /m);
    expect(await b.must('describe', 'node', 'd')).toMatch(
      /RoleApplied +True +\S+ +IsWorker +its server has ended/,
    );
    expect(await containers(b)).toEqual(before);
    const again = await d.orc('server', '--data-dir', d.dataDir);
    expect(again).toMatchObject({ code: 4, err: expect.stringContaining('`orc node promote d`') });
  }, 90_000);

  test('is a manager again with `orc up`; a server that was killed as it left goes on to leave', async () => {
    await b.must('node', 'promote', 'd');
    await d.end();
    d.start('up');
    await until('d is a manager again', [b, d], async () => (await managerColumn(b))['d'] === 'Reachable');
    await d.end();
    d.start('server');
    await until('d serves', [b, d], async () => (await managerColumn(b))['d'] === 'Reachable');
    await b.must('node', 'demote', 'd');
    await until('d leaves', [d], () => cluster(d).manager?.etcd !== 'member');
    await d.kill();
    d.start('server');
    expect(await d.exited()).toBe(4);
    expect(cluster(d).role).toBe('worker');
    expect((await managerColumn(b))['d']).toBe('-');
  }, 120_000);
});
