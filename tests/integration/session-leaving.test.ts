/** Tasks that are to stop: their agents are told when no node sends them connections any more. */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import type { AssignmentSet, Endpoints, Network, Node, Obj, Service, Task } from '../../api-schemas/index.ts';
import { Client } from '../../client/index.ts';
import { task, unique, until } from '../harness/session.ts';
import { SessionCluster, type ClusterServer } from '../harness/session-cluster.ts';

interface Member {
  readonly name: string;
  /** Uids of which it was told that they have left. */
  readonly left: string[];
  readonly close: () => void;
  /** Tasks that are named in the Endpoints that it was given last. */
  named(): readonly string[];
  /** From now on the kernel takes what is given. */
  load(): void;
}

let cluster: SessionCluster;
let servers: readonly ClusterServer[];
let network: string;
let service: string;
beforeAll(async () => {
  cluster = await SessionCluster.open();
}, 30_000);
afterAll(() => cluster.close());
beforeEach(async () => {
  servers = await Promise.all([cluster.startServer(unique('s')), cluster.startServer(unique('s'))]);
  [network, service] = [unique('net'), unique('web')];
});
afterEach(() => cluster.clear());

const create = <T extends Obj>(object: T): Promise<T> => cluster.registry.registry.create(object);
const modify = async <T extends Task | Endpoints | Node>(
  kind: T['kind'],
  name: string,
  change: (old: T) => T,
): Promise<void> => {
  const namespace = kind === 'Node' ? '' : 'default';
  await cluster.registry.registry.modify<T>({ kind, namespace, name }, change);
};

/** A node with a session at one of the servers, whose kernel takes nothing before `load`. */
async function member(at: ClusterServer, isLoading = true): Promise<Member> {
  const name = unique('n');
  const left: string[] = [];
  let given: AssignmentSet | undefined;
  let open = (): void => undefined;
  let gate = isLoading ? Promise.resolve() : new Promise<void>((resolve) => (open = resolve));
  const agent = await cluster.connect(name, [at.url], {
    prefer: at.url,
    onAssignments: (set) => {
      given = set;
      return gate;
    },
    onLeft: (tasks) => void left.push(...tasks),
  });
  await until('recorded', () => cluster.sessionOf(name)?.server === at.name);
  return {
    ...{ name, left },
    close: () => agent.session.close(),
    named: () => (given?.endpoints ?? []).flatMap((one) => (one.endpoints ?? []).map((each) => each.task)),
    load: () => {
      open();
      gate = Promise.resolve();
    },
  };
}

/** A running task of each of the nodes, all of one service on one network that all are in. */
async function serving(...members: readonly Member[]): Promise<readonly Task[]> {
  await create<Network>({
    apiVersion: 'orc.dev/v1',
    kind: 'Network',
    metadata: { namespace: 'default', name: network },
    spec: {},
    status: {
      vni: 4097,
      subnet: '10.64.0.0/20',
      nodes: Object.fromEntries(
        members.map(({ name }, i) => [name, { gateway: `10.64.0.${String(i + 1)}` }]),
      ),
    },
  });
  await create<Service>({
    apiVersion: 'orc.dev/v1',
    kind: 'Service',
    metadata: { namespace: 'default', name: service },
    spec: { image: 'hello' },
  });
  const tasks: Task[] = [];
  for (const { name } of members) {
    const made = task(unique('t'), name);
    const spec = { ...made.spec, service, networks: [network] };
    tasks.push(await create<Task>({ ...made, spec, status: { state: 'Running' } }));
  }
  await create<Endpoints>({
    apiVersion: 'orc.dev/v1',
    kind: 'Endpoints',
    metadata: { namespace: 'default', name: service },
    networks: [{ network, virtualIP: '10.64.0.99' }],
    endpoints: tasks.map(({ metadata, spec }, i) => {
      const ip = `10.64.1.${String(i)}`;
      return { task: metadata.name, nodeName: spec.nodeName ?? '', ip, addresses: [{ network, ip }] };
    }),
  });
  for (const one of members) await until('named', () => one.named().length === members.length);
  return tasks;
}

const shutDown = ({ metadata }: Task): Promise<void> =>
  modify<Task>('Task', metadata.name, (old) => ({ ...old, spec: { ...old.spec, desiredState: 'Shutdown' } }));
const unname = ({ metadata }: Task): Promise<void> =>
  modify<Endpoints>('Endpoints', service, (old) => ({
    ...old,
    endpoints: (old.endpoints ?? []).filter((one) => one.task !== metadata.name),
  }));
