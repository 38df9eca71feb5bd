/** What the API does for the replacement of the CA, and what it refuses. */
import { createPrivateKey, createPublicKey, sign, X509Certificate } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { proofText } from '../../api-schemas/join.ts';
import { Client, renewAdminCertificate, type TlsIdentity } from '../../client/index.ts';
import { headersFor } from '../../server/auth/identity.ts';
import { digestOfKey, generateKey } from '../../server/pki/index.ts';
import { SessionCluster, type ClusterServer } from '../harness/session-cluster.ts';
import { unique } from '../harness/session.ts';

let cluster: SessionCluster;
let server: ClusterServer;
beforeAll(async () => {
  cluster = await SessionCluster.open();
  server = await cluster.startServer(unique('s'));
}, 30_000);
afterAll(() => cluster.close());

const json = { 'content-type': 'application/json' };
const identity = (name: 'admin' | 'server'): Required<TlsIdentity> => {
  const { cert, key } = cluster.pki[name];
  return { ca: cluster.pki.trust, cert, key };
};
const withClient = async <T>(tls: TlsIdentity, work: (client: Client) => Promise<T>): Promise<T> => {
  const client = new Client({ endpoints: [server.url], tls });
  return work(client).finally(() => client.close());
};

describe('the certificate of an admin', () => {
  /** Asks with the certificate of `tls` for one for `key`. */
  const renew = (tls: TlsIdentity, key: string, headers: Readonly<Record<string, string>> = {}) =>
    withClient(tls, async (client) => {
      const { challenge } = JSON.parse(await client.raw('GET', '/cluster/v1/challenge')) as {
        challenge: string;
      };
      const signature = sign('sha256', Buffer.from(proofText(challenge, 'admin')), createPrivateKey(key));
      const publicKey = createPublicKey(key).export({ type: 'spki', format: 'pem' });
      const body = { publicKey, challenge, signature: signature.toString('base64') };
      return client.raw('POST', '/cluster/v1/renew-admin', JSON.stringify(body), { ...json, ...headers });
    });

  test('is renewed for the key that it has, and for no other one', async () => {
    const admin = identity('admin');
    const { certificate } = await renewAdminCertificate(server.url, admin);
    expect(digestOfKey(new X509Certificate(certificate).publicKey)).toBe(
      digestOfKey(createPrivateKey(admin.key)),
    );
    const refused = renew(admin, await generateKey());
    await expect(refused).rejects.toMatchObject({
      code: 403,
      message: expect.stringContaining('that key alone'),
    });
  });

  test('is renewed for nobody who comes by way of another server', async () => {
    const { key } = identity('admin');
    const relayed = headersFor({ name: 'admin', groups: ['system:masters'] });
    const refused = renew(identity('server'), key, relayed);
    await expect(refused).rejects.toMatchObject({
      code: 403,
      message: expect.stringContaining('that key alone'),
    });
  });
});
