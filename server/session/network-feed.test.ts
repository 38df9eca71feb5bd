import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { Assignments } from '../../agent/session/assignments.ts';
import type {
  AssignmentSet,
  Endpoints,
  Network,
  NetworkNode,
  Node,
  Obj,
  Task,
  ToAgent,
} from '../../api-schemas/index.ts';
import { FakeClock } from '../../kit/clock.ts';
import { silentLogger } from '../../kit/log.ts';
import { WatchCache } from '../../store/cache.ts';
import { Dispatcher } from './dispatcher.ts';
import { Feed, keyOf } from './feed.ts';
import type { NodeSession } from './node-session.ts';

type Frame = Extract<ToAgent, { type: 'assignments' }>;
const plurals: Readonly<Record<string, string>> = {
  Task: 'tasks',
  Node: 'nodes',
  Network: 'networks',
  Endpoints: 'endpoints',
};

/** A cache that is written to directly, with the sessions of some nodes. */
class World {
  readonly cache: WatchCache;
  readonly frames: Frame[] = [];
  readonly #sessions = new Map<string, { readonly feed: Feed; readonly agent: Assignments }>();
  readonly #dispatcher: Dispatcher;
  #revision = 10;

  constructor(...nodes: readonly string[]) {
    const clock = new FakeClock();
    this.cache = new WatchCache({ clock, logger: silentLogger, sync: () => Promise.resolve() });
    this.cache.reset([], this.#revision);
    const reports = { lastState: () => undefined, forget: () => undefined };
    for (const node of nodes) {
      this.#sessions.set(node, { feed: new Feed(node, this.cache), agent: new Assignments() });
      this.put({ ...aNode(node, `192.0.2.${node.slice(1)}`) });
    }
    this.#dispatcher = new Dispatcher(
      this.cache,
      clock,
      (node) => {
        const session = this.#sessions.get(node);
        // As much of a session as a dispatcher needs; frames are taken by `set`.
        return session === undefined
          ? undefined
          : ({
              feed: session.feed,
              reports,
              flushedAt: 0,
              flush: () => undefined,
              recordChanged: () => undefined,
              end: () => undefined,
            } as unknown as NodeSession);
      },
      () => undefined,
    );
  }

  #write(kind: string, key: string, object: Obj | undefined): void {
    const revision = ++this.#revision;
    const kv = {
      key: `/orc/registry/${plurals[kind] ?? ''}/${key}`,
      value: object === undefined ? Buffer.alloc(0) : Buffer.from(JSON.stringify(object)),
      createRevision: 11,
      modRevision: revision,
      version: 1,
    };
    this.cache.apply([{ kind: object === undefined ? 'delete' : 'put', kv }], revision);
  }

  put(...objects: readonly Obj[]): void {
    for (const object of objects) this.#write(object.kind, storedKey(object), object);
  }

  drop(object: Obj): void {
    this.#write(object.kind, storedKey(object), undefined);
  }

  /** What the node has after all that there is to send was sent; `frames` has what that was. */
  set(node: string): AssignmentSet {
    const session = this.#sessions.get(node);
    if (session === undefined) throw new Error(`no session of ${node}`);
    this.frames.length = 0;
    while (session.feed.dirty) {
      const text = session.feed.next();
      if (text === undefined) break;
      const frame = JSON.parse(text) as Frame;
      expect(session.agent.apply(frame)).toBe(true);
      this.frames.push(frame);
    }
    return session.agent.current ?? (undefined as never);
  }

  /** What a node would be sent that begins a session now. */
  fresh(node: string): AssignmentSet {
    const agent = new Assignments();
    agent.apply(JSON.parse(new Feed(node, this.cache).next() ?? '') as Frame);
    return agent.current ?? (undefined as never);
  }

  close(): void {
    this.#dispatcher.close();
  }
}

