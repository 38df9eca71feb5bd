/** Who is let into a cluster, and who is not: at the door of a real server. */
import { createPrivateKey, createPublicKey, sign, X509Certificate } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { formatToken, parseToken, proofText, type JoinToken } from '../../api-schemas/join.ts';
import { Client, joinCluster } from '../../client/index.ts';
import { generateKey } from '../../server/pki/index.ts';
import { SessionCluster, type ClusterServer } from '../harness/session-cluster.ts';
import { unique } from '../harness/session.ts';

let cluster: SessionCluster;
let server: ClusterServer;
let admin: Client;
beforeAll(async () => {
  cluster = await SessionCluster.open();
  server = await cluster.startServer(unique('s'));
  const { ca, admin: identity } = cluster.pki;
  admin = new Client({
    endpoints: [server.url],
    tls: { ca: ca.cert, cert: identity.cert, key: identity.key },
  });
}, 30_000);
afterAll(async () => {
  admin.close();
  await cluster.clear();
  await cluster.close();
});

const tokenOf = (text = server.token()): JoinToken => {
  const token = parseToken(text);
  if (token === undefined) throw new Error(`no token: ${text}`);
  return token;
};
const join = async (
  nodeName: string,
  more: { key?: string; token?: JoinToken; labels?: Record<string, string> } = {},
) => {
  const { key = await generateKey(), token = tokenOf(), labels = {} } = more;
  return joinCluster({
    endpoint: server.url,
    token: formatToken(token),
    parsed: token,
    nodeName,
    labels,
    key,
  });
};
const refusals = async (): Promise<Readonly<Record<string, number>>> => {
  const text = await admin.raw('GET', '/metrics');
  const lines = text.matchAll(/^orc_join_refusals\{reason="([^"]+)"\} (\d+)$/gm);
  return Object.fromEntries([...lines].map(([, reason, count]) => [reason, Number(count)]));
};

describe('a machine that joins', () => {
  test('gets a certificate for its name and key, and no other name, whatever it asks', async () => {
    const name = unique('n');
    const { certificate, role, servers, caKey } = await join(name);
    const { subject } = new X509Certificate(certificate);
    expect(subject.split('\n').sort()).toEqual([`CN=system:node:${name}`, 'O=system:nodes']);
    expect({ role, servers, caKey }).toEqual({ role: 'worker', servers: [server.url], caKey: undefined });
    await expect(join('Bad_Name')).rejects.toThrow(/nodeName: expected lower-case/);
    await expect(join('../admin')).rejects.toThrow(/nodeName: expected lower-case/);
    await expect(join(unique('n'), { labels: { 'a b': 'c' } })).rejects.toThrow(/must be a label name/);
  });

  test('keeps its name for its key alone', async () => {
    const [name, key] = [unique('n'), await generateKey()];
    await join(name, { key });
    await join(name, { key });
    await expect(join(name)).rejects.toThrow(
      new RegExp(`${name} has joined already, with another key.*orc node rm`),
    );
  });

  test('is refused with a token of another cluster, a wrong one, and one that was rotated; each is counted', async () => {
    const before = await refusals();
    const good = tokenOf();
    // Another CA is noticed by the machine itself: it would be someone else who answers.
    await expect(join(unique('n'), { token: { ...good, caDigest: '0'.repeat(64) } })).rejects.toThrow(
      /belongs to another cluster than the token, or its CA was replaced since \(`orc ca rotate`\)/,
    );
    const wrong = { ...good, secret: 'A'.repeat(43) };
    await expect(join(unique('n'), { token: wrong })).rejects.toThrow(
      /rotated, or is wrong.*orc token show worker/,
    );
    // A worker's token says nothing about managers.
    await expect(join(unique('n'), { token: { ...good, role: 'manager' } })).rejects.toThrow(
      /orc token show manager/,
    );
    await admin.patch('Cluster', { name: 'orc' }, 'merge', { spec: { tokens: { worker: 2 } } });
    await expect(join(unique('n'), { token: good })).rejects.toThrow(/rotated/);
    await join(unique('n'));
    const after = await refusals();
    expect((after['token-wrong'] ?? 0) - (before['token-wrong'] ?? 0)).toBe(3);
  });

  test('is refused when its request is sent again, or signed with another key', async () => {
    const [name, key] = [unique('n'), await generateKey()];
    const anyone = new Client({ endpoints: [server.url], tls: { ca: cluster.pki.ca.cert } });
    const headers = { 'content-type': 'application/json' };
    const ask = async (signer: string): Promise<string> => {
      const { challenge } = JSON.parse(await anyone.raw('GET', '/cluster/v1/challenge')) as {
        challenge: string;
      };
      return JSON.stringify({
        token: server.token(),
        nodeName: name,
        publicKey: createPublicKey(key).export({ type: 'spki', format: 'pem' }),
        challenge,
        signature: sign('sha256', Buffer.from(proofText(challenge, name)), createPrivateKey(signer)).toString(
          'base64',
        ),
      });
    };
    const request = await ask(key);
    await anyone.raw('POST', '/cluster/v1/join', request, headers);
    await expect(anyone.raw('POST', '/cluster/v1/join', request, headers)).rejects.toThrow(/was used before/);
    const stolen = await ask(await generateKey());
    await expect(anyone.raw('POST', '/cluster/v1/join', stolen, headers)).rejects.toThrow(
      /not signed with the key/,
    );
    for (const bad of ['', '{', '[]', '{}', '{"token":1}', JSON.stringify({ token: 'x'.repeat(70_000) })]) {
      await expect(anyone.raw('POST', '/cluster/v1/join', bad, headers)).rejects.toMatchObject({
        name: 'ApiError',
      });
    }
    anyone.close();
    expect((await refusals())['proof']).toBeGreaterThanOrEqual(2);
  });
});

