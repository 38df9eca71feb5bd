import { describe, expect, test } from '@jest/globals';
import { randomBytes } from 'node:crypto';
import { seal, SealError, unseal } from './sealed.ts';

async function all(source: AsyncIterable<Buffer>): Promise<Buffer> {
  const parts: Buffer[] = [];
  for await (const part of source) parts.push(part);
  return Buffer.concat(parts);
}
const passphrase = 'correct horse';
const open = (sealed: Buffer, words = passphrase): Promise<Buffer> => all(unseal([sealed], words));

describe('a sealed stream', () => {
  test.each([0, 1, 65_535, 65_536, 65_537, 300_000])('of %d bytes comes back as it was', async (size) => {
    const plain = randomBytes(size);
    const sealed = await all(seal([plain.subarray(0, 1000), plain.subarray(1000)], passphrase));
    expect((await open(sealed)).equals(plain)).toBe(true);
    if (size > 100) expect(sealed.includes(plain.subarray(0, 32))).toBe(false);
  });

  test('opens with no other passphrase, nor when anything was changed, moved, cut off or added', async () => {
    const sealed = await all(seal([randomBytes(200_000)], passphrase));
    await expect(open(sealed, 'wrong')).rejects.toThrow('the passphrase is wrong, or the file was changed');
    const body = sealed.indexOf(10) + 1;
    const piece = 64 * 1024 + 16;
    const flipped = Buffer.from(sealed);
    flipped[body + 70_000] = (flipped[body + 70_000] ?? 0) ^ 1;
    const swapped = Buffer.concat([
      sealed.subarray(0, body),
      sealed.subarray(body + piece, body + 2 * piece),
      sealed.subarray(body, body + piece),
      sealed.subarray(body + 2 * piece),
    ]);
    const cut = sealed.subarray(0, body + 2 * piece);
    const shorter = sealed.subarray(0, sealed.length - 5);
    const longer = Buffer.concat([sealed, randomBytes(20)]);
    const weaker = Buffer.from(sealed.toString('latin1').replace('"N":131072', '"N":131071'), 'latin1');
    for (const bad of [flipped, swapped, cut, shorter, longer, weaker]) {
      await expect(open(bad)).rejects.toThrow();
    }
  });

  test('of others is refused without much ado', async () => {
    await expect(open(randomBytes(5_000))).rejects.toBeInstanceOf(SealError);
    await expect(open(Buffer.from('{}\nx'))).rejects.toBeInstanceOf(SealError);
    await expect(open(Buffer.alloc(0))).rejects.toBeInstanceOf(SealError);
    const greedy = { format: 'orc-sealed-1', N: 2 ** 30, r: 8, p: 1, salt: 'aa', nonce: 'AAAAAAAAAA==' };
    await expect(open(Buffer.from(`${JSON.stringify(greedy)}\nx`))).rejects.toThrow(/later version/);
    await expect(all(seal([], ''))).rejects.toThrow('empty passphrase');
  });
});
