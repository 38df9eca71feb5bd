import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { Addresses, rangeOf } from './addresses.ts';

const none: ReadonlySet<string> = new Set();
const gateway = '10.64.0.254';

describe('the addresses of a node', () => {
  test('are those of its blocks, in turn, and each is given once', () => {
    const addresses = new Addresses();
    const blocks = { blocks: ['10.64.1.0/30', '10.64.2.8/31'], gateway };
    const all = Array.from({ length: 7 }, () => addresses.take(blocks, none));
    expect(all).toEqual(['10.64.1.0', '10.64.1.1', '10.64.1.2', '10.64.1.3', '10.64.2.8', '10.64.2.9', undefined]); // prettier-ignore
  });

  test('that were given back come last', () => {
    const addresses = new Addresses();
    const blocks = { blocks: ['10.64.1.0/30'], gateway };
    const first = addresses.take(blocks, none) ?? '';
    addresses.release(first);
    expect([1, 2, 3, 4].map(() => addresses.take(blocks, none))).toEqual(['10.64.1.1', '10.64.1.2', '10.64.1.3', first]); // prettier-ignore
  });

  test('leave out what the engine has, and the gateway', () => {
    const addresses = new Addresses();
    const blocks = { blocks: ['10.64.1.0/30'], gateway: '10.64.1.1' };
    expect(addresses.take(blocks, new Set(['10.64.1.0']))).toBe('10.64.1.2');
  });

  test('are never two of the same, whatever is taken and given back', () => {
    const steps = fc.array(fc.oneof(fc.constant('take'), fc.nat(40)), { maxLength: 200 });
    fc.assert(
      fc.property(steps, (all) => {
        const addresses = new Addresses();
        const blocks = { blocks: ['10.64.1.0/28', '10.64.1.32/28'], gateway: '10.64.1.5' };
        const used: string[] = [];
        for (const step of all) {
          if (step === 'take') {
            const ip = addresses.take(blocks, none);
            if (ip === undefined) expect(used).toHaveLength(31);
            else {
              expect(used).not.toContain(ip);
              used.push(ip);
            }
          } else if (typeof step === 'number' && used.length > 0) {
            const [ip = ''] = used.splice(step % used.length, 1);
            addresses.release(ip);
          }
        }
      }),
    );
  });

  test('have a range as the CIDR says', () => {
    expect(rangeOf('10.64.1.7/30')).toEqual({ first: 171966724, last: 171966727 });
    expect(rangeOf('255.255.255.255/32').last).toBe(4294967295);
  });
});
