import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { Service } from '../../api-schemas/index.ts';
import { pathOf } from '../../client/resources.ts';
import { eventually } from '../harness/cluster.ts';
import { openLabClient, type LabClient } from '../harness/lab-client.ts';
import {
  endOf,
  helloService,
  isNodeReady,
  missingFrom,
  runningIn,
  settled,
  type Running,
} from '../harness/lab-world.ts';
import { startLab, type Lab, type LabNode } from '../harness/lab.ts';
import { formCluster } from '../lab/orc.ts';

const minutes = 60_000;
const patience = 90_000;

describe('A cluster whose clocks are ten minutes apart', () => {
  let lab: Lab;
  let client: LabClient;
  let [first, second, early, late]: readonly LabNode[] = [];
  const four = (): readonly [LabNode, LabNode, LabNode, LabNode] => {
    if (first === undefined || second === undefined || early === undefined || late === undefined)
      throw new Error('the lab did not start');
    return [first, second, early, late];
  };
  beforeAll(async () => {
    lab = await startLab({ nodes: 4, clocks: true });
    [first, second, early, late] = lab.nodes;
    early?.setClock(10 * minutes);
    late?.setClock(-10 * minutes);
    await formCluster(lab.nodes, 2, () => undefined);
    client = await openLabClient(lab, four().slice(0, 2));
  }, 300_000);
  afterAll(async () => {
    client?.close();
    await lab?.close();
  }, 60_000);

  const pinned = (name: string, node: LabNode, spec: Parameters<typeof helloService>[1] = {}) =>
    helloService(name, { placement: { constraints: [`node.hostname == ${node.name}`] }, ...spec });
  const ready = (): Promise<unknown> =>
    Promise.all(
      lab.nodes.map(({ name }) =>
        eventually(`${name} is Ready`, () => isNodeReady(client, name).catch(() => false), patience),
      ),
    );

  /** Sets the clock of a manager, and waits until what it writes is of that time. */
  const setClock = async (node: LabNode, byMs: number): Promise<void> => {
    node.setClock(byMs);
    const path = `${pathOf('Service', { namespace: 'default' })}?dryRun=All`;
    await eventually('its server goes by the clock', async () => {
      const body = JSON.stringify(helloService('none'));
      const made = JSON.parse(
        await client.to([node]).raw('POST', path, body, { 'content-type': 'application/json' }),
      ) as Service;
      const offMs = Date.parse(made.metadata.creationTimestamp ?? '') - Date.now();
      return Math.abs(offMs - byMs) < minutes;
    });
  };

  test('machines with such clocks have joined, and run what they are given', async () => {
    const [, , n3, n4] = four();
    await client.apply(helloService('web', { replicas: 8 }));
    await client.apply(pinned('on-early', n3));
    await client.apply(pinned('on-late', n4));
    const running = await settled(lab, client);
    expect(new Set(running.map(({ node }) => node)).size).toBe(4);
  }, 120_000);

  test('what fails there is started again and again, a little later each time', async () => {
    for (const node of four().slice(2)) {
      const name = `failing-on-${node.name}`;
      await client.apply(pinned(name, node, { command: ['sh', '-c', 'exit 1'] }));
      const tasks = await eventually(
        `${name} was started four times`,
        async () => {
          const { items } = await client.list('Task', { labelSelector: `orc.dev/service=${name}` });
          return items.some(({ spec }) => (spec.restarts ?? 0) >= 3) && items;
        },
        patience,
      );
      console.log(`${name}: ${tasks.map(({ spec }) => `${spec.restarts ?? 0} not before ${spec.notBefore}`).join(', ')}`); // prettier-ignore
      await client.delete('Service', { name }, { propagation: 'Foreground' });
    }
    await settled(lab, client);
  }, 240_000);

  test.each([10, -10])(
    'a manager whose clock moves by %i minutes goes on, and loses no node',
    async (by) => {
      const [n1] = four();
      const before = await settled(lab, client);
      await setClock(n1, by * minutes);
      // All that is written and decided from now on is by that clock.
      await client.to([n1]).setScale('Service', { name: 'web' }, 10);
      const more = await settled(lab, client);
      expect(missingFrom(before, more)).toEqual([]);
      await client.to([n1]).setScale('Service', { name: 'web' }, 8);
      await settled(lab, client);
      await ready();
      await setClock(n1, 0);
      await client.to([n1]).setScale('Service', { name: 'web' }, 9);
      await settled(lab, client);
      await ready();
      const events = (await client.list('Event')).items.filter(({ reason }) => reason === 'NodeLost');
      expect(events).toEqual([]);
    },
    180_000,
  );

  test.each([10, -10])(
    'a singleton does not run twice when a manager is off by %i minutes',
    async (by) => {
      const [n1, n2, n3, n4] = four();
      const workers = [n3, n4];
      await setClock(n1, by * minutes);
      const name = `single${by < 0 ? '-late' : '-early'}`;
      for (const node of [n1, n2]) await client.patch('Node', { name: node.name }, { spec: { availability: 'pause' } }); // prettier-ignore
      await client.apply(helloService(name, { singleton: true }));
      const [old] = (await settled(lab, client)).filter(({ service }) => service === name);
      const victim = workers.find((node) => node.name === old?.node);
      if (old === undefined || victim === undefined) throw new Error(`${name} does not run on a worker`);
      victim.partition();
      const replacement = await eventually(
        'it runs elsewhere',
        async (): Promise<Running | undefined> =>
          (await runningIn(lab, name)).find(({ node }) => node !== victim.name),
        patience,
      );
      const end = await eventually('it has ended here', () => endOf(victim, old.id).catch(() => undefined));
      const gap = Date.parse(replacement.startedAt) - Date.parse(end);
      console.log(`${name}: stopped on the one side ${gap} ms before it started on the other`);
      victim.heal();
      await setClock(n1, 0);
      for (const node of [n1, n2]) await client.patch('Node', { name: node.name }, { spec: { availability: 'active' } }); // prettier-ignore
      await ready();
      await settled(lab, client);
      expect(gap).toBeGreaterThan(0);
    },
    180_000,
  );
});
