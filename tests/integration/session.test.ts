import { describe, expect, test } from '@jest/globals';
import { WebSocket } from 'ws';
import { sessionClose, type Endpoints, type Task, type ToAgent } from '../../api-schemas/index.ts';
import {
  heartbeatMs,
  names,
  report,
  revision,
  SessionBench,
  task,
  unique,
  until,
} from '../harness/session.ts';

const bench = new SessionBench();
const startAgent = bench.startAgent.bind(bench);
const create = bench.create.bind(bench);
const current = bench.task.bind(bench);
const node = bench.node.bind(bench);

describe('a node session', () => {
  test('registers the node, with its labels when it is new', async () => {
    const name = unique('n');
    const agent = await startAgent(name, { labels: { zone: 'eu' } });
    const registered = await until('node', () => node(name));
    expect(registered.metadata.labels).toEqual({ zone: 'eu' });
    expect(registered.status).toMatchObject({ hostname: name, session: { server: 's1' } });
    await until('connected', () => agent.session.connected);
    expect(bench.server.gateway.connected()).toEqual([name]);
  });

  test('gets all it needs once, then only what changes, at once', async () => {
    const [name, other, rev, a, b, foreign] = [
      unique('n'),
      unique('n'),
      unique('web'),
      unique('t'),
      unique('t'),
      unique('t'),
    ];
    await bench.store.registry.create(revision(rev));
    await create(task(a, name, { revision: rev }));
    await create(task(foreign, other, { revision: rev }));
    const agent = await startAgent(name);
    await until('full set', () => agent.connects);
    expect(names(agent.set())).toEqual([a]);
    expect(agent.set()?.revisions.map(({ metadata }) => metadata.name)).toEqual([rev]);
    expect(agent.set()?.revisions[0]?.spec.template.image).toBe('hello');

    await create(task(b, name, { revision: rev }));
    await until('delta', () => names(agent.set()).includes(b));
    await bench.store.registry.modify<Task>({ kind: 'Task', namespace: 'default', name: a }, (old) => ({
      ...old,
      spec: { ...old.spec, desiredState: 'Shutdown' },
    }));
    await until(
      'change',
      () => agent.set()?.tasks.find((t) => t.metadata.name === a)?.spec.desiredState === 'Shutdown',
    );
    await Promise.all(
      [a, b].map((gone) => bench.store.registry.remove({ kind: 'Task', namespace: 'default', name: gone })),
    );
    await until('removals', () => agent.set()?.tasks.length === 0);
    expect(agent.set()?.revisions).toEqual([]);
  });

  test('gets the published ports of services that run on it, with its own endpoints', async () => {
    const [name, service] = [unique('n'), unique('web')];
    const agent = await startAgent(name);
    await until('connected', () => agent.session.connected);
    const endpoints = (nodes: string[]): Endpoints => ({
      apiVersion: 'orc.dev/v1',
      kind: 'Endpoints',
      metadata: { namespace: 'default', name: service },
      ports: [
        { target: 80, published: 8080, mode: 'ingress' },
        { target: 81, published: 8081, mode: 'host' },
      ],
      endpoints: nodes.map((nodeName, i) => ({ task: `t${String(i)}`, nodeName, ip: `10.0.0.${String(i)}` })),
    });
    await bench.store.registry.create(endpoints(['elsewhere', name]));
    await until('endpoints', () => agent.set()?.endpoints.length === 1);
    expect(agent.set()?.endpoints[0]?.ports).toEqual([{ target: 80, published: 8080, mode: 'ingress' }]);
    expect(agent.set()?.endpoints[0]?.endpoints).toEqual([{ task: 't1', nodeName: name, ip: '10.0.0.1' }]);
    await bench.store.registry.modify<Endpoints>(
      { kind: 'Endpoints', namespace: 'default', name: service },
      (old) => ({ ...old, endpoints: endpoints(['elsewhere']).endpoints ?? [] }),
    );
    await until('none', () => agent.set()?.endpoints.length === 0);
  });

  test('moves the status of its tasks forward only, and does not hear its own reports', async () => {
    const [name, t] = [unique('n'), unique('t')];
    const made = await create(task(t, name));
    const agent = await startAgent(name);
    await until('connected', () => agent.session.connected);
    agent.session.report(report(made, 'Running', { status: { state: 'Running', containerID: 'c1' } }));
    const running = await until('running', () =>
      current(t)?.status?.state === 'Running' ? current(t) : undefined,
    );
    expect(running.status?.conditions?.[0]?.type).toBe('Scheduled');
    agent.session.report(report(made, 'Preparing'));
    agent.session.event({
      namespace: 'default',
      name: t,
      uid: made.metadata.uid ?? '',
      type: 'Normal',
      reason: 'Late',
      message: '',
    });
    await until('event', () => bench.server.events.includes(`Task/${t} Late`));
    agent.session.report(report(made, 'Failed', { status: { state: 'Failed', exitCode: 3 } }));
    await until('failed', () => current(t)?.status?.state === 'Failed');
    expect(current(t)?.status).toMatchObject({ containerID: 'c1', exitCode: 3 });
    agent.session.report(report(made, 'Complete'));
    agent.session.report(
      report(made, 'Failed', { status: { state: 'Failed', exitCode: 3, message: 'seen' } }),
    );
    await until('detail', () => current(t)?.status?.message === 'seen');
    expect(agent.sets).toHaveLength(1);
  });

  test('writes nothing for a heartbeat or a report that changes nothing', async () => {
    const [name, t] = [unique('n'), unique('t')];
    const made = await create(task(t, name));
    let hostname = name;
    const agent = await startAgent(name, { describe: () => ({ hostname }) });
    agent.session.report(report(made, 'Running'));
    await until('running', () => current(t)?.status?.state === 'Running');
    await until('registered', () => node(name)?.status?.session?.server === 's1');
    const versions = (): unknown[] =>
      [current(t), node(name)].map((object) => object?.metadata.resourceVersion);
    const before = versions();
    agent.session.report(report(made, 'Running'));
    await new Promise((resolve) => setTimeout(resolve, 3 * heartbeatMs));
    expect(versions()).toEqual(before);
    hostname = 'renamed';
    await until('described', () => node(name)?.status?.hostname === 'renamed');
  });

  test('cannot touch tasks of other nodes, or earlier ones of the same name', async () => {
    const [name, t, mine] = [unique('n'), unique('t'), unique('t')];
    const foreign = await create(task(t, 'elsewhere'));
    const own = await create(task(mine, name));
    const agent = await startAgent(name);
    await until('connected', () => agent.session.connected);
    agent.session.report(report(foreign, 'Failed'));
    agent.session.report({ ...report(own, 'Failed'), uid: 'another' });
    agent.session.report(report(own, 'Running'));
    await until('own', () => current(mine)?.status?.state === 'Running');
    expect(current(t)?.status?.state).toBe('Assigned');
  });

  test('lets a deleted task go when its container is gone', async () => {
    const [name, t] = [unique('n'), unique('t')];
    const made = await create(task(t, name, { finalizers: ['orc.dev/container'] }));
    const agent = await startAgent(name);
    await until('connected', () => agent.session.connected);
    await bench.store.registry.remove({ kind: 'Task', namespace: 'default', name: t });
    await until('deletion', () => agent.set()?.tasks[0]?.metadata.deletionTimestamp);
    agent.session.report(report(made, 'Shutdown', { gone: true }));
    await until('gone', () => current(t) === undefined);
    await until('unassigned', () => agent.set()?.tasks.length === 0);
  });

  test('replaces an older session of the same node', async () => {
    const name = unique('n');
    const first = await startAgent(name);
    await until('first', () => first.session.connected);
    const id = await until('id', () => node(name)?.status?.session?.id);
    const second = await startAgent(name);
    await until('second', () => second.session.connected);
    await until('replaced', () => first.disconnects[0]);
    expect(first.disconnects[0]).toMatch(/Another session/);
    await until('new id', () => node(name)?.status?.session?.id !== id);
    expect(node(name)?.status?.session?.server).toBe('s1');
  });

  test('is cleared from the node when it ends', async () => {
    const name = unique('n');
    const agent = await startAgent(name);
    await until('registered', () => node(name)?.status?.session?.server === 's1');
    agent.session.close();
    await until('cleared', () => node(name)?.status?.session?.server === '');
    await until('event', () => bench.server.events.includes(`Node/${name} SessionClosed`));
  });

  test('is ended when the agent falls silent, and refused to who is no node', async () => {
    const name = unique('n');
    const { ca, key, cert } = await bench.identityOf(name);
    const socket = new WebSocket(`${bench.server.url.replace('https', 'wss')}/session/v1`, {
      ca,
      key,
      cert,
    } as object);
    socket.once('open', () => socket.send(JSON.stringify({ type: 'register', node: {} })));
    const code = await new Promise((resolve) => socket.once('close', resolve));
    expect(code).toBe(sessionClose.heartbeatLost);
    await until('event', () => bench.server.events.includes(`Node/${name} HeartbeatLost`));
    const admin = new WebSocket(`${bench.server.url.replace('https', 'wss')}/session/v1`, {
      ca,
      key: bench.pki.admin.key,
      cert: bench.pki.admin.cert,
    } as object);
    await expect(new Promise((_, reject) => admin.once('error', reject))).rejects.toThrow(/403/);
  });

  test('is ended by a frame that makes no sense', async () => {
    const { ca, key, cert } = await bench.identityOf(unique('n'));
    for (const frame of ['{', '[]', '{"type":"report","tasks":[]}', '{"type":"register"}']) {
      const socket = new WebSocket(`${bench.server.url.replace('https', 'wss')}/session/v1`, {
        ca,
        key,
        cert,
      } as object);
      socket.once('open', () => socket.send(frame));
      expect(await new Promise((resolve) => socket.once('close', resolve))).toBe(4003);
    }
  });

  test('goes on after the server was killed: nothing is lost', async () => {
    const [name, t, later] = [unique('n'), unique('t'), unique('t')];
    const made = await create(task(t, name));
    const agent = await startAgent(name);
    await until('connected', () => agent.connects === 1);
    await bench.server.kill();
    await until('noticed', () => !agent.session.connected);
    agent.session.report(report(made, 'Running'));
    await create(task(later, name));
    await bench.server.start();
    await until('again', () => agent.connects === 2);
    expect(names(agent.set())).toEqual([t, later].sort());
    await until('reported', () => current(t)?.status?.state === 'Running');
  });

  test('starts again from a full set when a frame is missing', async () => {
    const [name, t] = [unique('n'), unique('t')];
    const agent = await startAgent(name);
    await until('connected', () => agent.connects === 1);
    const { prototype } = WebSocket as unknown as {
      prototype: { send(data: string, ...rest: unknown[]): void };
    };
    const { send } = prototype;
    prototype.send = function (data, ...rest) {
      const frame = (typeof data === 'string' ? JSON.parse(data) : {}) as Partial<ToAgent> & { seq?: number };
      const skipped =
        frame.type === 'assignments' && !('full' in frame && frame.full) ? { ...frame, seq: 99 } : undefined;
      return send.call(this, skipped === undefined ? data : JSON.stringify(skipped), ...rest);
    };
    try {
      await create(task(t, name));
      await until('again', () => agent.connects === 2);
    } finally {
      prototype.send = send;
    }
    expect(names(agent.set())).toEqual([t]);
    expect(agent.disconnects).toEqual(['A frame is missing']);
  });

  test('registers again when its Node object is deleted', async () => {
    const name = unique('n');
    const agent = await startAgent(name);
    const { uid } = (await until('node', () => node(name))).metadata;
    await bench.store.registry.remove({ kind: 'Node', namespace: '', name });
    const again = await until('again', () => (node(name)?.metadata.uid === uid ? undefined : node(name)));
    expect(again.status?.session?.server).toBe('s1');
    await until('connected', () => agent.connects === 2);
  });

  test('carries many nodes and tasks in little time', async () => {
    const nodes = Array.from({ length: 50 }, () => unique('n'));
    const agents = await Promise.all(nodes.map((name) => startAgent(name)));
    await until('all connected', () => agents.every(({ session }) => session.connected));
    const made = await Promise.all(
      nodes.flatMap((name) => Array.from({ length: 20 }, () => create(task(unique('t'), name)))),
    );
    await until('all assigned', () => agents.every((agent) => agent.set()?.tasks.length === 20));
    agents.forEach(({ session }, i) =>
      made
        .filter(({ spec }) => spec.nodeName === nodes[i])
        .forEach((each) => session.report(report(each, 'Running'))),
    );
    await until('all running', () =>
      made.every(({ metadata }) => current(metadata.name)?.status?.state === 'Running'),
    );
    expect(agents.flatMap(({ disconnects }) => disconnects)).toEqual([]);
  });
});