const storedKey = (object: Obj): string => (object.kind === 'Node' ? object.metadata.name : keyOf(object));
const namespace = 'd';
const aNode = (name: string, address: string): Node => ({
  apiVersion: 'orc.dev/v1',
  kind: 'Node',
  metadata: { name, uid: `uid-${name}` },
  spec: {},
  status: { addresses: [address] },
});
const aTask = (
  name: string,
  nodeName: string,
  networks: readonly string[],
  ...ips: readonly string[]
): Task => ({
  apiVersion: 'orc.dev/v1',
  kind: 'Task',
  metadata: { name, namespace, uid: `uid-${name}`, generation: 1 },
  spec: { service: 's', revision: 'r', nodeName, networks, desiredState: 'Running' },
  status: { state: 'Running', addresses: ips.map((ip, i) => ({ network: networks[i] ?? '', ip })) },
});
const aNetwork = (
  name: string,
  nodes: Readonly<Record<string, NetworkNode>>,
  more: Network['status'] = {},
): Network => ({
  apiVersion: 'orc.dev/v1',
  kind: 'Network',
  metadata: { name, namespace, uid: `uid-${name}` },
  spec: {},
  status: { vni: 5000, subnet: '10.0.0.0/20', virtualIPs: { s: '10.0.0.9' }, ...more, nodes },
});
const member = (n: number): NetworkNode => ({
  gateway: `10.0.0.${String(250 - n)}`,
  blocks: [`10.0.${String(n)}.0/27`],
});
const anEndpoints = (
  name: string,
  networks: readonly string[],
  endpoints: Endpoints['endpoints'] = [],
): Endpoints => ({
  apiVersion: 'orc.dev/v1',
  kind: 'Endpoints',
  metadata: { name, namespace, uid: `uid-${name}` },
  ports: [],
  networks: networks.map((network) => ({ network, virtualIP: `10.0.0.${String(network.length)}` })),
  endpoints,
});
const names = (objects: readonly Obj[]): string =>
  objects
    .map(({ metadata }) => metadata.name)
    .sort()
    .join();

