import { createPublicKey, randomBytes, verify, type KeyObject } from 'node:crypto';
import { proofText, type Proof } from '../../api-schemas/join.ts';
import type { Clock } from '../../kit/clock.ts';
import { ApiError } from '../../kit/errors.ts';

const validMs = 60_000;
/** More than these at once is no joining of machines; the oldest goes, so that nobody can fill the memory. */
const mostOpen = 10_000;

/**
 * Challenges that were given and not used yet. Each is good once, for a minute by this process's own clock: the
 * clock of the machine that joins does not matter.
 */
export class Challenges {
  readonly #clock: Clock;
  readonly #open = new Map<string, number>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  give(): string {
    const now = this.#clock.now();
    for (const [old, until] of this.#open) {
      if (until > now && this.#open.size < mostOpen) break;
      this.#open.delete(old);
    }
    const challenge = randomBytes(24).toString('base64url');
    this.#open.set(challenge, now + validMs);
    return challenge;
  }

  /** Takes the challenge of a proof and returns its key. Throws 400 and 403. */
  check({ publicKey, challenge, signature }: Proof, nodeName: string): KeyObject {
    const until = this.#open.get(challenge);
    this.#open.delete(challenge);
    if (until === undefined || until <= this.#clock.now()) {
      throw new ApiError(
        403,
        'the challenge is not known: it was used before, is older than a minute, or another server gave it',
      );
    }
    const key = p256(publicKey);
    const text = Buffer.from(proofText(challenge, nodeName));
    if (!verify('sha256', text, key, Buffer.from(signature, 'base64'))) {
      throw new ApiError(403, 'the request is not signed with the key that it names');
    }
    return key;
  }
}

function p256(pem: string): KeyObject {
  let key: KeyObject;
  try {
    key = createPublicKey(pem);
  } catch (error) {
    throw new ApiError(400, 'publicKey: expected a public key as SPKI PEM', { cause: error });
  }
  if (key.asymmetricKeyType !== 'ec' || key.asymmetricKeyDetails?.namedCurve !== 'prime256v1') {
    throw new ApiError(400, 'publicKey: expected an ECDSA key on P-256');
  }
  return key;
}
