import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { eventually } from '../harness/cluster.ts';
import { openLabClient, type LabClient } from '../harness/lab-client.ts';
import { leftSince, remainsOf, type Remains } from '../harness/lab-leaks.ts';
import { helloService, isNodeReady, settled } from '../harness/lab-world.ts';
import { startLab, type Lab } from '../harness/lab.ts';
import { chanceFrom, connectByChance, draw, happen, prepare } from '../harness/network-chaos/index.ts';
import { agreed } from '../harness/network-truth/index.ts';

/** `npm test` has two minutes for it; ORC_TEST_LONG=1 takes its time. */
const rounds = Number(process.env['ORC_TEST_ROUNDS'] ?? (process.env['ORC_TEST_LONG'] === '1' ? 200 : 20));
const seed = Number(process.env['ORC_TEST_SEED'] ?? Date.now() % 1_000_000);
/** How long the nodes may take to follow: tunnels are compared every 5 s, the rules of containers every 30 s. */
const agreeMs = 45_000;

describe('Rounds of random changes of networks on engines 20, 26 and 28', () => {
  let lab: Lab;
  let client: LabClient;
  let before: Remains;
  const remains = (): Promise<Remains> => remainsOf(lab, client);
  const removeAll = async (): Promise<void> => {
    for (const kind of ['Service', 'Network'] as const)
      for (const { metadata } of (await client.list(kind)).items)
        await client.delete(kind, { name: metadata.name }).catch(() => undefined);
    await eventually('the networks are gone', async () => {
      // Engines take away the rules of a bridge after the bridge.
      const left = await Promise.all(
        lab.nodes.flatMap((node) => [
          node.must(['ip', '-br', 'link']),
          node.must(['nft', 'list', 'ruleset']),
        ]),
      );
      return (await client.list('Network')).items.length === 0 && !/\borc[-_]/.test(left.join(''));
    });
  };

  beforeAll(async () => {
    lab = await startLab({ nodes: 3, managers: 3, engines: ['20', '26', '28'] });
    client = await openLabClient(lab);
    await prepare(client);
    // What engines make with their first network and its first port, they keep.
    await client.apply(helloService('first', { mode: 'global', ports: [{ published: 7999, target: 80 }] }));
    await settled(lab, client);
    await agreed(lab, client, agreeMs);
    await removeAll();
    before = await remains();
    await prepare(client);
  }, 600_000);
  afterAll(async () => {
    client?.close();
    await lab?.close();
  }, 60_000);

  test(
    `after each of ${rounds} rounds kernels, engines and names are what the API says`,
    async () => {
      console.log(`seed ${seed}: ORC_TEST_SEED=${seed} has the same happen again`);
      const done: string[] = [];
      try {
        for (let round = 1; round <= rounds; round++) {
          const chance = chanceFrom(seed + round);
          const startedAt = Date.now();
          const happened: string[] = [];
          for (let count = chance.between(1, 3); count > 0; count--) {
            const what = draw(chance);
            done.push(`round ${round}: ${what}`);
            const said = await happen(what, lab, client, chance);
            done.splice(-1, 1, `round ${round}: ${said}`);
            happened.push(said);
          }
          for (const { name } of lab.nodes)
            await eventually(`${name} is ready`, () => isNodeReady(client, name).catch(() => false), 60_000);
          await settled(lab, client);
          const settledAt = Date.now();
          const truth = await agreed(lab, client, agreeMs);
          const agreedAt = Date.now();
          expect(await connectByChance(lab, truth, chance)).toEqual([]);
          const [toSettle, toAgree, toConnect] = [
            settledAt - startedAt,
            agreedAt - settledAt,
            Date.now() - agreedAt,
          ];
          if (process.env['ORC_TEST_LONG'] === '1')
            process.stderr.write(
              `round ${round}: ${toSettle} + ${toAgree} + ${toConnect} ms: ${happened.join('; ')}\n`,
            );
        }
      } catch (error) {
        throw new Error(`seed ${seed}, ${String(error)}\nbefore it:\n${done.slice(-12).join('\n')}`, {
          cause: error,
        });
      }
      await removeAll();
      expect(await leftSince(before, remains)).toEqual([]);
    },
    rounds * 60_000 + 120_000,
  );
});
