/**
 * Networks, services, tasks and nodes that come and go at random, and nodes that learn late, but in order, what they
 * may use: the laws of the plan, and that no address is ever had twice.
 */
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import {
  overlaps,
  parseSubnet,
  subnet6Of,
  type Network,
  type Node,
  type Service,
  type Task,
} from '../../api-schemas/index.ts';
import { isFinished } from '../runtime/tasks.ts';
import { nodeMap, testNow } from '../runtime/testing.ts';
import { layoutOf } from './layout.ts';
import { blocksOf } from './members.ts';
import { isOnNode, plan, type Plan } from './plan.ts';
import { aNetwork, aNodeWith, aTaskOn, onNetworks, testPool6 } from './testing.ts';

interface Objects {
  readonly networks: ReadonlyMap<string, Network>;
  readonly services: ReadonlyMap<string, Service>;
  readonly tasks: ReadonlyMap<string, Task>;
  readonly nodes: ReadonlyMap<string, Node>;
}

const put = <T>(map: ReadonlyMap<string, T>, name: string, value: T | undefined): ReadonlyMap<string, T> => {
  const next = new Map(map);
  if (value === undefined) next.delete(name);
  else next.set(name, value);
  return next;
};

/** Small ranges, so that blocks and virtual IPs run out. */
const pools = [{ cidr: '10.0.0.0/22', size: 24 }];
const networkNames = ['a', 'b', 'c'];
const nodeNames = ['n1', 'n2', 'n3'];

class World {
  now: Objects = { networks: new Map(), services: new Map(), tasks: new Map(), nodes: new Map() };
  /** What each node has been told. */
  readonly told = new Map<string, Objects>();
  /** By node and task: the addresses that its containers have, by network. */
  readonly containers = new Map<string, Map<string, Record<string, string>>>();
  /** Passes run one at a time. */
  #looked: ReturnType<World['observed']>;
  #count = 0;

  observed(name: string) {
    const network = this.now.networks.get(name);
    if (network === undefined) return undefined;
    const isOn = ({ spec }: Service): boolean => spec.networks?.some((one) => one.name === name) === true;
    return {
      network,
      others: [...this.now.networks.values()].filter((other) => other !== network),
      ...{ pools, pool6: testPool6 },
      nodes: nodeMap(...this.now.nodes.values()),
      services: [...this.now.services.values()].filter(isOn),
      tasks: [...this.now.tasks.values()].filter(({ spec }) => spec.networks?.includes(name) === true),
    };
  }

  /** A pass looks at one moment and writes at a later one; what happens in between it does not know. */
  look(name: string): void {
    this.#looked = this.observed(name);
  }

  /** Whether the pass changed anything. Refused when the network is not as it was: as the store does. */
  write(): boolean {
    const observed = this.#looked;
    const name = observed?.network.metadata.name ?? '';
    this.#looked = undefined;
    if (observed === undefined || observed.network !== this.now.networks.get(name)) return false;
    const decided: Plan = plan(observed);
    expect(plan(observed)).toEqual(decided);
    const { network } = observed;
    const next = decided.isOver ? undefined : { ...network, status: decided.status };
    const isSame = JSON.stringify(next) === JSON.stringify(network);
    this.now = { ...this.now, networks: put(this.now.networks, name, next) };
    return !isSame;
  }

  pass(name: string): boolean {
    this.look(name);
    return this.write();
  }

  addNetwork(name: string): void {
    if (this.now.networks.has(name)) return;
    const made = aNetwork(name, { ...(name === 'c' ? { subnet: '10.0.1.0/25' } : {}), ipv6: name !== 'a' });
    const metadata = { ...made.metadata, uid: `uid-${name}-${String(++this.#count)}` };
    this.now = { ...this.now, networks: put(this.now.networks, name, { ...made, metadata }) };
  }

