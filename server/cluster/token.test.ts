import { generateKeyPairSync, sign } from 'node:crypto';
import { beforeAll, describe, expect, test } from '@jest/globals';
import { parseToken, proofText } from '../../api-schemas/join.ts';
import { digestOf } from '../../kit/certificate.ts';
import { systemClock } from '../../kit/clock.ts';
import { generateKey, selfSign } from '../pki/index.ts';
import { Challenges } from './challenges.ts';
import { checkToken, tokenOf, type Ca } from './token.ts';

let ca: Ca;
let other: Ca;
beforeAll(async () => {
  const make = async (): Promise<Ca> => {
    const key = await generateKey();
    return { key, cert: selfSign({ commonName: 'ca', usage: 'ca', days: 1 }, key, systemClock) };
  };
  [ca, other] = [await make(), await make()];
});

describe('a join token', () => {
  test('is the same from every manager, pins the CA, and says the role', () => {
    const token = tokenOf(ca, 'worker', 1);
    expect(tokenOf({ ...ca }, 'worker', 1)).toBe(token);
    expect(parseToken(` ${token}\n`)).toMatchObject({ role: 'worker', caDigest: digestOf(ca.cert) });
    expect(checkToken(token, ca, () => 1)).toEqual({ role: 'worker' });
  });

  test('of one role is none of the other, and none after it was rotated', () => {
    const token = tokenOf(ca, 'worker', 1);
    const forged = token.replace('worker', 'manager');
    expect(checkToken(forged, ca, () => 1)).toMatchObject({ refused: 'wrong' });
    expect(checkToken(token, ca, () => 2)).toMatchObject({ refused: 'wrong' });
    expect(tokenOf(ca, 'manager', 1)).not.toContain(parseToken(token)?.secret);
  });

  test('of another cluster, or no token at all, is told as such', () => {
    expect(checkToken(tokenOf(other, 'worker', 1), ca, () => 1)).toMatchObject({
      refused: 'otherCluster',
      message: expect.stringMatching(/`orc ca rotate`.*`orc token show worker`/),
    });
    for (const text of ['', 'SWMTKN-1-x', `${tokenOf(ca, 'worker', 1)}x`]) {
      expect(checkToken(text, ca, () => 1)).toMatchObject({ refused: 'malformed' });
    }
  });
});

describe('a challenge', () => {
  const keys = generateKeyPairSync('ec', { namedCurve: 'prime256v1' });
  const pem = String(keys.publicKey.export({ type: 'spki', format: 'pem' }));
  const proofOf = (challenge: string, name = 'n1') => ({
    publicKey: pem,
    challenge,
    signature: sign('sha256', Buffer.from(proofText(challenge, name)), keys.privateKey).toString('base64'),
  });

  test('is good once, for what was signed', () => {
    const challenges = new Challenges(systemClock);
    const proof = proofOf(challenges.give());
    expect(challenges.check(proof, 'n1').asymmetricKeyType).toBe('ec');
    expect(() => challenges.check(proof, 'n1')).toThrow(/was used before/);
    expect(() => challenges.check(proofOf(challenges.give(), 'n2'), 'n1')).toThrow(/not signed/);
    expect(() => challenges.check(proofOf('made-up'), 'n1')).toThrow(/not known/);
  });

  test('runs out after a minute', () => {
    let now = 1_000_000;
    const challenges = new Challenges({ ...systemClock, now: () => now });
    const proof = proofOf(challenges.give());
    now += 61_000;
    expect(() => challenges.check(proof, 'n1')).toThrow(/older than a minute/);
  });

  test('takes no key of another kind', () => {
    const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 });
    const challenges = new Challenges(systemClock);
    const publicKey = String(rsa.publicKey.export({ type: 'spki', format: 'pem' }));
    expect(() => challenges.check({ ...proofOf(challenges.give()), publicKey }, 'n1')).toThrow(/P-256/);
    expect(() => challenges.check({ ...proofOf(challenges.give()), publicKey: 'x' }, 'n1')).toThrow(/SPKI/);
  });
});
