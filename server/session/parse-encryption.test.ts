import { describe, expect, test } from '@jest/globals';
import { parseFrame } from './parse.ts';

const nodeOf = (node: unknown): unknown => {
  const frame = parseFrame(Buffer.from(JSON.stringify({ type: 'register', node })));
  return frame.type === 'register' ? frame.node : undefined;
};
const publicKey = 'UdWt7Hf6en8H4agwONeS5c1y1uQv/yinyMhpCFgKK2Q=';

describe('what a node says of its encryption', () => {
  test('is a method, keys and an error, and nothing else', () => {
    const encryption = {
      method: 'wireguard',
      error: 'no',
      keys: [{ epoch: 3, publicKey, privateKey: 'x' }],
      a: 1,
    };
    expect(nodeOf({ encryption })).toEqual({
      encryption: { method: 'wireguard', error: 'no', keys: [{ epoch: 3, publicKey }] },
    });
    expect(nodeOf({ encryption: { method: 'rot13', error: 7, keys: 'all' } })).toEqual({ encryption: {} });
  });

  test.each([
    { epoch: 1, publicKey: `${publicKey.slice(0, 42)}\n=` },
    { epoch: 1, publicKey: 'short' },
    { epoch: 0, publicKey },
    { epoch: '1', publicKey },
    null,
  ])('has no key that could be anything else in the settings of other nodes: %j', (key) => {
    expect(nodeOf({ encryption: { method: 'wireguard', keys: [key] } })).toEqual({
      encryption: { method: 'wireguard' },
    });
  });

  test('goes to addresses only, which get into commands', () => {
    expect(nodeOf({ addresses: ['10.0.0.1', '10.0.0.2 self\nfdb flush', 7, 'fd00::1'] })).toEqual({
      addresses: ['10.0.0.1', 'fd00::1'],
    });
  });
});
