import { describe, expect, test } from '@jest/globals';
import type { JoinAnswer } from '../../api-schemas/join.ts';
import { CaMismatch, ConnectionError } from '../../client/index.ts';
import { connectionError } from '../../client/errors.ts';
import { ApiError } from '../../kit/errors.ts';
import { firstAnswer } from './join.ts';

const [n1, n2, n3] = ['https://n1:6750', 'https://n2:6750', 'https://n3:6750'] as const;
const answer: JoinAnswer = { ca: 'CA', certificate: 'CERT', nodeName: 'w', role: 'worker', servers: [n1] };
const away = (endpoint: string) =>
  new ConnectionError(endpoint, 'ECONNREFUSED', `cannot reach ${endpoint}`, { notSent: true });

/** Who says what; who is not named gives the answer. */
const joined = (said: Readonly<Record<string, Error>>, servers: readonly string[] = [n1, n2, n3]) => {
  const asked: string[] = [];
  const result = firstAnswer(servers, (endpoint) => {
    asked.push(endpoint);
    const error = said[endpoint];
    return error === undefined ? Promise.resolve(answer) : Promise.reject(error);
  });
  return result.then(
    (one) => ({ asked, one }),
    (error: unknown) => ({ asked, message: (error as Error).message }),
  );
};

describe('a machine that joins', () => {
  test('goes to the next manager while the CA of one is not yet, or no longer, that of its token', async () => {
    expect(await joined({ [n1]: new CaMismatch(n1), [n2]: away(n2) })).toEqual({
      asked: [n1, n2, n3],
      one: answer,
    });
  });

  test('says what each of them said when none has taken the token', async () => {
    const all = { [n1]: new CaMismatch(n1), [n2]: new CaMismatch(n2), [n3]: away(n3) };
    const mixed = await joined(all);
    for (const part of [`${n1} belongs to another`, `${n2} belongs to another`, `cannot reach ${n3}`])
      expect(mixed).toEqual({ asked: [n1, n2, n3], message: expect.stringContaining(part) });
    expect(await joined(all, [n1, n2])).toEqual({
      asked: [n1, n2],
      message: `${all[n1].message}\n  ${all[n2].message}`,
    });
  });

  test('is told what is wrong with an address, and nothing of contexts, which it has none of', async () => {
    const refused = connectionError(n1, Object.assign(new Error('raw'), { code: 'ECONNREFUSED' }), false);
    expect(await joined({ [n1]: refused }, [n1])).toMatchObject({
      message:
        `no manager of the cluster was reached:\n  cannot reach the orc server at ${n1} (connection refused)\n` +
        'Check the address (the port is 6750 unless it was changed), the firewall, and that orc runs there.',
    });
  });

  test('is refused by the first one that refuses it', async () => {
    expect(await joined({ [n1]: new ApiError(403, 'the token is worthless') })).toEqual({
      asked: [n1],
      message: `${n1} refused: the token is worthless`,
    });
  });
});
