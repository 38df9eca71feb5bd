/** Stacks, services and nodes on networks, by all controllers on a real etcd. */
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { startControllers, type Controllers } from '../../controllers/index.ts';
import { silentLogger } from '../../kit/log.ts';
import {
  clusterName,
  type Cluster,
  type Condition,
  type Endpoints,
  type KindName,
  type Network,
  type Obj,
  type Revision,
  type Service,
  type ServiceSpec,
  type Stack,
  type StackSpec,
  type Task,
} from '../../api-schemas/index.ts';
import { openTestRegistry, type TestRegistry } from '../../store/testing.ts';
import { fakeAgents, type FakeAgents } from './controllers-fake-agent.ts';

const ns = 'default';
const timing = { sessionGraceMs: 200, lostAfterMs: 500 };

describe('networks, by the controllers', () => {
  let store: TestRegistry;
  let controllers: Controllers;
  let agents: FakeAgents;
  let lease: { close(): Promise<void> };

  const start = (): Controllers =>
    startControllers({ store, logger: silentLogger, identity: 'a', timing, leaseTtlSeconds: 2 });
  beforeEach(async () => {
    store = await openTestRegistry();
    agents = fakeAgents(store.registry);
    lease = store.holdLease('server-a', { identity: 'a' });
    controllers = start();
    await agents.addNode('n1');
    await agents.addNode('n2');
  });
  afterEach(async () => {
    await controllers.close();
    await agents.close();
    await lease.close();
    await store.close();
  });

  const network = (name: string): Network | undefined => store.cache.get('Network', ns, name);
  const service = (name: string): Service | undefined => store.cache.get('Service', ns, name);
  const endpoints = (name: string): Endpoints | undefined => store.cache.get('Endpoints', ns, name);
  const on = (name: string): readonly Task[] => store.cache.by('Task', 'network', `${ns}/${name}`);
  const said = (object: { status?: { conditions?: readonly Condition[] } } | undefined, type: string) =>
    object?.status?.conditions?.find((condition) => condition.type === type);
  const isReady = (name: string): boolean => said(service(name), 'Ready')?.status === 'True';

  function eventually(what: string, check: () => boolean): Promise<void> {
    return new Promise((resolve, reject) => {
      const done = (error?: Error): void => {
        subscription.close();
        clearTimeout(timer);
        if (error === undefined) resolve();
        else reject(error);
      };
      const look = (): void => {
        if (check()) done();
      };
      const timer = setTimeout(() => {
        const seen = (['Network', 'Service'] as const).flatMap((kind) => store.cache.list<KindName>(kind));
        done(new Error(`not in time: ${what}\n${JSON.stringify(seen, null, 1)}`));
      }, 8_000);
      const subscription = store.cache.watch(undefined, undefined, {
        onChanges: () => setImmediate(look),
        onReset: look,
      });
      look();
    });
  }

  const create = <T extends Obj>(object: T): Promise<T> => store.registry.create(object);
  const apply = (name: string, spec: ServiceSpec): Promise<Service> =>
    create<Service>({ apiVersion: 'orc.dev/v1', kind: 'Service', metadata: { name, namespace: ns }, spec });
  const applyStack = (spec: StackSpec): Promise<Stack> =>
    create<Stack>({
      apiVersion: 'orc.dev/v1',
      kind: 'Stack',
      metadata: { name: 'shop', namespace: ns, finalizers: ['orc.dev/stack'] },
      spec,
    });
  const changeStack = (change: (spec: StackSpec) => StackSpec): Promise<Stack> =>
    store.registry.modify<Stack>({ kind: 'Stack', namespace: ns, name: 'shop' }, (stack) => ({
      ...stack,
      spec: change(stack.spec),
    }));
  const remove = (kind: KindName, name: string): Promise<unknown> =>
    store.registry.remove({ kind, namespace: ns, name });

  test('a stack gets its networks, its services virtual IPs, its nodes blocks; and all goes with it', async () => {
    await applyStack({
      networks: { back: { internal: true } },
      services: {
        web: {
          image: 'w',
          replicas: 2,
          networks: [{ name: 'default' }, { name: 'back' }],
          ports: [{ target: 80 }],
        },
        db: { image: 'd', networks: [{ name: 'back', aliases: ['store'] }], endpointMode: 'dnsrr' },
      },
    });
    await eventually('services ready', () => isReady('shop-web') && isReady('shop-db'));
    await eventually('virtual IPs', () =>
      (endpoints('shop-web')?.networks ?? []).every(({ virtualIP }) => virtualIP !== undefined),
    );
    expect(network('shop-back')).toMatchObject({
      spec: { internal: true },
      metadata: { finalizers: ['orc.dev/network'] },
    });
    expect(endpoints('shop-web')?.networks?.map((one) => one.network)).toEqual(['shop-default', 'shop-back']);
    expect(endpoints('shop-db')).toMatchObject({
      mode: 'dnsrr',
      networks: [{ network: 'shop-back', aliases: ['store'] }],
    });
    expect(network('shop-back')?.status?.virtualIPs).toEqual({
      'shop-web': endpoints('shop-web')?.networks?.[1]?.virtualIP,
    });
    expect(on('shop-default')).toHaveLength(2);
    expect(on('shop-back')).toHaveLength(3);
    // A port is answered by every node, through the first network of its service.
    await eventually('both nodes are in', () =>
      ['n1', 'n2'].every((node) => network('shop-default')?.status?.nodes?.[node] !== undefined),
    );
    const revision = store.cache
      .list('Revision', ns)
      .find(({ spec }: Revision) => spec.service === 'shop-db');
    expect(revision?.spec.template.networks).toEqual([{ name: 'shop-back', aliases: ['store'] }]);

    await remove('Stack', 'shop');
    await eventually('all is gone', () =>
      (['Stack', 'Service', 'Task', 'Endpoints', 'Network'] as const).every(
        (kind) => store.cache.list<KindName>(kind, ns).length === 0,
      ),
    );
  });

  test('a service without a stack is on the network `default` of its namespace, made when it is needed', async () => {
    await apply('host', { image: 'h', networkMode: 'host' });
    await eventually('it runs', () => isReady('host'));
    expect(network('default')).toBeUndefined();
    await apply('web', { image: 'w' });
    await eventually('it is on it', () => endpoints('web')?.networks?.[0]?.virtualIP !== undefined);
    expect(network('default')?.status?.virtualIPs).toEqual({
      web: endpoints('web')?.networks?.[0]?.virtualIP,
    });
  });

  test('an address counts once it is of a block of its node', async () => {
    await apply('web', { image: 'w' });
    await eventually('it runs', () => isReady('web') && network('default')?.status?.nodes !== undefined);
    const [task] = on('default');
    const node = task?.spec.nodeName ?? '';
    const given = (): string => network('default')?.status?.nodes?.[node]?.blocks?.[0] ?? '';
    await eventually('the node has a block', () => given() !== '');
    const ip = given().split('/')[0] ?? '';
    const say = (address: string): Promise<void> =>
      agents.say(on('default')[0] as Task, { addresses: [{ network: 'default', ip: address }] });
    const addresses = (): readonly string[] =>
      (endpoints('web')?.endpoints ?? []).flatMap((one) => one.addresses?.map((a) => a.ip) ?? []);
    await say(ip);
    await eventually('its endpoint has it', () => addresses().join() === ip);
    await say(endpoints('web')?.networks?.[0]?.virtualIP ?? '');
    await eventually('one that is not the node’s is not taken', () => addresses().length === 0);
  });

  test('what cannot be given is said on the network and on the service, and comes when it can', async () => {
    await create<Cluster>({
      apiVersion: 'orc.dev/v1',
      kind: 'Cluster',
      metadata: { name: clusterName },
      spec: { networks: { pools: [{ cidr: '10.0.0.0/24', size: 24 }] } },
    });
    await apply('first', { image: 'w' });
    await eventually('the pool is used up', () => network('default')?.status?.subnet === '10.0.0.0/24');
    await create<Network>({
      apiVersion: 'orc.dev/v1',
      kind: 'Network',
      metadata: { name: 'more', namespace: ns, finalizers: ['orc.dev/network'] },
      spec: {},
    });
    await apply('second', { image: 'w', networks: [{ name: 'more' }] });
    await eventually('both say it', () => said(service('second'), 'Ready')?.reason === 'NoFreeSubnet');
    expect(said(network('more'), 'Allocated')?.message).toMatch(/10.0.0.0\/24 .*add a pool/);
    expect(said(service('second'), 'NetworksAllocated')?.status).toBe('False');

    await store.registry.modify<Cluster>(
      { kind: 'Cluster', namespace: '', name: clusterName },
      (cluster) => ({
        ...cluster,
        spec: { networks: { pools: [{ cidr: '10.0.0.0/23', size: 24 }] } },
      }),
    );
    await eventually('it is there', () => isReady('second'));
    expect(network('more')?.status?.subnet).toBe('10.0.1.0/24');
    expect(said(service('second'), 'NetworksAllocated')).toBeUndefined();
  });

  test('a service that names a network which is not there says so, until it is', async () => {
    await apply('web', { image: 'w', networks: [{ name: 'late' }] });
    await eventually('it says so', () => said(service('web'), 'Ready')?.reason === 'NetworkNotFound');
    await create<Network>({
      apiVersion: 'orc.dev/v1',
      kind: 'Network',
      metadata: { name: 'late', namespace: ns, finalizers: ['orc.dev/network'] },
      spec: {},
    });
    await eventually('it is well', () => isReady('web'));
    await remove('Network', 'late');
    await eventually('the network is held', () => said(network('late'), 'Ready')?.reason === 'InUse');
    await remove('Service', 'web');
    await eventually('it goes', () => network('late') === undefined);
  });

  test('a network that leaves its stack goes, and its services are on the others by an update', async () => {
    await applyStack({
      networks: { back: {} },
      services: { web: { image: 'w', networks: [{ name: 'back' }] } },
    });
    await eventually('it runs', () => isReady('shop-web') && on('shop-back').length === 1);
    await changeStack(() => ({ services: { web: { image: 'w' } } }));
    await eventually('it is gone', () => network('shop-back') === undefined);
    await eventually('its service moved', () => isReady('shop-web') && on('shop-default').length > 0);
    expect(endpoints('shop-web')?.networks?.map((one) => one.network)).toEqual(['shop-default']);
  });

  test('a new leader that reads the objects changes nothing', async () => {
    await applyStack({ networks: { back: {} }, services: { web: { image: 'w', ports: [{ target: 80 }] } } });
    await eventually(
      'both nodes are in',
      () => isReady('shop-web') && Object.keys(network('shop-default')?.status?.nodes ?? {}).length === 2,
    );
    await eventually('blocks are given', () =>
      Object.values(network('shop-default')?.status?.nodes ?? {}).some(({ blocks }) => blocks !== undefined),
    );
    await controllers.close();
    const before = store.cache.list('Network', ns);
    controllers = start();
    // A service made after it has looked at the networks: it is passed behind them.
    await apply('later', { image: 'w' });
    await eventually('it leads', () => endpoints('later')?.networks?.[0]?.virtualIP !== undefined);
    for (const network of before)
      expect(store.cache.get('Network', ns, network.metadata.name)?.metadata.resourceVersion).toBe(
        network.metadata.resourceVersion,
      );
  });
});
