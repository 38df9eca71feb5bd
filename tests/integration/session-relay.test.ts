/** Logs and exec through a server that does not hold the session of the task's node. */
import { request as httpsRequest } from 'node:https';
import type { IncomingMessage } from 'node:http';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import type { AgentStream } from '../../agent/session/index.ts';
import { channel, type Cluster, type StreamRequest } from '../../api-schemas/index.ts';
import { Client } from '../../client/index.ts';
import { headersFor } from '../../server/auth/identity.ts';
import { task, unique, until } from '../harness/session.ts';
import { SessionCluster, type ClusterAgent, type ClusterServer } from '../harness/session-cluster.ts';

let cluster: SessionCluster;
let holder: ClusterServer;
let other: ClusterServer;
let client: Client;
beforeAll(async () => {
  cluster = await SessionCluster.open();
}, 30_000);
afterAll(() => cluster.close());
beforeEach(async () => {
  [holder, other] = await Promise.all([cluster.startServer(unique('s')), cluster.startServer(unique('s'))]);
  const { ca, admin } = cluster.pki;
  client = new Client({ endpoints: [other.url], tls: { ca: ca.cert, cert: admin.cert, key: admin.key } });
});
afterEach(async () => {
  client.close();
  await cluster.clear();
});

const send = (stream: AgentStream, number: number, data: string): Promise<void> =>
  new Promise((resolve, reject) =>
    stream.send(Buffer.concat([Buffer.of(number), Buffer.from(data)]), (error) =>
      error ? reject(error) : resolve(),
    ),
  );
const text = async (stream: AsyncIterable<unknown>): Promise<string> => {
  let all = '';
  for await (const part of stream) all += String(part);
  return all;
};

/** A task on a node whose session `holder` has; each stream that is asked for is given to `serve`. */
async function serving(
  serve: (stream: AgentStream, request: StreamRequest) => Promise<void>,
): Promise<{ t: string; n: string; agent: ClusterAgent }> {
  const [n, t] = [unique('n'), unique('t')];
  await cluster.registry.registry.create(task(t, n));
  const agent: ClusterAgent = await cluster.connect(n, [holder.url], {
    prefer: holder.url,
    onStream: (id, _uid, request) =>
      void agent.session.openStream(id).then((stream) => serve(stream, request)),
  });
  await until('recorded', () => cluster.sessionOf(n)?.server === holder.name);
  await other.store.cache.sync();
  return { t, n, agent };
}

/** A request as some certificate, with these headers. */
const ask = (
  url: string,
  path: string,
  as: { readonly cert: string; readonly key: string },
  headers: Readonly<Record<string, string>> = {},
): Promise<{ code: number; body: string }> =>
  new Promise((resolve, reject) => {
    const { cert, key } = as;
    const sent = httpsRequest(`${url}${path}`, { ca: cluster.pki.ca.cert, cert, key, headers, agent: false });
    sent.once('response', (answer: IncomingMessage) => {
      text(answer).then((body) => resolve({ code: answer.statusCode ?? 0, body }), reject);
    });
    sent.once('error', reject);
    sent.end();
  });
const logOf = (t: string): string => `/apis/orc.dev/v1/namespaces/default/tasks/${t}/log`;