const uidOf = ({ metadata }: Task): string => metadata.uid ?? '';
/** As long as everything that is under way may take. */
const quiet = async (): Promise<void> => {
  for (const { store } of servers) await store.cache.sync();
  await new Promise((resolve) => setTimeout(resolve, 150));
};

describe('a task that is to stop', () => {
  const at = (i: number): ClusterServer => servers[i] as ClusterServer;

  test('has left when its Endpoints are loaded without it, on its node and on those of other servers', async () => {
    const [own, near, far] = [await member(at(0)), await member(at(0)), await member(at(1))];
    const [first, second] = await serving(own, near, far);
    if (first === undefined || second === undefined) throw new Error('no tasks');
    await shutDown(first);
    await quiet();
    expect(own.left).toEqual([]);
    await unname(first);
    await until('left', () => own.left.length);
    expect(own.left).toEqual([uidOf(first)]);
    expect(far.named()).not.toContain(first.metadata.name);
    await cluster.registry.registry.remove({
      kind: 'Task',
      namespace: 'default',
      name: second.metadata.name,
    });
    expect(near.left).toEqual([]);
  });

  test.each([
    ['the same server', 0],
    ['another server', 1],
  ])('has not left while a node of %s has not loaded that', async (_, i) => {
    const [own, slow] = [await member(at(0)), await member(at(i), false)];
    const [first] = await serving(own, slow);
    if (first === undefined) throw new Error('no task');
    await shutDown(first);
    await unname(first);
    await until('told', () => !slow.named().includes(first.metadata.name));
    await quiet();
    expect(own.left).toEqual([]);
    slow.load();
    await until('left', () => own.left.length);
  });

  test('has not left while a node that knew it has no session, but when that is lost', async () => {
    const [own, away] = [await member(at(0)), await member(at(1))];
    const [first] = await serving(own, away);
    if (first === undefined) throw new Error('no task');
    away.close();
    await until('ended', () => cluster.sessionOf(away.name)?.server === '');
    await shutDown(first);
    await unname(first);
    await quiet();
    expect(own.left).toEqual([]);
    const lost = { type: 'Lost', status: 'True', reason: 'HeartbeatLost', message: '' } as const;
    const conditions = [{ ...lost, lastTransitionTime: new Date().toISOString() }];
    await modify<Node>('Node', away.name, (old) => ({ ...old, status: { ...old.status, conditions } }));
    await until('left', () => own.left.length);
  });

  test('that never served has left at once, whoever is slow', async () => {
    const [own, slow] = [await member(at(0)), await member(at(1), false)];
    await serving(own, slow);
    const made = task(unique('t'), own.name);
    const started = await create<Task>({
      ...made,
      spec: { ...made.spec, service, networks: [network] },
      status: { state: 'Starting' },
    });
    await shutDown(started);
    await until('left', () => own.left.length);
    expect(own.left).toEqual([uidOf(started)]);
  });

  test('that left before its agent came is told to it', async () => {
    const [own, near] = [await member(at(0)), await member(at(1))];
    const [first] = await serving(own, near);
    if (first === undefined) throw new Error('no task');
    own.close();
    await until('ended', () => cluster.sessionOf(own.name)?.server === '');
    await shutDown(first);
    await unname(first);
    const left: string[] = [];
    await cluster.connect(own.name, [at(1).url], {
      prefer: at(1).url,
      onAssignments: () => undefined,
      onLeft: (tasks) => void left.push(...tasks),
    });
    await until('left', () => left.length);
    expect(left).toEqual([uidOf(first)]);
  });
});

describe('what nodes have loaded', () => {
  test('is told to servers alone', async () => {
    const { admin } = cluster.pki;
    const ask = async (cert: string, key: string): Promise<number> => {
      const client = new Client({
        endpoints: [servers[0]?.url ?? ''],
        tls: { ca: cluster.pki.ca.cert, cert, key },
      });
      const answer = await client
        .raw('POST', '/session/v1/loaded', JSON.stringify({ revision: 1, nodes: [] }), {
          'content-type': 'application/json',
        })
        .then(
          () => 200,
          (error: { code?: number }) => error.code ?? 0,
        );
      client.close();
      return answer;
    };
    expect(await ask(admin.cert, admin.key)).toBe(403);
    const node = await cluster.identityOf(unique('n'));
    expect(await ask(node.cert, node.key)).toBe(403);
    const { server } = cluster.pki;
    expect(await ask(server.cert, server.key)).toBe(200);
  });
});
