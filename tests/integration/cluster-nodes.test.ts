/** `orc node` on a cluster of processes. */
import { readdirSync, readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { Cluster, Task } from '../../api-schemas/index.ts';
import { Client } from '../../client/index.ts';
import {
  startMachines,
  until,
  untilReady,
  type Machine,
  type Machines,
  type Ran,
} from './cluster-harness.ts';

const machines: Machines = startMachines();
const n1 = machines.machine('n1');
const n2 = machines.machine('n2');
const w1 = machines.machine('w1');
afterAll(() => machines.stop());

describe('orc node', () => {
  beforeAll(async () => {
    n1.start('init');
    await until('the context of n1', [n1], async () => (await n1.orc('get', 'nodes')).code === 0);
    await untilReady(n1, n1);
    await Promise.all([machines.join(w1, n1, 'worker'), machines.join(n2, n1, 'manager')]);
  }, 120_000);

  test('ls shows who leads and who is reached', async () => {
    const out = await n1.must('node', 'ls');
    expect(out).toMatch(/^NAME +STATUS +ROLE +MANAGER +AGE +ENGINE +ADDRESS/);
    expect(out).toMatch(/^n1 +Ready +manager +Leader /m);
    expect(out).toMatch(/^n2 +Ready +manager +Reachable /m);
    expect(out).toMatch(/^w1 +Ready +worker +- /m);
  });

  test('init says how others join, and writes no token where it is no terminal', () => {
    expect(n1.log()).toContain('`orc token show worker`');
    expect(n1.log()).not.toContain('orc1-');
  });

  test('any command tells the context where the managers are', () => {
    const config = readFileSync(`${n1.dataDir}.config`, 'utf8');
    expect(config).toContain(`server: https://${n1.address}:6750`);
    expect(config).toMatch(new RegExp(`orc.dev/servers[^]*- https://${n2.address}:6750`));
  });

  test('cluster status asks each manager', async () => {
    const { code, out } = await n1.orc('cluster', 'status');
    expect({ code, out: out.slice(out.indexOf('MANAGER')) }).toMatchObject({
      code: 0,
      out: expect.stringMatching(/^n1 +Ready .* leader [^]*^n2 +Ready .* voter [^]*all is well/m),
    });
    const report = JSON.parse(await n1.must('cluster', 'status', '-o', 'json')) as object;
    expect(report).toMatchObject({
      id: readFileSync(`${n1.dataDir}/pki/cluster-id`, 'utf8').trim(),
      tokens: { worker: 1, manager: 1 },
      managers: [
        { name: 'n1', reachable: true, etcdRole: 'leader' },
        { name: 'n2', etcdRole: 'voter' },
      ],
      problems: [],
    });
  });

  test('label sets and removes labels', async () => {
    expect(await n1.must('node', 'label', 'w1', 'zone=eu', 'disk=ssd')).toBe('node/w1 labeled\n');
    await n1.must('node', 'label', 'node/w1', 'disk-');
    const [node] = await n1.get('nodes', 'w1');
    expect(node?.metadata.labels).toEqual({ zone: 'eu' });
  });

  test('rm refuses what runs, and says what to do', async () => {
    const worker = await n1.orc('node', 'rm', 'w1');
    expect(worker).toMatchObject({ code: 1, out: '' });
    expect(worker.err).toMatch(/w1 is connected.*\nhint: .*`orc leave`.*--force/);
    const manager = await n1.orc('node', 'rm', 'n2', '--force');
    expect(manager.code).toBe(1);
    expect(manager.err).toContain('`orc node demote n2`');
    expect((await n1.orc('node', 'rm', 'nobody')).err).toMatch(/^error: there is no node nobody\n/);
  });

  test('rm --force removes a worker that runs: it is refused from then on, its tasks are replaced', async () => {
    const manifest =
      'apiVersion: orc.dev/v1\nkind: Service\nmetadata: { name: web }\nspec: { image: web, replicas: 3 }\n';
    await n1.apply(manifest);
    const tasks = async (): Promise<readonly Task[]> =>
      (await n1.get<Task>('tasks')).filter(({ spec }) => spec.desiredState === 'Running');
    expect((await tasks()).map(({ spec }) => spec.nodeName).sort()).toEqual(['n1', 'n2', 'w1']);
    expect(await n1.must('node', 'rm', 'w1', '--force')).toBe('node/w1 removed\n');
    await until('three tasks on two nodes', [n1, w1], async () => {
      const now = await tasks();
      return (
        now.length === 3 &&
        now.every(({ spec, status }) => spec.nodeName !== 'w1' && status?.state === 'Running')
      );
    });
    await until('w1 says why, and what to do', [w1], () =>
      /node w1 is not part of the cluster.*: `orc leave` there, then `orc join`.*\. Its containers run on/.test(
        w1.log(),
      ),
    );
    expect((await n1.get('nodes')).map(({ metadata }) => metadata.name)).toEqual(['n1', 'n2']);
    await w1.end();
  }, 60_000);
});

describe('a manager that was added to etcd and never came', () => {
  /** What its machine asks for when it joins. */
  const add = async (name: string, peerUrl: string): Promise<string> => {
    const pki = (file: string): string => readFileSync(`${n1.dataDir}/pki/${file}`, 'utf8');
    const tls = { ca: pki('ca.crt'), cert: pki('admin.crt'), key: pki('admin.key') };
    const client = new Client({ endpoints: [`https://${n1.address}:6750`], tls });
    const ask = client.raw('POST', '/cluster/v1/members', JSON.stringify({ name, peerUrl }), {
      'content-type': 'application/json',
    });
    return ask.then(() => 'added', String).finally(() => client.close());
  };
  const added = (name: string, peerUrl: string): Promise<void> =>
    until(`${name} is added`, [n1, n2], async () => (await add(name, peerUrl)) === 'added');

  test('is removed by its name, as the refusal of another one and the status say', async () => {
    const n3 = machines.machine('n3');
    const token = (await n1.must('token', 'show', 'manager', '-q')).trim();
    const at = ['--listen', `${n3.address}:6750`, '--data-dir', n3.dataDir, '--name', 'n3'];
    await n3.must('join', '--token', token, `${n1.address}:6750`, '--no-start', ...at);
    const peer = `${n3.address}:6751`;
    await added('n3', `https://${peer}`);
    expect(await add('n4', 'https://127.0.0.1:1')).toContain(
      `${peer} is being added, and it is one at a time: wait until it has caught up; if it does not come: \`orc node rm ${peer}\``,
    );
    const status = await n1.orc('cluster', 'status');
    expect(status.code).toBe(1);
    expect(status.out).toMatch(/manager n3 was added .* has not started.*\n.*`orc node rm n3`/);
    expect(await n1.must('node', 'rm', 'n3')).toBe('node/n3 removed\n');
    expect((await n1.orc('cluster', 'status')).out).not.toContain('n3');
    expect((await n1.get('nodes')).map(({ metadata }) => metadata.name)).not.toContain('n3');
  }, 60_000);

  test('is removed by its address where it has no Node', async () => {
    await added('n5', 'https://127.0.0.1:1');
    const { out } = await n1.orc('cluster', 'status');
    expect(out).toMatch(/a manager was added at 127\.0\.0\.1:1 .*\n.*`orc node rm 127\.0\.0\.1:1`/);
    expect(await n1.must('node', 'rm', 'https://127.0.0.1:1')).toBe('127.0.0.1:1 removed\n');
    expect(await n1.orc('cluster', 'status')).toMatchObject({ code: 0 });
  }, 60_000);
});

describe('orc up --advertise', () => {
  test('says where a manager is that has moved, and everybody finds it there', async () => {
    const moved = n2.address.replace(/\d+$/, '200');
    await n2.end();
    n2.start('up', '--listen', `${moved}:6750`, '--advertise', moved);
    await until('n2 is there again', [n1, n2], async () => {
      const { out } = await n1.orc('cluster', 'status');
      return new RegExp(`^n2 +Ready +${moved}:6750 .* (voter|leader) `, 'm').test(out);
    });
    const [cluster] = await n1.get<Cluster>('clusters');
    expect(cluster?.status?.managers?.['n2']).toMatchObject({
      url: `https://${moved}:6750`,
      peerURL: `https://${moved}:6751`,
    });
    expect(await n2.must('node', 'ls')).toMatch(/^n1 /m);
  }, 90_000);
});

describe('orc leave', () => {
  const leave = (machine: Machine, ...more: readonly string[]): Promise<Ran> =>
    machine.orc('leave', '--data-dir', machine.dataDir, '--runtime', 'simulated', ...more);
  const names = async (through: Machine): Promise<readonly string[]> =>
    (await through.get('nodes')).map(({ metadata }) => metadata.name);

  test('is refused while orc runs, and where there is no cluster', async () => {
    const { code, err } = await leave(n2);
    expect(code).toBe(1);
    expect(err).toMatch(
      /^error: another orc \(process \d+\) already runs on .*\nhint: stop orc first .*systemctl stop orc/,
    );
    expect((await leave(machines.machine('none'))).err).toMatch(/^error: this machine is in no cluster/);
  });

  test('of a node that was removed clears its directory, and it joins again under its name', async () => {
    expect(await leave(w1)).toMatchObject({
      code: 0,
      out: 'w1 has left the cluster; 0 containers removed\n',
    });
    expect(readdirSync(w1.dataDir)).toEqual([]);
    await machines.join(w1, n1, 'worker');
  }, 60_000);

  test('of a worker removes its Node with its own certificate', async () => {
    await w1.end();
    expect((await leave(w1)).code).toBe(0);
    expect(await names(n1)).toEqual(['n1', 'n2']);
  });

  test('of one manager of two takes it out of etcd, and the other goes on alone', async () => {
    await n2.end();
    const { code, out, err } = await leave(n2);
    expect(code === 0 ? out : err).toBe('n2 has left the cluster; 0 containers removed\n');
    expect(err).toContain(`context "orc" is gone from ${n2.dataDir}.config; there is no other`);
    expect((await n2.orc('get', 'nodes')).err).toContain('no cluster is configured');
    expect(await names(n1)).toEqual(['n1']);
    const out1 = await n1.must('node', 'ls');
    expect(out1).toMatch(/^n1 .* Leader /m);
    expect(out1).not.toContain('n2');
  }, 60_000);

  test('of the only manager is refused; with --force the cluster ends', async () => {
    await n1.end();
    const { code, err } = await leave(n1);
    expect(code).toBe(1);
    expect(err).toMatch(/only manager.*\nhint: .*orc node promote.*--force/);
    expect((await leave(n1, '--force')).code).toBe(0);
    expect(readdirSync(n1.dataDir)).toEqual([]);
  }, 60_000);
});