describe('through another server', () => {
  test('a log comes whole, with what was asked of it', async () => {
    const line = 'x'.repeat(1_000) + '\n';
    let asked: StreamRequest | undefined;
    const { t } = await serving(async (stream, request) => {
      asked = request;
      for (let i = 0; i < 2_000; i++) await send(stream, channel.stdout, line);
      await send(stream, channel.status, '{}');
      stream.close();
    });
    expect((await text(await client.logs({ name: t }, { tailLines: 5 }))).length).toBe(2_000 * line.length);
    expect(asked).toEqual({ kind: 'logs', follow: false, tail: 5, timestamps: false });
  });

  test('a check of the networks of a node comes, with what was asked of it', async () => {
    const asked: StreamRequest[] = [];
    const { n } = await serving(async (stream, request) => {
      asked.push(request);
      await send(stream, channel.stdout, JSON.stringify({ node: 'as it says', heard: [] }));
      await send(stream, channel.status, '{}');
      stream.close();
    });
    const id = 'a'.repeat(32);
    expect(await client.netCheckHeard(n, id)).toEqual({ node: 'as it says', heard: [] });
    await client.netCheck(n, { id, network: ['shop/back'], peer: 'n2' });
    expect(asked).toMatchObject([
      { kind: 'netcheck', id, heard: true },
      { kind: 'netcheck', id, networks: ['shop/back'], peer: 'n2' },
    ]);
    await expect(client.netCheck(n, { id: 'short' })).rejects.toMatchObject({ code: 400 });
    await expect(client.netCheck(unique('none'), { id })).rejects.toMatchObject({ code: 404 });
    expect(asked).toHaveLength(2);
  });

  test('an agent waits for a reader that does not read', async () => {
    const piece = 'y'.repeat(64 << 10);
    let sent = 0;
    const { t } = await serving(async (stream) => {
      for (; sent < 1_000; sent++) await send(stream, channel.stdout, piece);
      await send(stream, channel.status, '{}');
      stream.close();
    });
    const log = await client.logs({ name: t }, { follow: true });
    let before = -1;
    // Until the buffers between are full.
    for (let same = 0; same < 20; same = sent === before ? same + 1 : 0) {
      before = sent;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    expect(sent).toBeLessThan(900);
    expect((await text(log)).length).toBe(1_000 * piece.length);
  });

  test('a follower that leaves is missed by the agent', async () => {
    let hasLeft = false;
    const { t } = await serving(async (stream) => {
      stream.on('close', () => (hasLeft = true));
      await send(stream, channel.stdout, 'hello\n');
    });
    const stop = new AbortController();
    const log = await client.logs({ name: t }, { follow: true }, stop.signal);
    log.on('error', () => undefined);
    await new Promise((resolve) => log.once('data', resolve));
    stop.abort();
    await until('left', () => hasLeft);
  });

  test('a log that breaks is not taken for one that ends', async () => {
    const { t } = await serving((stream) => send(stream, channel.stdout, 'hello\n'));
    const log = await client.logs({ name: t }, { follow: true });
    await new Promise((resolve) => log.once('data', resolve));
    await holder.gate.cut();
    await expect(text(log)).rejects.toThrow();
  });

  test('a command gets its input, and gives output and exit code', async () => {
    const { t } = await serving((stream) => {
      let input = '';
      stream.on('message', (frame) => {
        const data = frame.subarray(1).toString();
        if (frame[0] === channel.stdin || frame[0] === channel.resize) input += data;
        if (frame[0] !== channel.close) return;
        void send(stream, channel.stdout, input)
          .then(() => send(stream, channel.status, '{"exitCode":3}'))
          .then(() => stream.close());
      });
      return Promise.resolve();
    });
    const exec = await client.exec({ name: t }, { command: ['cat'], stdin: true });
    exec.resize(80, 24);
    exec.stdin.end('typed');
    expect(await Promise.all([text(exec.stdout), exec.ended])).toEqual([
      '{"Width":80,"Height":24}typed',
      { exitCode: 3 },
    ]);
    await expect(client.exec({ name: t }, { command: [] })).rejects.toMatchObject({ code: 400 });
  });

  test('what the other server says is wrong is passed on', async () => {
    const { t } = await serving(async (stream) => {
      await send(stream, channel.status, '{"error":"the task has no container on this node"}');
      stream.close();
    });
    await expect(client.logs({ name: t })).rejects.toMatchObject({
      code: 400,
      message: 'the task has no container on this node',
    });
  });

  test('a server that cannot be reached is named', async () => {
    const { t, n, agent } = await serving(() => Promise.resolve());
    agent.session.close();
    await until('cleared', () => cluster.sessionOf(n)?.server === '');
    await holder.gate.cut();
    // As after a crash of the server: nobody has cleared what the Node object says.
    await cluster.registry.registry.modify({ kind: 'Node', namespace: '', name: n }, (node) => ({
      ...node,
      status: { ...cluster.node(n)?.status, session: { server: holder.name, id: 'x', since: '' } },
    }));
    await other.store.cache.sync();
    const message = expect.stringMatching(
      new RegExp(
        `server ${holder.name} \\(${holder.url}\\), which holds the session of node ${n}, cannot be`,
      ),
    );
    await expect(client.logs({ name: t })).rejects.toMatchObject({ code: 503, message });
    await expect(client.exec({ name: t }, { command: ['ls'] })).rejects.toMatchObject({ code: 503, message });
  });

  test('one whose address is not known is named', async () => {
    const { t } = await serving(() => Promise.resolve());
    await cluster.registry.registry.modify<Cluster>(
      { kind: 'Cluster', namespace: '', name: 'orc' },
      (current) => ({ ...current, status: { managers: {} } }),
    );
    await other.store.cache.sync();
    await expect(client.logs({ name: t })).rejects.toMatchObject({
      code: 503,
      message: expect.stringContaining('none of the managers'),
    });
  });
});

describe('a server that asks in the name of others', () => {
  const admin = { name: 'admin', groups: ['system:masters'] };

  test('is answered as they would be, and has no rights of its own', async () => {
    const { t, n } = await serving(async (stream) => {
      await send(stream, channel.stdout, 'hello\n');
      await send(stream, channel.status, '{}');
      stream.close();
    });
    const { server } = cluster.pki;
    expect(await ask(holder.url, logOf(t), server, headersFor(admin))).toEqual({
      code: 200,
      body: 'hello\n',
    });
    const node = { name: `system:node:${n}`, groups: ['system:nodes'] };
    expect((await ask(holder.url, logOf(t), server, headersFor(node))).code).toBe(403);
    expect((await ask(holder.url, logOf(t), server)).code).toBe(403);
  });

  test('cannot be anyone else', async () => {
    const { t, n } = await serving(() => Promise.resolve());
    const identity = await cluster.identityOf(n);
    for (const as of [identity, cluster.pki.admin]) {
      const refused = await ask(holder.url, logOf(t), as, headersFor(admin));
      expect(refused).toMatchObject({ code: 403, body: expect.stringContaining('only servers') });
    }
  });

  test('is not sent on: nothing goes in circles', async () => {
    const { t, n } = await serving(() => Promise.resolve());
    const { code, body } = await ask(other.url, logOf(t), cluster.pki.server, headersFor(admin));
    expect(code).toBe(503);
    expect(body).toContain(`node ${n}, which has task ${t}, is not connected to this server`);
  });
});