describe('a worker’s certificate', () => {
  test('opens its own Node and nothing else', async () => {
    const [name, key] = [unique('n'), await generateKey()];
    const { certificate: cert, ca } = await join(name, { key });
    const other = unique('n');
    await join(other);
    const node = new Client({ endpoints: [server.url], tls: { ca, cert, key } });
    expect((await node.get('Node', { name })).metadata.name).toBe(name);
    const paths = [
      `/apis/orc.dev/v1/nodes/${other}`,
      '/apis/orc.dev/v1/nodes',
      '/apis/orc.dev/v1/clusters/orc',
      '/apis/orc.dev/v1/namespaces/default/services',
      '/apis/orc.dev/v1/namespaces/default/tasks/x/log',
      '/apis/orc.dev/v1/tasks?watch=true',
      '/api/v1/namespaces',
      '/api/v1/events',
      '/apis/coordination.k8s.io/v1/leases',
      '/cluster/v1/token?role=manager',
      '/cluster/v1/members',
      '/cluster/v1/status',
      '/metrics',
    ];
    for (const path of paths) await expect(node.raw('GET', path)).rejects.toMatchObject({ code: 403 });
    const headers = { 'content-type': 'application/json' };
    const writes: readonly [string, string, string][] = [
      ['POST', '/apis/orc.dev/v1/namespaces/default/services', '{}'],
      ['PUT', `/apis/orc.dev/v1/nodes/${name}`, '{}'],
      ['PUT', `/apis/orc.dev/v1/nodes/${name}/status`, '{}'],
      ['DELETE', `/apis/orc.dev/v1/nodes/${other}`, '{}'],
      ['DELETE', '/apis/orc.dev/v1/nodes', '{}'],
      ['POST', '/cluster/v1/backup', '{"passphrase":"12345678"}'],
      ['POST', '/cluster/v1/members', '{"name":"x","peerUrl":"https://1.2.3.4:1"}'],
      ['POST', '/cluster/v1/members/remove', '{"name":"x"}'],
    ];
    for (const [method, path, body] of writes) {
      await expect(node.raw(method, path, body, headers)).rejects.toMatchObject({ code: 403 });
    }
    node.close();
  });
});
