import { describe, expect, test } from '@jest/globals';
import type { Network, Node, UnansweredNode } from '../../api-schemas/index.ts';
import { aCondition, aNode } from '../runtime/testing.ts';
import { plan, type Observed } from './plan.ts';

const address = (name: string): string => `10.0.0.${name.slice(1)}`;
const names = (count: number): readonly string[] =>
  Array.from({ length: count }, (_, i) => `n${String(i + 1)}`);
const entry = (
  node: string,
  way: UnansweredNode['way'] = 'to',
  more: Partial<UnansweredNode> = {},
): UnansweredNode => ({
  ...{ node, address: address(node), way, networks: ['default/web'], reach: 'answers', ...more },
});

function world(
  count: number,
  said: Readonly<Record<string, readonly UnansweredNode[]>>,
  away: readonly string[] = [],
): Observed {
  const nodes = names(count).map((name): Node => {
    const unanswered = said[name];
    return aNode(name, {
      status: {
        addresses: [address(name)],
        conditions: [aCondition('Connected', away.includes(name) ? 'False' : 'True')],
        ...(unanswered === undefined
          ? {}
          : { network: { peers: count - 1, failing: unanswered.length, unanswered } }),
      },
    });
  });
  const network: Network = {
    ...{
      apiVersion: 'orc.dev/v1',
      kind: 'Network',
      metadata: { name: 'web', namespace: 'default' },
      spec: {},
    },
    status: { nodes: Object.fromEntries(names(count).map((name) => [name, { gateway: '10.64.0.1' }])) },
  };
  return { nodes, networks: [network] };
}
const said = (observed: Observed): readonly string[] =>
  [...plan(observed).nodes]
    .flatMap(([name, all]) => all.map(({ type, reason }) => `${name} ${type} ${reason}`))
    .sort();
const messageOf = (observed: Observed, name: string): string =>
  plan(observed).nodes.get(name)?.[0]?.message ?? '';

describe('What the probes of all agents say', () => {
  test('is nothing when all is well', () => {
    expect(plan(world(3, {}))).toEqual({ nodes: new Map(), networks: new Map() });
  });

  test('names the direction of a path that fails, on both of its ends and on its network', () => {
    const one = world(4, { n1: [entry('n2', 'none')], n2: [entry('n1', 'to')] });
    expect(said(one)).toEqual(['n1 NetworkReachable PathFails', 'n2 NetworkReachable PathFails']);
    for (const name of ['n1', 'n2'])
      expect(messageOf(one, name)).toBe(
        'what n2 sends to n1 does not arrive: open UDP 4789 from 10.0.0.2 to 10.0.0.1; `orc net check` says more',
      );
    expect(plan(one).networks.get('default/web')).toMatchObject({
      ...{ type: 'Reachable', status: 'False', reason: 'PathsFail' },
      message: expect.stringContaining('between n1 and n2'),
    });
  });

  test('says that both directions fail, or that nobody knows which', () => {
    expect(messageOf(world(4, { n1: [entry('n2', 'none')], n2: [entry('n1', 'none')] }), 'n1')).toMatch(
      /^nothing goes between n1 and n2: open UDP 4789 between/,
    );
    expect(messageOf(world(4, { n1: [entry('n2', 'none')] }), 'n2')).toMatch(/^n1 has no answer from n2/);
    expect(messageOf(world(4, { n1: [entry('n2', 'mtu')] }), 'n2')).toMatch(/^large packets from n1/);
    expect(messageOf(world(4, { n1: [entry('n2', 'none', { reach: 'unreachable' })] }), 'n2')).toMatch(
      /^n1 has no way/,
    );
  });

  test('tells of a node that is cut off once, on it alone', () => {
    const others = names(100).filter((name) => name !== 'n7');
    const cut = world(100, {
      ...Object.fromEntries(others.map((name) => [name, [entry('n7', 'none')]])),
      n7: others.slice(0, 32).map((name) => entry(name, 'none')),
    });
    expect(said(cut)).toEqual(['n7 NetworkReachable NotReached']);
    expect(messageOf(cut, 'n7')).toContain(
      'it is not reached by 99 of 99 nodes on its networks (n1, n10, n100 and 96 more)',
    );
    expect(JSON.stringify([...plan(cut).networks.values()]).length).toBeLessThan(500);
  });

  test('is nothing of nodes without a session, whoever says it', () => {
    expect(said(world(3, { n1: [entry('n2')], n3: [entry('n2')] }, ['n2']))).toEqual([]);
    expect(said(world(3, { n1: [entry('n2')] }, ['n1']))).toEqual([]);
  });

  test('has what an agent cannot do, which stays while it is away', () => {
    const [node] = world(1, {}).nodes;
    const problems = [{ reason: 'NamesFailed', message: 'port 53 is taken' }];
    const bad = { ...node, status: { ...node?.status, network: { problems } } } as Node;
    const [condition] = plan({ nodes: [bad], networks: [] }).nodes.get('n1') ?? [];
    expect(condition).toEqual({ type: 'NetworkReady', status: 'False', ...problems[0] });
    const conditions = [aCondition('Connected', 'False'), aCondition('NetworkReady', 'False')];
    const away = { ...node, status: { conditions } } as Node;
    expect(plan({ nodes: [away], networks: [] }).nodes.get('n1')).toEqual([conditions[1]]);
  });
});
