import { describe, expect, test } from '@jest/globals';
import type { NetCheckReport, Node } from '../../api-schemas/index.ts';
import type { Client } from '../../client/index.ts';
import { gather } from './gather.ts';

type Asking = Parameters<typeof gather>[0];

const node = (name: string, connected: 'True' | 'False' = 'True'): Node => ({
  ...{ apiVersion: 'orc.dev/v1', kind: 'Node', metadata: { name }, spec: {} },
  status: {
    addresses: ['10.0.0.1'],
    session: { server: 'a', id: 's', since: '' },
    conditions: [
      { type: 'Connected', status: connected, reason: 'R', message: '', lastTransitionTime: 'then' },
    ],
  },
});
const report = (name: string, failing: readonly string[] = []): NetCheckReport => ({
  ...{
    node: name,
    networks: [],
    reaches: [],
    failures: [],
    tried: {},
    problems: [],
    skipped: [],
    counts: {},
  },
  paths: failing.map((peer) => ({ network: 'a/b', peer, address: '', mtu: 1450, small: false, full: false })),
});

/** Agents that say so much of their peers; `never` does not answer at all. */
function agents(
  says: Readonly<Record<string, readonly string[] | 'never' | Error>>,
  nodes = Object.keys(says).map((name) => node(name)),
) {
  const asked: string[] = [];
  const client: Asking = {
    list: (() => Promise.resolve({ items: nodes, resourceVersion: '1' })) as Client['list'],
    netCheck: (name, { peer, network }, signal) => {
      asked.push([name, peer, ...(network ?? [])].filter(Boolean).join(' '));
      const said = says[name] ?? [];
      if (said instanceof Error) return Promise.reject(said);
      if (said !== 'never') return Promise.resolve(report(name, said));
      return new Promise((_, reject) =>
        signal?.addEventListener('abort', () => reject(signal.reason as Error)),
      );
    },
    netCheckHeard: (name) => {
      asked.push(`heard ${name}`);
      return Promise.resolve({ node: name, heard: [] });
    },
  };
  return { client, asked };
}
const { signal } = new AbortController();
const options = { timeoutMs: 20, signal, onProgress: () => undefined };

describe('Asking all agents', () => {
  test('asks what has come of probes only where one was not answered', async () => {
    const { client, asked } = agents({ n1: ['n2'], n2: [], n3: [] });
    const { reports, heard } = await gather(client, options);
    expect(reports).toHaveLength(3);
    expect(asked).toEqual(['n1', 'n2', 'n3', 'heard n2']);
    expect([...heard.keys()]).toEqual(['n2']);
  });

  test('asks only for the paths to a node, but that node for all that it sees', async () => {
    const { client, asked } = agents({ n1: [], n2: [] });
    await gather(client, { ...options, node: 'n2', networks: ['a/b'] });
    expect(asked).toEqual(['n1 n2 a/b', 'n2 a/b']);
  });

  test('says who is not connected, fails or is late, and waits for none', async () => {
    const { client, asked } = agents({ n1: [], n2: 'never', n3: new Error('broken') }, [
      node('n1'),
      node('n2'),
      node('n3'),
      node('n4', 'False'),
    ]);
    const { reports, silent } = await gather(client, options);
    expect(reports.map((one) => one.node)).toEqual(['n1']);
    expect([...silent]).toEqual([
      ['n4', 'its agent is not connected since then'],
      ['n3', 'broken'],
      ['n2', 'no answer within 0.02 s'],
    ]);
    expect(asked).not.toContain('n4');
  });
});