  deleteNetwork(name: string): void {
    const network = this.now.networks.get(name);
    if (network === undefined) return;
    const metadata = { ...network.metadata, deletionTimestamp: testNow };
    this.now = { ...this.now, networks: put(this.now.networks, name, { ...network, metadata }) };
  }

  setService(name: string, service: Service | undefined): void {
    this.now = { ...this.now, services: put(this.now.services, name, service) };
  }

  setTask(name: string, task: Task | undefined): void {
    this.now = { ...this.now, tasks: put(this.now.tasks, name, task) };
  }

  addTasks(node: string, networks: readonly string[], count: number): void {
    if (!this.now.nodes.has(node)) return;
    for (let i = 0; i < count; i++) {
      const name = `t${String(++this.#count)}`;
      const task = aTaskOn(onNetworks('s', networks), name, node);
      this.setTask(name, { ...task, status: { state: 'Assigned' } });
    }
  }

  removeTasks(from: number, count: number): void {
    for (const [name, task] of [...this.now.tasks].slice(from, from + count))
      this.setTask(name, { ...task, metadata: { ...task.metadata, deletionTimestamp: testNow } });
  }

  setNode(name: string, isThere: boolean): void {
    this.now = { ...this.now, nodes: put(this.now.nodes, name, isThere ? aNodeWith(name) : undefined) };
    if (isThere) return;
    this.told.delete(name);
    this.containers.delete(name);
    for (const [task, { spec }] of this.now.tasks) if (spec.nodeName === name) this.setTask(task, undefined);
  }

  tell(node: string): void {
    if (this.now.nodes.has(node)) this.told.set(node, this.now);
  }

  /** What the node's agent does by what it was told: removes what is to go, and gives addresses to what has none. */
  act(node: string, most: number): boolean {
    const seen = this.told.get(node);
    if (seen === undefined) return false;
    const containers = this.containers.get(node) ?? new Map<string, Record<string, string>>();
    this.containers.set(node, containers);
    let done = 0;
    for (const [name, task] of seen.tasks) {
      if (task.spec.nodeName !== node || done >= most) continue;
      const current = this.now.tasks.get(name);
      if (current === undefined) containers.delete(name);
      else if (task.metadata.deletionTimestamp !== undefined) {
        containers.delete(name);
        this.setTask(name, undefined);
        done++;
      } else if (!containers.has(name) && this.#start(task, seen, containers)) done++;
    }
    return done > 0;
  }

  #start(task: Task, seen: Objects, containers: Map<string, Record<string, string>>): boolean {
    const ips: Record<string, string> = {};
    for (const network of task.spec.networks ?? []) {
      const taken = new Set([...containers.values()].map((known) => known[network]));
      const own = seen.networks.get(network)?.status?.nodes?.[task.spec.nodeName ?? ''];
      const free = (own?.blocks ?? []).flatMap(addressesOf).find((ip) => !taken.has(ip));
      if (free === undefined) return false;
      ips[network] = free;
    }
    containers.set(task.metadata.name, ips);
    return true;
  }

  /** The node says the addresses of its containers, some time after it gave them. */
  report(node: string): boolean {
    let isNew = false;
    for (const [name, ips] of this.containers.get(node) ?? []) {
      const current = this.now.tasks.get(name);
      if (current === undefined || (current.status?.addresses ?? []).length > 0 || isFinished(current))
        continue;
      const addresses = Object.entries(ips).map(([network, ip]) => ({ network, ip }));
      this.setTask(name, { ...current, status: { state: 'Running', addresses } });
      isNew = true;
    }
    return isNew;
  }

