import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { Service } from '../../api-schemas/index.ts';
import { eventually } from '../harness/cluster.ts';
import { openLabClient, type LabClient } from '../harness/lab-client.ts';
import {
  containersOn,
  endOf,
  helloService,
  identities,
  isNodeReady,
  missingFrom,
  runningIn,
  settled,
  type Running,
} from '../harness/lab-world.ts';
import { startLab, type Lab, type LabNode } from '../harness/lab.ts';

const patience = 90_000;

describe('A cluster whose machines run engines of different versions', () => {
  let lab: Lab;
  let client: LabClient;
  let victim: LabNode;
  beforeAll(async () => {
    lab = await startLab({ nodes: 3, managers: 1, engines: ['host', '26', '28'] });
    client = await openLabClient(lab);
    victim = lab.node(2);
    await client.apply(helloService('web', { replicas: 6, taskHistoryLimit: 0 }));
    await settled(lab, client);
  }, 400_000);
  afterAll(async () => {
    client?.close();
    await lab?.close();
  }, 60_000);

  const runs = async (service: string, where: (node: string) => boolean): Promise<readonly Running[]> =>
    (await runningIn(lab, service)).filter(({ node }) => where(node));
  const elsewhere = (service: string): Promise<Running> =>
    eventually(
      `${service} runs elsewhere`,
      async () => (await runs(service, (node) => node !== victim.name))[0],
      patience,
    );
  const onVictim = async (service: string): Promise<Running | undefined> =>
    (await runs(service, (node) => node === victim.name))[0];

  test('a machine that dies loses its tasks to the others, and comes back without ghosts or doubles', async () => {
    const before = await runningIn(lab, 'web');
    const stayed = before.filter(({ node }) => node !== victim.name);
    expect(stayed.length).toBeLessThan(before.length);
    const diedAt = Date.now();
    await victim.crash();
    const replaced = await eventually(
      'all slots run elsewhere',
      async () => {
        const now = await runningIn(lab, 'web');
        return new Set(now.map(({ slot }) => slot)).size === 6 && now;
      },
      patience,
    );
    console.log(`all tasks ran elsewhere after ${Date.now() - diedAt} ms`);
    expect(missingFrom(stayed, replaced)).toEqual([]);

    await lab.start(victim);
    expect(missingFrom(replaced, await settled(lab, client))).toEqual([]);
    await eventually(
      'no container of what was replaced is left',
      async () => (await containersOn(victim)).length === 0,
      patience,
    );
    // It takes part again, and what is good stays where it is.
    await client.setScale('Service', { name: 'web' }, 9);
    const more = await settled(lab, client);
    expect(missingFrom(replaced, more)).toEqual([]);
    expect(more.filter(({ node }) => node === victim.name).length).toBeGreaterThan(0);
    await client.setScale('Service', { name: 'web' }, 3);
    expect(missingFrom(await settled(lab, client), more)).toEqual([]);
  }, 240_000);

  test('each service says what becomes of its task on a machine that is cut off', async () => {
    const services: Record<string, Partial<Service['spec']>> = {
      plain: {},
      single: { singleton: true },
      loyal: { disconnect: { replace: false } },
      brief: { disconnect: { stopOnClientAfter: '3s' } },
      original: { disconnect: { reconcile: 'keepOriginal' } },
    };
    const others = lab.nodes.filter((node) => node !== victim);
    const setAvailability = async (availability: 'active' | 'pause'): Promise<void> => {
      for (const { name } of others) await client.patch('Node', { name }, { spec: { availability } });
    };
    await setAvailability('pause');
    for (const [name, spec] of Object.entries(services)) await client.apply(helloService(name, spec));
    const before = (await settled(lab, client)).filter(({ service }) => service in services);
    expect(new Set(before.map(({ node }) => node))).toEqual(new Set([victim.name]));
    await setAvailability('active');
    const of = (service: string): Running => {
      const found = before.find((one) => one.service === service);
      if (found === undefined) throw new Error(`${service} did not run on ${victim.name}`);
      return found;
    };

    victim.partition();
    const replacements = await Promise.all(['plain', 'original', 'brief', 'single'].map(elsewhere));
    const startOf = (service: string): string =>
      replacements.find((one) => one.service === service)?.startedAt ?? '';
    for (const service of ['single', 'brief']) {
      const end = await endOf(victim, of(service).id);
      const gap = Date.parse(startOf(service)) - Date.parse(end);
      console.log(`${service}: stopped on the one side ${gap} ms before it started on the other`);
      expect(gap).toBeGreaterThan(0);
    }
    for (const service of ['plain', 'original', 'loyal'])
      expect(identities([(await onVictim(service)) ?? of('single')])).toEqual(identities([of(service)]));
    expect(await runs('loyal', (node) => node !== victim.name)).toEqual([]);

    victim.heal();
    await eventually('the node is Ready', () => isNodeReady(client, victim.name), patience);
    const after = await settled(lab, client);
    const kept = ({ service }: Running): boolean => service === 'loyal' || service === 'original';
    expect(missingFrom(before.filter(kept), after)).toEqual([]);
    expect(
      missingFrom(
        replacements.filter((one) => !kept(one)),
        after,
      ),
    ).toEqual([]);
  }, 240_000);

  test('what died with its machine is not kept for having been the original', async () => {
    const [original] = await runs('original', (node) => node === victim.name);
    expect(original).toBeDefined();
    await victim.crash();
    const replacement = await elsewhere('original');
    await lab.start(victim);
    expect(missingFrom([replacement], await settled(lab, client))).toEqual([]);
  }, 240_000);

  test('a machine that dies again and again does not disturb the others', async () => {
    const stayed = (await runningIn(lab)).filter(({ node }) => node !== victim.name);
    for (let round = 0; round < 2; round++) {
      await victim.crash();
      await lab.start(victim);
    }
    expect(missingFrom(stayed, await settled(lab, client))).toEqual([]);
  }, 240_000);
});
