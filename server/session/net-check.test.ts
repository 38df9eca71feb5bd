import { describe, expect, test } from '@jest/globals';
import type { Node, Obj } from '../../api-schemas/index.ts';
import type { Cache } from '../../store/types.ts';
import { parseNetCheckQuery } from './net-check.ts';
import { parseNetwork } from './parse-network.ts';

const id = 'a'.repeat(32);
const node = (name: string, address?: string): Node => ({
  ...{ apiVersion: 'orc.dev/v1', kind: 'Node', metadata: { name }, spec: {} },
  status: address === undefined ? {} : { addresses: [address, '172.17.0.1'] },
});
const nodes: readonly Obj[] = [node('n2', '10.0.0.2'), node('n1', '10.0.0.1'), node('n3')];
const cache = { list: () => nodes } as unknown as Pick<Cache, 'list'>;
const parse = (query: string): unknown => parseNetCheckQuery(new URLSearchParams(query), cache);

describe('What is asked of a node', () => {
  test('has where all nodes are, as the server knows it, and no address that the caller names', () => {
    expect(parse(`id=${id}&network=shop/default&peer=n2&nodes=n9`)).toEqual({
      ...{ kind: 'netcheck', id, networks: ['shop/default'], peer: 'n2' },
      nodes: [
        { name: 'n1', address: '10.0.0.1' },
        { name: 'n2', address: '10.0.0.2' },
      ],
    });
  });

  test.each([
    ['', /query parameter id/],
    ['id=1', /query parameter id/],
    [`id=${id}&network=default`, /query parameter network: expected NAMESPACE\/NAME/],
  ])('is refused as `%s`', (query, message) => {
    expect(() => parse(query)).toThrow(message);
  });
});

test('No more networks are named than a request has room for', () => {
  expect(() => parse(`id=${id}&${'network=a/b&'.repeat(101)}`)).toThrow(/at most 100/);
});

describe('What a node says of its networks', () => {
  const bad = { node: 'n2', address: '10.0.0.2', way: 'to', networks: ['a/b'], reach: 'answers' };

  test('is taken as it is', () => {
    const said = {
      problems: [{ reason: 'NamesFailed', message: 'why' }],
      ...{ peers: 3, failing: 1, unanswered: [bad] },
    };
    expect(parseNetwork(said)).toEqual(said);
  });

  test('is taken as far as it makes sense, and within bounds', () => {
    expect(parseNetwork('all')).toEqual({});
    expect(
      parseNetwork({ problems: [{ reason: 'bad word' }, 7], unanswered: [{ ...bad, way: 'up' }, {}] }),
    ).toEqual({});
    const much = parseNetwork({
      problems: Array(100).fill({ reason: 'A', message: 'x'.repeat(9_000) }),
      unanswered: Array(100).fill({ ...bad, networks: [...Array<string>(50).fill('n'.repeat(9_000)), 5] }),
      peers: -1,
    });
    expect(JSON.stringify(much).length).toBeLessThan(200_000);
    expect([much.problems?.length, much.unanswered?.length, much.peers]).toEqual([16, 32, 0]);
  });
});