  check(): void {
    const networks = [...this.now.networks.values()];
    const vnis = networks.flatMap(({ status }) => (status?.vni === undefined ? [] : [status.vni]));
    expect(new Set(vnis).size).toBe(vnis.length);
    const ranges = networks.flatMap(({ status }) =>
      status?.subnet === undefined ? [] : [parseSubnet(status.subnet)],
    );
    ranges.forEach((range, i) => {
      for (const other of ranges.slice(i + 1)) expect(overlaps(range, other)).toBe(false);
    });
    const prefixes = networks.flatMap(({ status }) => status?.subnet6 ?? []);
    expect(new Set(prefixes).size).toBe(prefixes.length);
    for (const { spec, status } of networks) {
      expect(status?.subnet6).toBe(
        spec.ipv6 === true && status?.vni !== undefined ? subnet6Of(testPool6, status.vni) : undefined,
      );
      const nodes = Object.values(status?.nodes ?? {});
      const single = [...Object.values(status?.virtualIPs ?? {}), ...nodes.map(({ gateway }) => gateway)];
      expect(new Set(single).size).toBe(single.length);
      const blocks = nodes.flatMap(blocksOf);
      expect(new Set(blocks).size).toBe(blocks.length);
      if (status?.subnet === undefined) continue;
      expect(blocks.length).toBeLessThanOrEqual(layoutOf(status.subnet).blocks);
    }
    for (const name of networkNames) {
      const ips = [...this.containers.values()].flatMap((containers) =>
        [...containers.values()].flatMap((known) => known[name] ?? []),
      );
      expect(new Set(ips).size).toBe(ips.length);
    }
  }

  /** All do what is theirs until nothing changes any more. */
  settle(): void {
    for (let round = 0; round < 200; round++) {
      let isBusy = false;
      for (const name of networkNames) isBusy = this.pass(name) || isBusy;
      for (const node of nodeNames) {
        this.tell(node);
        isBusy = this.act(node, 1000) || isBusy;
        isBusy = this.report(node) || isBusy;
      }
      this.check();
      if (!isBusy) return;
    }
    throw new Error('it never settles');
  }
}

function addressesOf(block: string): readonly string[] {
  const [prefix = '', last = ''] = [
    block.slice(0, block.lastIndexOf('.')),
    block.slice(block.lastIndexOf('.') + 1),
  ];
  const first = Number(last.split('/')[0]);
  return Array.from({ length: 32 }, (_, i) => `${prefix}.${String(first + i)}`);
}

type Happening = (world: World) => void;

const aName = fc.constantFrom(...networkNames);
const aNodeName = fc.constantFrom(...nodeNames);
const some = fc.uniqueArray(aName, { minLength: 1, maxLength: 2 });

const happening: fc.Arbitrary<Happening> = fc.oneof(
  { weight: 2, arbitrary: aName.map((name) => (world: World) => world.addNetwork(name)) },
  { weight: 1, arbitrary: aName.map((name) => (world: World) => world.deleteNetwork(name)) },
  { weight: 4, arbitrary: aName.map((name) => (world: World) => void world.pass(name)) },
  { weight: 4, arbitrary: aName.map((name) => (world: World) => world.look(name)) },
  { weight: 5, arbitrary: fc.constant((world: World) => void world.write()) },
  {
    weight: 2,
    arbitrary: fc.tuple(fc.nat(40), some, fc.boolean(), fc.boolean()).map(
      ([n, networks, isPublished, isDnsrr]) =>
        (world: World) =>
          world.setService(
            `s${String(n)}`,
            onNetworks(`s${String(n)}`, networks, {
              ...(isPublished && n % 4 === 0 ? { ports: [{ target: 80 }] } : {}),
              ...(isDnsrr ? { endpointMode: 'dnsrr' as const } : {}),
            }),
          ),
    ),
  },
  {
    weight: 1,
    arbitrary: fc.nat(40).map((n) => (world: World) => world.setService(`s${String(n)}`, undefined)),
  },
  {
    weight: 4,
    arbitrary: fc.tuple(aNodeName, some, fc.integer({ min: 1, max: 40 })).map(
      ([node, networks, count]) =>
        (world: World) =>
          world.addTasks(node, networks, count),
    ),
  },
  {
    weight: 3,
    arbitrary: fc.tuple(fc.nat(60), fc.integer({ min: 1, max: 80 })).map(
      ([from, count]) =>
        (world: World) =>
          world.removeTasks(from, count),
    ),
  },
  { weight: 2, arbitrary: aNodeName.map((node) => (world: World) => world.setNode(node, true)) },
  { weight: 1, arbitrary: aNodeName.map((node) => (world: World) => world.setNode(node, false)) },
  { weight: 5, arbitrary: aNodeName.map((node) => (world: World) => world.tell(node)) },
  {
    weight: 5,
    arbitrary: fc.tuple(aNodeName, fc.integer({ min: 1, max: 50 })).map(
      ([node, most]) =>
        (world: World) =>
          void world.act(node, most),
    ),
  },
  { weight: 4, arbitrary: aNodeName.map((node) => (world: World) => void world.report(node)) },
);