describe('what a node is sent of networks', () => {
  test('has the keys of those with which it shares an encrypted one, as they are now, and of no others', () => {
    const world = new World('n1', 'n2', 'n3');
    const keyed = (name: string, ...epochs: readonly number[]): Node => {
      const node = aNode(name, `192.0.2.${name.slice(1)}`);
      const keys = epochs.map((epoch) => ({ epoch, publicKey: `${name}-${String(epoch)}` }));
      return { ...node, status: { ...node.status, encryption: { method: 'wireguard', keys } } };
    };
    const secret = (epoch: number): Network => ({
      ...aNetwork('a', { n1: member(1), n2: member(2) }, { epoch }),
      spec: { encrypted: true },
    });
    world.put(keyed('n1', 4), keyed('n2', 4), keyed('n3', 4));
    world.put(secret(4), aNetwork('clear', { n1: member(3), n3: member(4) }));
    const told = (): unknown =>
      world
        .set('n1')
        .peers.map(({ network, node, keys }) => [network, node, keys?.map((key) => key.publicKey)]);
    expect(told()).toEqual([
      ['d/a', 'n2', ['n2-4']],
      ['d/clear', 'n3', undefined],
    ]);
    expect(world.set('n1').networks.map(({ status }) => status?.epoch)).toEqual([4, undefined]);
    world.put(keyed('n2', 4, 5), secret(5));
    expect(told()).toEqual([
      ['d/a', 'n2', ['n2-4', 'n2-5']],
      ['d/clear', 'n3', undefined],
    ]);
    expect(world.set('n1').networks.map(({ status }) => status?.epoch)).toContain(5);
    world.close();
  });

  test('is the networks of its tasks, with its own part of them, and what other nodes have there', () => {
    const world = new World('n1', 'n2', 'n3');
    world.put(aNetwork('a', { n1: member(1), n2: member(2), n3: { gateway: '10.0.0.247' } }));
    world.put(
      aTask('t1', 'n1', ['a'], '10.0.1.0'),
      aTask('t2', 'n2', ['a'], '10.0.2.1'),
      aTask('t3', 'n2', ['a'], '10.0.2.0'),
    );
    const { networks, peers } = world.set('n1');
    expect(networks).toEqual([
      {
        ...aNetwork('a', {}),
        metadata: { name: 'a', namespace, uid: 'uid-a' },
        status: { vni: 5000, subnet: '10.0.0.0/20', nodes: { n1: member(1) } },
      },
    ]);
    expect(peers).toEqual([
      {
        network: 'd/a',
        node: 'n2',
        address: '192.0.2.2',
        gateway: '10.0.0.248',
        ips: ['10.0.2.0', '10.0.2.1'],
      },
      { network: 'd/a', node: 'n3', address: '192.0.2.3', gateway: '10.0.0.247', ips: [] },
    ]);
    // One that only answers published ports is told of the tasks.
    expect(world.set('n3').peers.map(({ node, ips }) => [node, ips.length])).toEqual([
      ['n1', 1],
      ['n2', 2],
    ]);
    world.close();
  });

  test('is nothing of a network that it is not in: no name, no address, no service', () => {
    const world = new World('n1', 'n2');
    world.put(aNetwork('a', { n1: member(1) }), aNetwork('secret', { n2: member(2) }));
    world.put(aTask('t1', 'n1', ['a'], '10.0.1.0'), aTask('t2', 'n2', ['secret'], '10.0.2.0'));
    world.put(
      anEndpoints(
        'vault',
        ['secret'],
        [{ task: 't2', nodeName: 'n2', ip: '10.0.2.0', addresses: [{ network: 'secret', ip: '10.0.2.0' }] }],
      ),
    );
    const sent = JSON.stringify(world.set('n1'));
    for (const word of ['secret', 'vault', '10.0.2.', '192.0.2.2', 'n2']) expect(sent).not.toContain(word);
    expect(names(world.set('n2').endpoints)).toBe('vault');
    world.close();
  });

  test('is of a service on two networks only what is on the one that it is in', () => {
    const world = new World('n1', 'n2');
    world.put(aNetwork('front', { n1: member(1), n2: member(2) }), aNetwork('back', { n2: member(3) }));
    world.put(aTask('t1', 'n1', ['front'], '10.0.1.0'));
    const addresses = [
      { network: 'back', ip: '10.0.3.5' },
      { network: 'front', ip: '10.0.2.5' },
    ];
    world.put(
      anEndpoints('api', ['back', 'front'], [{ task: 't2', nodeName: 'n2', ip: '10.0.3.5', addresses }]),
    );
    const [api] = world.set('n1').endpoints;
    expect(api?.networks).toEqual([{ network: 'front', virtualIP: '10.0.0.5' }]);
    expect(api?.endpoints).toEqual([
      { task: 't2', nodeName: 'n2', ip: '10.0.2.5', addresses: [{ network: 'front', ip: '10.0.2.5' }] },
    ]);
    expect(world.set('n2').endpoints[0]?.endpoints?.[0]?.addresses).toEqual(addresses);
    world.close();
  });

  test('has no address that the other node was not given', () => {
    const world = new World('n1', 'n2');
    world.put(aNetwork('a', { n1: member(1), n2: member(2) }));
    world.put(aTask('t2', 'n2', ['a'], '10.0.1.0'), aTask('t3', 'n2', ['a'], '10.0.2.3'));
    expect(world.set('n1').peers[0]?.ips).toEqual(['10.0.2.3']);
    world.close();
  });

  test('is, of a change on another node, that node’s entry and nothing else; of its own, nothing', () => {
    const world = new World('n1', 'n2', 'n3');
    world.put(aNetwork('a', { n1: member(1), n2: member(2), n3: member(3) }));
    const mine = aTask('t1', 'n1', ['a'], '10.0.1.0');
    world.put(mine, aTask('t2', 'n2', ['a'], '10.0.2.0'), aTask('t3', 'n3', ['a'], '10.0.3.0'));
    world.set('n1');
    world.put(aTask('t4', 'n2', ['a'], '10.0.2.1'));
    world.set('n1');
    const [frame, ...more] = world.frames;
    expect(more).toEqual([]);
    expect(frame?.set).toEqual({
      ...{ tasks: [], revisions: [], endpoints: [], networks: [] },
      peers: [expect.objectContaining({ node: 'n2', ips: ['10.0.2.0', '10.0.2.1'] })],
    });
    world.put(
      aNetwork(
        'a',
        { n1: member(1), n2: { ...member(2), closing: ['10.0.9.0/27'] }, n3: member(3) },
        { virtualIPs: {} },
      ),
    );
    world.set('n1');
    expect(world.frames).toEqual([]);
    world.close();
  });

  test('says why it has got nothing yet, and comes whole when it has', () => {
    const world = new World('n1', 'n2');
    const conditions = [
      {
        type: 'Ready',
        status: 'False' as const,
        reason: 'NoFreeBlock',
        message: 'node n1 gets no more addresses',
        lastTransitionTime: '2030-01-01T00:00:00Z',
      },
    ];
    world.put(aTask('t1', 'n1', ['a']), anEndpoints('s', ['a']));
    expect(world.set('n1')).toMatchObject({ networks: [], endpoints: [] });
    world.put(aNetwork('a', { n2: member(2) }, { conditions }));
    expect(world.set('n1')).toMatchObject({
      networks: [{ status: { conditions } }],
      peers: [],
      endpoints: [],
    });
    world.put(aNetwork('a', { n1: member(1), n2: member(2) }));
    expect(world.set('n1')).toMatchObject({
      networks: [{ status: { nodes: { n1: member(1) } } }],
      peers: [{ node: 'n2' }],
      endpoints: [{ metadata: { name: 's' } }],
    });
    world.close();
  });

  test('moves with the address of a node, and goes with it', () => {
    const world = new World('n1', 'n2');
    world.put(aNetwork('a', { n1: member(1), n2: member(2) }));
    world.set('n1');
    world.put(aNode('n2', '192.0.2.99'));
    expect(world.set('n1').peers[0]?.address).toBe('192.0.2.99');
    world.put(aNetwork('a', { n1: member(1) }));
    expect(world.set('n1').peers).toEqual([]);
    world.close();
  });
});

