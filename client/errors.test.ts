import { describe, expect, test } from '@jest/globals';
import { connectionError } from './errors.ts';

const of = (code: string, message = 'raw words') =>
  connectionError('https://n1:6751', Object.assign(new Error(message), { code }), false);

describe('a server that was not reached', () => {
  test('is said to be etcd where a certificate is wanted first, and OpenSSL is not quoted', () => {
    const { message, bare } = of(
      'ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED',
      '805C:error:0A00045C:SSL routines',
    );
    expect(message).toBe(
      'cannot reach the orc server at https://n1:6751 (it wants a certificate before all else, as etcd does: this is not the port of the API, which is 6750 unless it was changed)',
    );
    expect(bare).toBe(message);
  });

  test('has advice about contexts apart from what is wrong', () => {
    const { message, bare } = of('ECONNREFUSED');
    expect(bare).toBe('cannot reach the orc server at https://n1:6751 (connection refused)');
    expect(message).toMatch(/\(connection refused\): .*another context with --context/);
  });
});