/** Each has what it needs, or its network says that it cannot. */
function checkServed(world: World): void {
  for (const name of networkNames) {
    const observed = world.observed(name);
    if (observed === undefined) continue;
    const { network, services, tasks } = observed;
    if (network.metadata.deletionTimestamp !== undefined) {
      expect(tasks.filter(isOnNode).length).toBeGreaterThan(0);
      continue;
    }
    const { conditions } = plan(observed);
    const isWell = conditions.every(({ status }) => status === 'True');
    if (!isWell) continue;
    const isEntry = services.some(
      ({ spec }) => spec.networks?.[0]?.name === name && (spec.ports ?? []).length > 0,
    );
    const needing = isEntry
      ? [...world.now.nodes.keys()]
      : [...new Set(tasks.filter(isOnNode).map(({ spec }) => spec.nodeName ?? ''))];
    expect(Object.keys(network.status?.nodes ?? {}).sort()).toEqual(needing.sort());
    const wanting = services
      .filter(({ spec }) => spec.endpointMode !== 'dnsrr')
      .map(({ metadata }) => metadata.name);
    expect(Object.keys(network.status?.virtualIPs ?? {}).sort()).toEqual(wanting.sort());
  }
}

describe('networks, whatever happens', () => {
  test('a task that comes while the last block of its node is taken away has its address to itself', () => {
    const world = new World();
    for (const node of ['n1', 'n2']) world.setNode(node, true);
    world.addNetwork('c');
    world.addTasks('n2', ['c'], 1);
    world.settle();
    world.removeTasks(0, 1);
    world.tell('n2');
    world.act('n2', 1);
    // The pass has seen no task of n2 any more; before it says so, n2 has got one, and begins at once.
    world.look('c');
    world.addTasks('n2', ['c'], 1);
    world.tell('n2');
    world.act('n2', 1);
    world.write();
    // Enough for n1 to get any block that is free.
    world.addTasks('n1', ['c'], 64);
    for (let round = 0; round < 3; round++) {
      world.pass('c');
      world.tell('n1');
      world.act('n1', 64);
      world.check();
    }
    world.settle();
  });

  test('have no address twice, settle, serve all that fits, and leave nothing behind', () => {
    fc.assert(
      fc.property(fc.array(happening, { minLength: 20, maxLength: 120 }), (story) => {
        const world = new World();
        for (const node of nodeNames) world.setNode(node, true);
        for (const name of networkNames) world.addNetwork(name);
        for (const happen of story) {
          happen(world);
          world.check();
        }
        world.settle();
        checkServed(world);
        // Who takes over reads the objects alone.
        for (const name of networkNames) expect(world.pass(name)).toBe(false);

        for (const name of world.now.services.keys()) world.setService(name, undefined);
        world.removeTasks(0, Number.MAX_SAFE_INTEGER);
        world.settle();
        for (const { status } of world.now.networks.values())
          expect(status).toMatchObject({ nodes: {}, virtualIPs: {} });
        for (const name of networkNames) world.deleteNetwork(name);
        world.settle();
        expect(world.now.networks.size).toBe(0);
      }),
      { numRuns: 60 },
    );
  });
});
