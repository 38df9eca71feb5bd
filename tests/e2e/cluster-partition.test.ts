import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { eventually } from '../harness/cluster.ts';
import { openLabClient, type LabClient } from '../harness/lab-client.ts';
import {
  engineCall,
  helloService,
  identities,
  isNodeReady,
  leaderOf,
  missingFrom,
  orphans,
  runningIn,
  settled,
  type Running,
} from '../harness/lab-world.ts';
import { startLab, type Lab, type LabNode } from '../harness/lab.ts';

const patience = 90_000;

describe('Three managers and a worker, on a network that breaks', () => {
  let lab: Lab;
  let client: LabClient;
  beforeAll(async () => {
    lab = await startLab({ nodes: 4, managers: 3 });
    client = await openLabClient(lab);
    await client.apply(helloService('web', { replicas: 8 }));
    await settled(lab, client);
  }, 300_000);
  afterAll(async () => {
    client?.close();
    await lab?.close();
  }, 60_000);

  const leader = (): Promise<LabNode> => eventually('an etcd leads', () => leaderOf(lab.managers), patience);
  const follower = async (): Promise<LabNode> => {
    const leading = await leader();
    return lab.managers.find((node) => node !== leading) ?? leading;
  };
  const servesFrom = (nodes: readonly LabNode[]): Promise<readonly Running[]> =>
    eventually(
      'all slots run on the side that has the majority',
      async () => {
        const names = nodes.map(({ name }) => name);
        const now = (await runningIn(lab, 'web')).filter(({ node }) => names.includes(node));
        return new Set(now.map(({ slot }) => slot)).size === 8 && now;
      },
      patience,
    );

  /** Cuts these off from the others, sees their tasks replaced, heals; nothing on the others was touched. */
  const loseAndFind = async (lost: readonly LabNode[], cut: () => void): Promise<void> => {
    const kept = lab.nodes.filter((node) => !lost.includes(node));
    const managers = kept.filter((node) => lab.managers.includes(node));
    const before = (await settled(lab, client)).filter(({ node }) => kept.some(({ name }) => name === node));
    cut();
    const during = await servesFrom(kept);
    expect(missingFrom(before, during)).toEqual([]);
    // What is asked for now is known to those who were away when they are back.
    await client.to(managers).setScale('Service', { name: 'web' }, 9);
    await client.to(managers).setScale('Service', { name: 'web' }, 8);
    for (const node of lost) node.heal();
    for (const { name } of lost)
      await eventually(`${name} is Ready`, () => isNodeReady(client.to(managers), name), patience);
    const after = await settled(lab, client);
    expect(missingFrom(before, after)).toEqual([]);
    await eventually('no stale container is left', async () => (await orphans(lab, client)).length === 0);
    // What was replaced stays where it is; new slots are given to those that came back.
    await client.setScale('Service', { name: 'web' }, 4);
    await settled(lab, client);
    await client.setScale('Service', { name: 'web' }, 8);
  };

  test('a worker is cut off and found again', async () => {
    const worker = lab.node(4);
    await loseAndFind([worker], () => worker.partition());
  }, 180_000);

  test('a manager that does not lead is cut off and found again', async () => {
    const one = await follower();
    await loseAndFind([one], () => one.partition());
  }, 180_000);

  test('the manager that leads is cut off and found again', async () => {
    const one = await leader();
    await loseAndFind([one], () => one.partition());
  }, 180_000);

  test('a manager and a worker that reach only each other are found again', async () => {
    const minority = [await follower(), lab.node(4)];
    await loseAndFind(minority, () => {
      for (const one of minority)
        for (const other of lab.nodes.filter((node) => !minority.includes(node)))
          one.partition({ from: other });
    });
  }, 180_000);

  test('without a majority workloads run on, reads say how old they are, and writes are refused at once', async () => {
    const before = await settled(lab, client);
    const worker = lab.node(4);
    const [survivor, ...cut] = lab.managers;
    if (survivor === undefined) throw new Error('there are no managers');
    for (const node of cut) node.partition();
    const api = client.to([survivor]);

    const refusal = await eventually(
      'writes are refused for want of a quorum',
      async () => {
        const askedAt = Date.now();
        const error = await api.create(helloService('late', { replicas: 0 })).then(
          () => undefined,
          (thrown: unknown) => thrown as Error,
        );
        return error !== undefined && /no quorum/.test(error.message) && { error, ms: Date.now() - askedAt };
      },
      patience,
    );
    expect(refusal.error).toMatchObject({ code: 503 });
    console.log(`a write was refused after ${refusal.ms} ms: ${refusal.error.message}`);

    const read = await api.listTold('Service', { namespace: 'default' });
    expect(read.result.items.map(({ metadata }) => metadata.name)).toContain('web');
    expect(read.warnings.join(' ')).toMatch(/\d+ ?s/);
    const cli = await survivor.exec(['orc', 'get', 'services']);
    expect(cli.stdout).toMatch(/^web /m);
    expect(cli.stderr).toMatch(/warning: .*\d+ ?s/);
    const startedAt = Date.now();
    const write = await survivor.exec(['orc', 'scale', 'service/web', '--replicas', '3', '--no-wait']);
    console.log(`orc scale was refused after ${Date.now() - startedAt} ms: ${write.stderr.trim()}`);
    expect(write.code).not.toBe(0);
    expect(write.stderr).toMatch(/no quorum/);

    const victim = before.find(({ node }) => node === worker.name);
    if (victim === undefined) throw new Error('nothing runs on the worker');
    const killedAt = Date.now();
    await engineCall(worker, `/containers/${victim.id}/kill`, 'POST');
    await eventually(
      'its node starts it again',
      async () =>
        (await runningIn(lab)).some(({ id, startedAt: at }) => id === victim.id && at !== victim.startedAt),
      patience,
    );
    console.log(`its node started the killed container again after ${Date.now() - killedAt} ms`);
    const untouched = before.filter(({ id }) => id !== victim.id);
    expect(missingFrom(untouched, await runningIn(lab))).toEqual([]);

    for (const node of cut) node.heal();
    for (const { name } of lab.nodes)
      await eventually(`${name} is Ready`, () => isNodeReady(client, name).catch(() => false), patience);
    const after = await settled(lab, client);
    expect(missingFrom(untouched, after)).toEqual([]);
    expect(identities(after).join('\n')).toContain(victim.id.slice(0, 12));
    expect(await orphans(lab, client)).toEqual([]);
    const { items } = await client.list('Service', { namespace: 'default' });
    expect(items.map(({ metadata }) => metadata.name)).toEqual(['web']);
  }, 240_000);
});
