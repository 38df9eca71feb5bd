/** Sessions of a cluster of several servers: who goes where when one of them is lost, silent, or stops. */
import { readFileSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { WebSocket } from 'ws';
import { startSignOfLife, type SignOfLife } from '../../agent/session/index.ts';
import type { Node } from '../../api-schemas/index.ts';
import { parseToken } from '../../api-schemas/join.ts';
import { keepNodeTls } from '../../cli/compose/node-tls.ts';
import { joinCluster } from '../../client/index.ts';
import { FakeClock, systemClock } from '../../kit/clock.ts';
import { silentLogger } from '../../kit/log.ts';
import { generateKey } from '../../server/pki/index.ts';
import { report, task, unique, until } from '../harness/session.ts';
import { SessionCluster, type ClusterServer } from '../harness/session-cluster.ts';

let cluster: SessionCluster;
beforeAll(async () => {
  cluster = await SessionCluster.open();
}, 30_000);
afterEach(() => cluster.clear());
afterAll(() => cluster.close());

const start = (count: number): Promise<ClusterServer[]> =>
  Promise.all(Array.from({ length: count }, () => cluster.startServer(unique('s'))));
const serverOf = (node: string): string => cluster.sessionOf(node)?.server ?? '';

/** What the Node object said of its session, change by change. */
function follow(node: string): { readonly seen: (string | undefined)[]; close(): void } {
  const seen: (string | undefined)[] = [];
  const subscription = cluster.registry.cache.watch('Node', undefined, {
    onChanges: (changes) => {
      for (const { object } of changes)
        if (object.metadata.name === node) seen.push((object as Node).status?.session?.server);
    },
    onReset: () => undefined,
  });
  return { seen, close: () => subscription.close() };
}

describe('an agent of a cluster', () => {
  test('is told of all servers, now and later, and keeps them', async () => {
    const [a, b] = (await start(2)) as [ClusterServer, ClusterServer];
    const file = join(cluster.dir, unique('agent'), 'servers.json');
    const agent = await cluster.connect(unique('n'), [a.url], { serversFile: file });
    await until('both', () => agent.session.servers().length === 2);
    const c = await cluster.startServer(unique('s'));
    await until('a third', () => agent.session.servers().length === 3);
    agent.session.close();
    const known = [a.url, b.url, c.url].sort();
    await until(
      'kept',
      () => readFileSync(file, 'utf8') === `${JSON.stringify({ servers: known }, undefined, 2)}\n`,
    );

    // None of those it is started with is there any more.
    const again = await cluster.connect(unique('n'), ['https://127.0.0.1:1'], { serversFile: file });
    await until('connected', () => again.session.connected);
  });

  test('prefers the server on its own machine', async () => {
    const servers = await start(3);
    const endpoints = servers.map(({ url }) => url);
    for (const { name, url } of servers) {
      const agent = await cluster.connect(unique('n'), endpoints, { prefer: url });
      await until('connected', () => agent.session.connected);
      expect(agent.servers).toEqual([name]);
    }
  });

  test('goes on with another server when its own is killed: nothing is lost', async () => {
    const [a, b] = (await start(2)) as [ClusterServer, ClusterServer];
    const [n, t, later] = [unique('n'), unique('t'), unique('t')];
    const { registry } = cluster.registry;
    const made = await registry.create(task(t, n));
    const agent = await cluster.connect(n, [a.url, b.url], { prefer: a.url });
    await until('connected', () => agent.session.connected);
    await a.kill();
    agent.session.report(report(made, 'Running'));
    await registry.create(task(later, n));
    await until('recorded', () => serverOf(n) === b.name);
    await until('reported', () => cluster.task(t)?.status?.state === 'Running');
    await until('assigned', () => agent.set()?.tasks.length === 2);
    expect(agent.servers).toEqual([a.name, b.name]);
  });

  test('gives up a server that is silent, which does not take the node back when it wakes', async () => {
    const [a, b] = (await start(2)) as [ClusterServer, ClusterServer];
    const n = unique('n');
    const agent = await cluster.connect(n, [a.url, b.url], { prefer: a.url });
    await until('recorded', () => serverOf(n) === a.name);
    a.gate.silence();
    await until('elsewhere', () => serverOf(n) === b.name);
    expect(agent.disconnects).toEqual([expect.stringMatching(/not heard for 0.6 s/)]);
    a.gate.restore();
    await until('connected', () => agent.servers.length === 2);
    await until('ended there', () => a.gateway.connected().length === 0);
    expect(serverOf(n)).toBe(b.name);
    expect(agent.servers).toEqual([a.name, b.name]);
  });

  test('is told when its server can no longer write, and goes to one that can', async () => {
    const [a, b] = (await start(2)) as [ClusterServer, ClusterServer];
    const told: boolean[] = [];
    const onQuorum = (ok: boolean): void => void told.push(ok);
    const n = unique('n');
    const agent = await cluster.connect(n, [a.url, b.url], { prefer: a.url, onQuorum });
    await until('recorded', () => serverOf(n) === a.name);
    a.quorum = false;
    await until('elsewhere', () => serverOf(n) === b.name);
    expect(told).toEqual([false]);
    expect(agent.disconnects).toEqual([]);

    await a.stop();
    const alone = await cluster.connect(unique('n'), [b.url], { onQuorum });
    await until('connected', () => alone.session.connected);
    told.length = 0;
    b.quorum = false;
    await until('told', () => told.length > 0);
    b.quorum = true;
    await until('told again', () => told.at(-1) === true);
    expect(alone.session.connected).toBe(true);
  });

  test('does not wait for one that is cut off when another one answers', async () => {
    const [a, b] = (await start(2)) as [ClusterServer, ClusterServer];
    a.gate.silence();
    const agent = await cluster.connect(unique('n'), [a.url, b.url], { prefer: a.url });
    await until('connected', () => agent.session.connected);
    expect(agent.servers).toEqual([b.name]);
  });

  test('leaves a server that stops before it has stopped: the node is never without a session', async () => {
    const [a, b] = (await start(2)) as [ClusterServer, ClusterServer];
    const nodes = Array.from({ length: 5 }, () => unique('n'));
    const agents = await Promise.all(
      nodes.map((name) => cluster.connect(name, [a.url, b.url], { prefer: a.url })),
    );
    await until('recorded', () => nodes.every((name) => serverOf(name) === a.name));
    const followed = nodes.map(follow);
    await a.stop();
    await until('elsewhere', () => nodes.every((name) => serverOf(name) === b.name));
    expect(agents.map(({ disconnects }) => disconnects)).toEqual(nodes.map(() => []));
    expect(followed.map(({ seen }) => new Set(seen))).toEqual(nodes.map(() => new Set([b.name])));
    for (const one of followed) one.close();
  });

  test('is the same node once, whatever server it asks', async () => {
    const [a, b] = (await start(2)) as [ClusterServer, ClusterServer];
    const n = unique('n');
    const first = await cluster.connect(n, [a.url]);
    await until('first', () => serverOf(n) === a.name);
    const second = await cluster.connect(n, [b.url], { prefer: b.url });
    await until('second', () => serverOf(n) === b.name);
    await until('replaced', () => first.disconnects[0]);
    expect(first.disconnects[0]).toMatch(/Another session/);
    expect(second.disconnects).toEqual([]);
  });
});

describe('a node whose agent does not answer', () => {
  const signs: SignOfLife[] = [];
  afterEach(() => {
    for (const one of signs.splice(0)) one.close();
  });

  /** A session that says nothing by itself, and a thread that says that the process lives. */
  async function slowNode(server: ClusterServer, others: readonly ClusterServer[] = []) {
    const n = unique('n');
    const tls = await cluster.identityOf(n);
    const socket = new WebSocket(`${server.url.replace('https', 'wss')}/session/v1`, { ...tls } as object);
    socket.once('open', () => socket.send(JSON.stringify({ type: 'register', node: { hostname: n } })));
    const signOfLife = startSignOfLife({ clock: systemClock, logger: silentLogger });
    signs.push(signOfLife);
    signOfLife.follow({ servers: [server, ...others].map(({ url }) => url), everyMs: 200, tls });
    await until('slow', () => cluster.sessionOf(n)?.slow === true);
    return { n, socket, signOfLife };
  }

  test('is slow, and keeps its session, while its second thread gives signs of life', async () => {
    const [a] = (await start(1)) as [ClusterServer];
    const { n, socket } = await slowNode(a);
    expect(cluster.sessionOf(n)).toMatchObject({ server: a.name, slow: true });
    expect(cluster.node(n)?.status?.hostname).toBe(n);
    const { id } = cluster.sessionOf(n) ?? {};
    socket.ping();
    await until('quick again', () => cluster.sessionOf(n)?.slow === undefined);
    expect(cluster.sessionOf(n)?.id).toBe(id);
  });

  test('is gone, with the time of its last sign of life, when these end too', async () => {
    const [a] = (await start(1)) as [ClusterServer];
    const { n, socket, signOfLife } = await slowNode(a);
    const closed = new Promise<number>((resolve) => socket.once('close', resolve));
    const beforeMs = Date.now();
    signOfLife.close();
    await until('cleared', () => serverOf(n) === '');
    const { lastSeen = '', since = '' } = cluster.sessionOf(n) ?? {};
    expect(Date.parse(lastSeen)).toBeGreaterThan(beforeMs - 1_000);
    expect(Date.parse(since) - Date.parse(lastSeen)).toBeGreaterThanOrEqual(600);
    expect(cluster.sessionOf(n)?.slow).toBeUndefined();
    expect([1006, 4005]).toContain(await closed);
  });

  test('is spoken for by another server when its own is killed meanwhile', async () => {
    const [a, b] = (await start(2)) as [ClusterServer, ClusterServer];
    const { n, signOfLife } = await slowNode(a, [b]);
    await a.kill();
    await until('taken over', () => serverOf(n) === b.name);
    expect(cluster.sessionOf(n)).toMatchObject({ server: b.name, slow: true });
    signOfLife.close();
    await until('cleared', () => serverOf(n) === '');
    expect(cluster.sessionOf(n)?.lastSeen).toBeDefined();
  });

  test('is the agent’s again when it comes back', async () => {
    const [a, b] = (await start(2)) as [ClusterServer, ClusterServer];
    const { n } = await slowNode(a, [b]);
    await a.kill();
    await until('taken over', () => serverOf(n) === b.name);
    const agent = await cluster.connect(n, [b.url]);
    await until('connected', () => agent.session.connected);
    await until('recorded', () => cluster.sessionOf(n)?.slow === undefined);
    expect(serverOf(n)).toBe(b.name);
  });
});

describe('the certificate of a worker', () => {
  test('is renewed by any server, for the same key, and its session goes on', async () => {
    const dir = await mkdtemp(join(tmpdir(), 'orc-renew-'));
    const [a, dead] = [await cluster.startServer(unique('s'), { nodeDays: 30 }), 'https://127.0.0.1:1'];
    const [n, key, token] = [unique('n'), await generateKey(), a.token()];
    const parsed = parseToken(token);
    if (parsed === undefined) throw new Error('no token');
    const joined = await joinCluster({ endpoint: a.url, token, parsed, nodeName: n, key });
    await mkdir(join(dir, 'pki'));
    const files = { 'ca.crt': joined.ca, 'node.crt': joined.certificate, 'node.key': key };
    for (const [name, text] of Object.entries(files)) await writeFile(join(dir, 'pki', name), text);

    const clock = new FakeClock(Date.now());
    let onRenewed = (): void => undefined;
    const renewed = new Promise<void>((resolve) => (onRenewed = resolve));
    const logger = Object.assign(Object.create(silentLogger) as typeof silentLogger, { info: onRenewed });
    const keeper = keepNodeTls({ dataDir: dir, nodeName: n, servers: () => [dead, a.url], clock, logger });
    const agent = await cluster.connect(n, [a.url], { tls: () => keeper.current });
    await until('connected', () => agent.session.connected);
    clock.advance(21 * 86_400_000);
    await renewed;
    const cert = await readFile(join(dir, 'pki', 'node.crt'), 'utf8');
    expect(cert).not.toBe(joined.certificate);
    await until('used', () => keeper.current.cert === cert);
    expect(agent.disconnects).toEqual([]);
    // The next dial is with the new one.
    a.gate.silence();
    await until('lost', () => agent.disconnects.length === 1);
    a.gate.restore();
    await until('again', () => agent.servers.length === 2);
    keeper.close();
    await rm(dir, { recursive: true, force: true });
  });
});
