import { describe, expect, test } from '@jest/globals';
import type { Network } from '../../api-schemas/index.ts';
import { bridgeName, engineName, inOrder, networkKeys, localSubnet6, tunnelTag } from './names.ts';

const owner = (nodeName: string, cluster = 'c1') => ({ cluster, nodeName });
const network = (name: string, uid = `uid-${name}`): Network => ({
  apiVersion: 'orc.dev/v1',
  kind: 'Network',
  metadata: { name, namespace: 'default', uid },
  spec: {},
});

describe('what a network is called on a node', () => {
  const one = network('web-default');

  test('fits the kernel, and is another on each node, in each cluster and for each network', () => {
    expect(engineName(owner('n1'), one)).toMatch(/^orc-default-web-default\.[0-9a-f]{6}$/);
    expect(bridgeName(owner('n1'), one)).toHaveLength(14);
    const others = [
      bridgeName(owner('n1'), one),
      bridgeName(owner('n2'), one),
      bridgeName(owner('n1', 'c2'), one),
      bridgeName(owner('n1'), network('web-default', 'made anew')),
    ];
    expect(new Set(others).size).toBe(4);
    expect(tunnelTag(owner('n1'))).toMatch(/^[0-9a-f]{4}$/);
    expect(tunnelTag(owner('n2'))).not.toBe(tunnelTag(owner('n1')));
  });

  test('has an IPv6 range of its own that follows from it', () => {
    expect(localSubnet6(owner('n1'), one)).toMatch(/^fd[0-9a-f]{2}(:[0-9a-f]{4}){3}::\/64$/);
    expect(localSubnet6(owner('n1'), one)).toBe(localSubnet6(owner('n1'), one));
  });

  test('has its addresses in the order in which the task names it', () => {
    const told = ['blue', 'default', 'other'].map((name, i) => ({ network: name, ip: `10.0.0.${i}` }));
    const names = (networks?: readonly string[]) => inOrder(told, networks).map((one) => one.network);
    expect(names(['default', 'green', 'blue'])).toEqual(['default', 'blue', 'other']);
    expect(names()).toEqual(['blue', 'default', 'other']);
  });

  test('is in the namespace of its tasks', () => {
    const task = { metadata: { namespace: 'shop' }, spec: { networks: ['a', 'b'] } };
    expect(networkKeys(task)).toEqual(['shop/a', 'shop/b']);
    expect(networkKeys({ metadata: {}, spec: {} })).toEqual([]);
  });
});
