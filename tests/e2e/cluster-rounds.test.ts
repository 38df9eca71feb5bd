import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { eventually } from '../harness/cluster.ts';
import { openLabClient, type LabClient } from '../harness/lab-client.ts';
import {
  descriptorsOf,
  differences,
  leftSince,
  quietRemains,
  remainsOf,
  startsOn,
  type Remains,
} from '../harness/lab-leaks.ts';
import { isNodeReady, settled } from '../harness/lab-world.ts';
import { startLab, type Lab, type LabNode } from '../harness/lab.ts';

const manifest = `
apiVersion: orc.dev/v1
kind: Stack
metadata: { name: rounds }
spec:
  services:
    web: { image: orc.local/hello:1, pullPolicy: never, replicas: 2, stopGracePeriod: 1s }
    each: { image: orc.local/hello:1, pullPolicy: never, mode: global, stopGracePeriod: 1s }
    front:
      image: orc.local/hello:1
      pullPolicy: never
      replicas: 1
      stopGracePeriod: 1s
      ports: [{ published: 8080, target: 80 }]
`;
/** `npm test` has a minute for it; ORC_TEST_LONG=1 takes its time. */
const rounds = process.env['ORC_TEST_LONG'] === '1' ? 50 : 5;
/** Connections come and go by a few; a leak of one in some rounds is more than this in 50. */
const descriptorSlack = 10;
/** What one round may tell of: objects of each round have names of their own, and so have their events. */
const eventsOfRound = 150;

/** What differs while the stack is there, of all that could be left: else that nothing is would say little. */
const used = ({ name }: LabNode): readonly string[] => [
  ...['Stack', 'Service', 'Revision', 'Task', 'Endpoints', 'keys'],
  ...['containers', 'networks', 'links', 'rules'].map((what) => `${name} ${what}`),
];
const subjectOf = (difference: string): string => difference.split(':')[0] ?? '';

describe('Rounds of apply, drain, delete and apply again on three machines', () => {
  let lab: Lab;
  let client: LabClient;
  let file: string;
  beforeAll(async () => {
    lab = await startLab({ nodes: 3, managers: 3 });
    client = await openLabClient(lab);
    file = join(lab.dir, 'stack.yml');
    writeFileSync(file, manifest);
  }, 300_000);
  afterAll(async () => {
    client?.close();
    await lab?.close();
  }, 60_000);

  const orc = (...words: readonly string[]): Promise<string> => lab.node(1).must(['orc', ...words]);
  const apply = async (): Promise<void> => {
    await orc('apply', '-f', file, '--wait', '--timeout', '2m');
    await settled(lab, client);
  };
  const tasksOn = async (node: LabNode): Promise<readonly string[]> =>
    (await client.list('Task', { fieldSelector: `spec.nodeName=${node.name}` })).items
      .filter(({ spec }) => spec.desiredState === 'Running')
      .map(({ metadata }) => metadata.name);

  /** So that what is looked at later is known to see what there is. */
  const applyAndLook = async (node: LabNode, before: Remains): Promise<void> => {
    const appliedAt = Date.now();
    await apply();
    const differing = new Set(differences(before, await remainsOf(lab, client)).map(subjectOf));
    expect(used(node).filter((what) => !differing.has(what))).toEqual([]);
    expect(await startsOn(node, appliedAt, Date.now())).not.toEqual([]);
  };

  /** Returns since when (ms since the epoch) nothing may start on the node. */
  const drain = async (node: LabNode, isAtRest: boolean): Promise<number> => {
    const askedAt = Date.now();
    await orc('drain', node.name, '--wait', '--timeout', '2m');
    return isAtRest ? askedAt : Date.now();
  };

  /** Has the stack deleted and applied while the node is drained, and ends the drain; nothing started on it. */
  const applyAgainWithout = async (node: LabNode, drainedAt: number): Promise<void> => {
    await settled(lab, client);
    await orc('delete', 'stack', 'rounds', '--no-wait');
    await apply();
    expect(await tasksOn(node)).toEqual([]);
    expect(await startsOn(node, drainedAt, Date.now())).toEqual([]);
    await orc('uncordon', node.name);
    await eventually('the node has a task of the global service again', async () =>
      (await tasksOn(node)).some((name) => name.startsWith('rounds-each-')),
    );
    await settled(lab, client);
  };

  /** Deletes the stack and waits until nothing more than `before` is left of it; says at the end what was. */
  const leavesNothing = async (before: Remains): Promise<void> => {
    await orc('delete', 'stack', 'rounds', '--timeout', '2m');
    expect(await leftSince(before, () => remainsOf(lab, client))).toEqual([]);
  };
  const events = async (): Promise<number> => (await client.list('Event')).items.length;

  test(
    `${rounds} rounds leave nothing, and nothing starts on a node that is drained`,
    async () => {
      // The first round makes what stays for good, such as the engine's own chains.
      await apply();
      await orc('delete', 'stack', 'rounds', '--timeout', '2m');
      const before = await quietRemains(lab, client);
      let early: Readonly<Record<string, number>> = {};
      for (let round = 1; round <= rounds; round++) {
        const told = await events();
        const node = lab.node(1 + (round % lab.nodes.length));
        // Every other drain begins while the tasks are being made.
        const isAtRest = round % 2 === 1;
        if (isAtRest) await applyAndLook(node, before);
        else await orc('apply', '-f', file, '--no-wait');
        await applyAgainWithout(node, await drain(node, isAtRest));
        await leavesNothing(before);
        expect((await events()) - told).toBeLessThan(eventsOfRound);
        if (round === 2) early = descriptorsOf(lab);
      }
      for (const { name } of lab.nodes) expect(await isNodeReady(client, name)).toBe(true);
      const late = descriptorsOf(lab);
      console.log(`descriptors after round 2: ${JSON.stringify(early)}; at the end: ${JSON.stringify(late)}`);
      const grown = Object.entries(late).filter(
        ([name, count]) => count > (early[name] ?? 0) + descriptorSlack,
      );
      expect(grown).toEqual([]);
    },
    rounds * 60_000,
  );
});