const nodeNames = ['n1', 'n2', 'n3'];
const networkNames = ['a', 'bb'];
type Happening = (world: World) => void;
const aNodeName = fc.constantFrom(...nodeNames);
const someNodes = fc.subarray(nodeNames);
const someNetworks = fc.subarray(networkNames);
const happening: fc.Arbitrary<Happening> = fc.oneof(
  fc
    .tuple(fc.constantFrom(...networkNames), someNodes, fc.nat(1), fc.nat(2))
    .map(([name, nodes, kind, vni]) => (world: World) => {
      const of = (node: string): NetworkNode =>
        kind === 0 ? member(Number(node.slice(1))) : { gateway: `10.0.0.${node.slice(1)}` };
      world.put(
        aNetwork(name, Object.fromEntries(nodes.map((node) => [node, of(node)])), { vni: 5000 + vni }),
      );
    }),
  fc.constantFrom(...networkNames).map((name) => (world: World) => {
    const network = world.cache.get('Network', namespace, name);
    if (network !== undefined) world.drop(network);
  }),
  fc.tuple(fc.nat(5), aNodeName, someNetworks, fc.nat(3)).map(([n, node, networks, ip]) => (world: World) => {
    const ips = networks.map(() => `10.0.${node.slice(1)}.${String(n * 4 + ip)}`);
    const made = aTask(`t${String(n)}-${node}`, node, networks, ...(ip === 0 ? [] : ips));
    world.put({ ...made, metadata: { ...made.metadata, uid: `${networks.join()}-${String(n)}` } });
  }),
  fc.tuple(fc.nat(5), aNodeName).map(([n, node]) => (world: World) => {
    const task = world.cache.get('Task', namespace, `t${String(n)}-${node}`);
    if (task !== undefined) world.drop(task);
  }),
  fc.tuple(fc.nat(2), someNetworks, someNodes).map(([n, networks, nodes]) => (world: World) => {
    const endpoints = nodes.map((nodeName) => {
      const addresses = networks.map((network) => ({ network, ip: `10.0.${nodeName.slice(1)}.1` }));
      return { task: `t-${nodeName}`, nodeName, ip: '10.9.9.9', ...(n === 0 ? {} : { addresses }) };
    });
    const ports = n === 1 ? [{ target: 80, published: 80 }] : [];
    const made: Endpoints = { ...anEndpoints(`s${String(n)}`, networks, endpoints), ports };
    world.put(made);
  }),
  fc.tuple(aNodeName, fc.nat(3)).map(
    ([node, n]) =>
      (world: World) =>
        world.put(aNode(node, `192.0.2.${String(n)}`)),
  ),
  aNodeName.map((node) => (world: World) => void world.set(node)),
);

const sorted = (set: AssignmentSet): unknown => {
  const text = (items: readonly unknown[]): readonly string[] =>
    items.map((item) => JSON.stringify(item)).sort();
  // Objects are sent again only when they differ for the node: their versions may be older.
  const bare = (objects: readonly Obj[]): readonly Obj[] =>
    objects.map((object) => ({ ...object, metadata: { name: object.metadata.name } }));
  return {
    tasks: names(set.tasks),
    endpoints: text(bare(set.endpoints)),
    networks: text(set.networks),
    peers: text(set.peers),
  };
};

test('what was sent piece by piece is what would be sent at once, whatever happened', () => {
  fc.assert(
    fc.property(fc.array(happening, { minLength: 5, maxLength: 60 }), (story) => {
      const world = new World(...nodeNames);
      for (const happen of story) happen(world);
      for (const node of nodeNames) expect(sorted(world.set(node))).toEqual(sorted(world.fresh(node)));
      world.close();
    }),
    { numRuns: 500 },
  );
});
