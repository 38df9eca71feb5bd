import { describe, expect, test } from '@jest/globals';
import type { NetworkPeers } from '../../api-schemas/index.ts';
import { FakeClock } from '../../kit/clock.ts';
import { silentLogger } from '../../kit/log.ts';
import { smallPacket } from './message.ts';
import type { probe } from './probe.ts';
import type { NetState } from '../network/state.ts';
import { Watch } from './watch.ts';

const peer = (node: string, network: string, ips: readonly string[] = ['10.64.1.2']): NetworkPeers => ({
  ...{ node, network, address: `10.0.0.${node.slice(1)}`, gateway: `${network}-${node}`, ips },
});
const networks = ['a/x', 'a/y'].map((key) => ({ key, gateway: `${key}-own`, mtu: 1450 }));

/** A node with peers; `answers` says which packets of which size come back. */
function world(peers: readonly NetworkPeers[]) {
  const clock = new FakeClock(0);
  const sent: string[] = [];
  const heard = new Map<string, number>();
  let answers = (_gateway: string, _size: number): boolean => true;
  let state: NetState = { networks, peers, endpoints: [], attached: [] };
  let changes = 0;
  const fake: typeof probe = (targets, { source }) => {
    for (const { gateway } of targets) sent.push(`${source} ${gateway}`);
    return Promise.resolve(
      new Map(
        targets.map(({ gateway, sizes }) => [
          gateway,
          { answered: new Map(sizes.filter((size) => answers(gateway, size)).map((size) => [size, 1])) },
        ]),
      ),
    );
  };
  const watch = new Watch({
    ...{ state: () => state, clock, logger: silentLogger, random: () => 0.5 },
    heard: { lastMs: (gateway) => heard.get(gateway), sweep: () => undefined },
    onChange: () => changes++,
    paths: { probe: fake, reach: () => Promise.resolve('answers') },
  });
  return {
    sent,
    heard,
    watch,
    changes: () => changes,
    answer: (next: typeof answers) => void (answers = next),
    setPeers: (next: readonly NetworkPeers[]) => void (state = { ...state, peers: next }),
    /** Lets seconds pass, one tick in each. */
    async pass(seconds: number): Promise<void> {
      for (let i = 0; i < seconds; i++) {
        clock.advance(1_000);
        // The tick of the clock, and what follows of it.
        await new Promise((resolve) => setImmediate(resolve));
      }
    },
  };
}

describe('The continuous check', () => {
  test('probes each peer about once in half a minute, on one network after the other', async () => {
    const { watch, sent, pass, changes } = world([
      peer('n2', 'a/x'),
      peer('n2', 'a/y'),
      peer('n3', 'a/x', []),
    ]);
    await pass(120);
    watch.close();
    expect(sent.length).toBeGreaterThanOrEqual(3);
    expect(sent.length).toBeLessThanOrEqual(5);
    // One without tasks there answers no probes.
    expect(new Set(sent)).toEqual(new Set(['a/x-own a/x-n2', 'a/y-own a/y-n2']));
    expect([watch.current(), changes()]).toEqual([{ peers: 1, unanswered: [] }, 0]);
  });

  test('probes one that is new within some seconds', async () => {
    const { watch, sent, pass } = world([peer('n2', 'a/x')]);
    await pass(5);
    watch.close();
    expect(sent).toHaveLength(1);
  });

  test('tells what has failed twice, once, and that it is healed', async () => {
    const { watch, pass, answer, changes } = world([peer('n2', 'a/x')]);
    await pass(20);
    answer(() => false);
    await pass(17);
    expect([watch.current().unanswered, changes()]).toEqual([[], 0]);
    await pass(60);
    const lost = { node: 'n2', address: '10.0.0.2', way: 'none', networks: ['a/x'], reach: 'answers' };
    expect([watch.current().unanswered, changes()]).toEqual([[lost], 1]);
    answer(() => true);
    await pass(12);
    watch.close();
    expect([watch.current().unanswered, changes()]).toEqual([[], 2]);
    expect(watch.counts().failures).toBeGreaterThan(2);
  });

  test('knows by what it hears which direction fails, and by the size that only large packets do', async () => {
    const { watch, pass, answer, heard } = world([peer('n2', 'a/x'), peer('n3', 'a/x')]);
    answer((gateway, size) => gateway === 'a/x-n3' && size === smallPacket);
    await pass(25);
    heard.set('a/x-n2', 24_000);
    await pass(15);
    watch.close();
    expect(watch.current().unanswered.map(({ node, way }) => [node, way])).toEqual([
      ['n2', 'to'],
      ['n3', 'mtu'],
    ]);
  });

  test('says nothing of a node that is no peer any more', async () => {
    const { watch, pass, answer, setPeers } = world([peer('n2', 'a/x')]);
    answer(() => false);
    await pass(40);
    expect(watch.current().unanswered).toHaveLength(1);
    setPeers([]);
    await pass(2);
    watch.close();
    expect(watch.current()).toEqual({ peers: 0, unanswered: [] });
  });
});
