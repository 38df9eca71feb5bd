import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { controllerNames, startControllers, type Controllers } from '../../controllers/index.ts';
import { silentLogger } from '../../kit/log.ts';
import type {
  Cluster,
  ManagerPki,
  Namespace,
  Node,
  Service,
  ServiceSpec,
  Stack,
  Task,
} from '../../api-schemas/index.ts';
import { openTestRegistry, type TestRegistry } from '../../store/testing.ts';
import { fakeAgents, type FakeAgents } from './controllers-fake-agent.ts';

const ns = 'default';
const timing = { sessionGraceMs: 200, lostAfterMs: 500 };

describe('the controllers on a real etcd', () => {
  let store: TestRegistry;
  let controllers: Controllers;
  let agents: FakeAgents;
  let lease: { close(): Promise<void> };

  const start = (from: Pick<TestRegistry, 'registry' | 'campaign' | 'since'> = store): Controllers =>
    startControllers({ store: from, logger: silentLogger, identity: 'a', timing, leaseTtlSeconds: 2 });

  beforeEach(async () => {
    store = await openTestRegistry();
    agents = fakeAgents(store.registry);
    const held = store.holdLease('server-a', { identity: 'a' });
    await held.ready();
    lease = held;
    controllers = start();
  });
  afterEach(async () => {
    await controllers.close();
    await agents.close();
    await lease.close();
    await store.close();
  });

  const tasks = (): readonly Task[] => store.cache.list('Task', ns);
  const running = (service: string): readonly Task[] =>
    store.cache
      .by('Task', 'service', `${ns}/${service}`)
      .filter((t) => t.status?.state === 'Running' && t.spec.desiredState === 'Running')
      .filter((t) => t.metadata.deletionTimestamp === undefined);
  const service = (name: string): Service | undefined => store.cache.get('Service', ns, name);
  const condition = (name: string, type: string) =>
    service(name)?.status?.conditions?.find((c) => c.type === type);

  /** Resolves when `check` holds after some change of the registry. */
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
        const seen = tasks().map((t) => [t.metadata.name, t.spec, t.status?.state, t.status?.message]);
        done(
          new Error(
            `not in time: ${what}\n${JSON.stringify(seen, null, 1)}\n${JSON.stringify(
              store.cache.list('Service').map((s) => s.status?.conditions),
              null,
              1,
            )}`,
          ),
        );
      }, 8_000);
      const subscription = store.cache.watch(undefined, undefined, {
        onChanges: () => setImmediate(look),
        onReset: look,
      });
      look();
    });
  }
  const isReady = (name: string): boolean =>
    condition(name, 'Ready')?.status === 'True' &&
    service(name)?.status?.observedGeneration === service(name)?.metadata.generation;
  const apply = async (name: string, spec: ServiceSpec): Promise<void> => {
    if (service(name) === undefined) {
      await store.registry.create<Service>({
        apiVersion: 'orc.dev/v1',
        kind: 'Service',
        metadata: { name, namespace: ns },
        spec,
      });
    } else {
      await store.registry.modify<Service>({ kind: 'Service', namespace: ns, name }, (s) => ({ ...s, spec }));
    }
  };
  const setNode = (name: string, change: (node: Node) => Node): Promise<Node> =>
    store.registry.modify<Node>({ kind: 'Node', namespace: '', name }, change);

  test('brings a stack to Running, heals, scales, and takes it down in the foreground', async () => {
    await agents.addNode('n1');
    await agents.addNode('n2');
    await store.registry.create<Stack>({
      apiVersion: 'orc.dev/v1',
      kind: 'Stack',
      metadata: { name: 'shop', namespace: ns, finalizers: ['orc.dev/stack'] },
      spec: {
        services: { web: { image: 'web:1', replicas: 3, ports: [{ target: 80 }] }, db: { image: 'db:1' } },
      },
    });
    const stackReady = (): boolean =>
      store.cache.get('Stack', ns, 'shop')?.status?.conditions?.find((c) => c.type === 'Ready')?.status ===
      'True';
    await eventually('stack ready', stackReady);
    expect(running('shop-web')).toHaveLength(3);
    expect(new Set(running('shop-web').map((t) => t.spec.nodeName))).toEqual(new Set(['n1', 'n2']));
    const endpoints = () => store.cache.get('Endpoints', ns, 'shop-web');
    await eventually('3 endpoints', () => endpoints()?.endpoints?.length === 3);
    const port = endpoints()?.ports?.[0]?.published ?? 0;
    expect(port).toBeGreaterThanOrEqual(30_000);

    const [victim] = running('shop-web');
    await agents.fail(victim as Task);
    await eventually('healed', () => running('shop-web').length === 3);
    await eventually('ready again', () => isReady('shop-web') && stackReady());

    await store.registry.modify<Service>({ kind: 'Service', namespace: ns, name: 'shop-web' }, (s) => ({
      ...s,
      spec: { ...s.spec, replicas: 1 },
    }));
    await eventually('scaled down', () => running('shop-web').length === 1 && isReady('shop-web'));
    await eventually('no others left', () =>
      store.cache.by('Task', 'service', `${ns}/shop-web`).every((t) => t.spec.slot === 1),
    );
    expect(endpoints()?.ports?.[0]?.published).toBe(port);

    await store.registry.remove({ kind: 'Stack', namespace: ns, name: 'shop' });
    await eventually('all gone', () =>
      (['Stack', 'Service', 'Revision', 'Task', 'Endpoints'] as const).every(
        (kind) => store.cache.list(kind).length === 0,
      ),
    );
  });

  test('updates start-first, never below the wanted number, and goes back to an old revision', async () => {
    await agents.addNode('n1');
    await apply('web', { image: 'web:1', replicas: 3 });
    await eventually('up', () => isReady('web'));
    let least = 3;
    let most = 3;
    const watch = store.cache.watch('Task', undefined, {
      onChanges: () => {
        least = Math.min(least, running('web').length);
        most = Math.max(most, running('web').length);
      },
      onReset: () => undefined,
    });
    await apply('web', { image: 'web:2', replicas: 3 });
    await eventually('updated', () => isReady('web'));
    expect(running('web').map((t) => t.spec.slot)).toEqual([1, 2, 3]);
    expect([least, most]).toEqual([3, 4]);

    agents.broken.add('web:3');
    await apply('web', { image: 'web:3', replicas: 3 });
    await eventually('says why', () =>
      /ImagePullFailed: no such image/.test(condition('web', 'Ready')?.message ?? ''),
    );
    expect(running('web')).toHaveLength(3);
    const first = store.cache.list('Revision').find((r) => r.spec.template.image === 'web:1');
    await apply('web', { image: 'web:1', replicas: 3 });
    await eventually('back', () => isReady('web'));
    watch.close();
    expect(least).toBe(3);
    const revisions = store.cache.list('Revision');
    expect(revisions).toHaveLength(3);
    const again = revisions.find((r) => r.metadata.uid === first?.metadata.uid);
    expect(again?.spec).toMatchObject({ number: 4, replicas: 3 });
  });

  test('updates stop-first where a host port is published', async () => {
    await agents.addNode('n1');
    await agents.addNode('n2');
    const ports = [{ target: 80, published: 8080, mode: 'host' as const }];
    await apply('web', { image: 'web:1', replicas: 2, ports });
    await eventually('up', () => isReady('web'));
    let most = 0;
    const watch = store.cache.watch('Task', undefined, {
      onChanges: () => {
        for (const node of ['n1', 'n2']) {
          const holding = store.cache.by('Task', 'node', node).filter((t) => t.status?.state === 'Running');
          most = Math.max(most, holding.length);
        }
      },
      onReset: () => undefined,
    });
    await apply('web', { image: 'web:2', replicas: 2, ports });
    await eventually('updated', () => isReady('web'));
    watch.close();
    expect(most).toBe(1);
  });

  test('replaces tasks of a lost node, and keeps those of one that comes back in time', async () => {
    await agents.addNode('n1');
    await agents.addNode('n2');
    await apply('web', { image: 'web:1', replicas: 2 });
    await eventually('up', () => isReady('web'));
    const before = running('web').map((t) => t.metadata.uid);

    await agents.disconnect('n1');
    await agents.reconnect('n1');
    expect(running('web').map((t) => t.metadata.uid)).toEqual(before);

    await agents.disconnect('n1');
    await eventually(
      'replaced on n2',
      () => running('web').filter((t) => t.spec.nodeName === 'n2').length === 2,
    );
    await eventually('ready', () => isReady('web'));
    await agents.reconnect('n1');
    await eventually('old one stopped', () => running('web').length === 2);

    // With no other node the replacement waits, and goes when the node comes back.
    await agents.disconnect('n1');
    await agents.disconnect('n2');
    await eventually('says why', () =>
      /no node fits|NodeLost|HeartbeatLost|session/.test(condition('web', 'Ready')?.message ?? ''),
    );
    await eventually(
      'waiting tasks',
      () => tasks().filter((t) => t.status?.state === 'Pending').length === 2,
    );
    await agents.reconnect('n2');
    await agents.reconnect('n1');
    await eventually(
      'as before',
      () => isReady('web') && tasks().every((t) => t.status?.state !== 'Pending'),
    );
  });

  test('drains a node without a gap, and lets a service run nowhere when it has to', async () => {
    await agents.addNode('n1');
    await agents.addNode('n2');
    await apply('web', { image: 'web:1', replicas: 2 });
    await apply('tied', { image: 'web:1', placement: { constraints: ['node.hostname == n1'] } });
    await eventually('up', () => isReady('web') && isReady('tied'));
    let least = 2;
    const watch = store.cache.watch('Task', undefined, {
      onChanges: () => (least = Math.min(least, running('web').length)),
      onReset: () => undefined,
    });
    await setNode('n1', (node) => ({ ...node, spec: { availability: 'drain' } }));
    await eventually(
      'moved',
      () => running('web').filter((t) => t.spec.nodeName === 'n2').length === 2 && isReady('web'),
    );
    watch.close();
    expect(least).toBe(2);
    await eventually('tied stopped', () => running('tied').length === 0);
    await eventually('says why', () =>
      /n1: node is draining; n2: constraint/.test(condition('tied', 'Ready')?.message ?? ''),
    );
    await setNode('n1', (node) => ({ ...node, spec: { availability: 'active' } }));
    await eventually('tied back', () => isReady('tied'));
  });

  test('runs a global service on each fitting node', async () => {
    await agents.addNode('n1');
    await apply('agent', {
      image: 'agent:1',
      mode: 'global',
      placement: { constraints: ['node.labels.skip !exists'] },
    });
    await eventually('one', () => running('agent').length === 1 && isReady('agent'));
    await agents.addNode('n2');
    await eventually('two', () => running('agent').length === 2 && isReady('agent'));
    await setNode('n1', (node) => ({ ...node, metadata: { ...node.metadata, labels: { skip: 'yes' } } }));
    await eventually('moved off', () => running('agent').length === 1 && isReady('agent'));
    await apply('agent', { image: 'agent:2', mode: 'global' });
    await eventually('updated everywhere', () => running('agent').length === 2 && isReady('agent'));
  });

  test('says of a crash loop what crashed, how often, and when it is tried again', async () => {
    await agents.addNode('n1');
    await apply('web', { image: 'web:1', restart: { delay: '100ms', maxAttempts: 2 } });
    for (let i = 0; i < 3; i++) {
      await eventually('up', () => running('web').length === 1);
      await agents.fail(running('web')[0] as Task, 3);
      await eventually('down', () => running('web').length === 0);
      if (i === 1) {
        await eventually('says so', () =>
          /exited 3 \(2nd restart, next in 100ms\): boom/.test(condition('web', 'Ready')?.message ?? ''),
        );
      }
    }
    await eventually('stalled', () => condition('web', 'Stalled')?.status === 'True');
    expect(condition('web', 'Stalled')?.message).toMatch(
      /gave up after 2 restarts: task web-1-\w+ exited 3: boom/,
    );
  });

  test('lets tasks go with --cascade orphan, and a service of that name takes them over', async () => {
    await agents.addNode('n1');
    const spec: ServiceSpec = { image: 'a', replicas: 2, ports: [{ target: 80, published: 8080 }] };
    await apply('web', spec);
    await eventually('up', () => isReady('web'));
    const before = running('web').map((t) => t.metadata.uid);
    await store.registry.remove({ kind: 'Service', namespace: ns, name: 'web' }, { propagation: 'Orphan' });
    await eventually('service gone', () => service('web') === undefined);
    expect(running('web').map((t) => [t.metadata.uid, t.metadata.ownerReferences])).toEqual(
      before.map((uid) => [uid, []]),
    );
    await apply('other', { image: 'a', ports: [{ target: 80, published: 8080 }] });
    await eventually('port held', () => condition('other', 'PortsAllocated')?.status === 'False');
    await eventually('said', () =>
      /8080\/tcp is published by service default\/web/.test(condition('other', 'Ready')?.message ?? ''),
    );

    await store.registry.remove({ kind: 'Service', namespace: ns, name: 'other' });
    await apply('web', { ...spec, taskHistoryLimit: 3 });
    await eventually('taken over', () => isReady('web'));
    expect(running('web').map((t) => t.metadata.uid)).toEqual(before);
    await apply('web', { ...spec, image: 'b' });
    await eventually(
      'rolled',
      () => isReady('web') && running('web').every((t) => !before.includes(t.metadata.uid)),
    );
    const revisions = store.cache.by('Revision', 'service', `${ns}/web`);
    await eventually(
      'revisions say what runs',
      () =>
        store.cache
          .by('Revision', 'service', `${ns}/web`)
          .map((r) => r.status?.ready)
          .sort()
          .join() === '0,2',
    );
    expect(
      revisions.every((r) => r.metadata.ownerReferences?.[0]?.uid === service('web')?.metadata.uid),
    ).toBe(true);
  });

  test('counts what completed as done, rolls out over it, and says when nothing is started again', async () => {
    await agents.addNode('n1');
    await apply('job', { image: 'a', replicas: 2, restart: { condition: 'on-failure' } });
    await eventually('up', () => running('job').length === 2);
    for (const task of running('job')) await agents.complete(task);
    await eventually('done', () => condition('job', 'Ready')?.message === '0 of 2 ready, 2 completed');
    expect(isReady('job')).toBe(true);
    await apply('job', { image: 'b', replicas: 2, restart: { condition: 'on-failure' } });
    await eventually('first', () => running('job').length === 1);
    await agents.complete(running('job')[0] as Task);
    await eventually('second', () => running('job').length === 1);
    await agents.complete(running('job')[0] as Task);
    await eventually('done again', () => running('job').length === 0 && isReady('job'));

    await apply('once', { image: 'a', restart: { condition: 'none' } });
    await eventually('once up', () => running('once').length === 1);
    await agents.fail(running('once')[0] as Task, 3);
    await eventually('told', () => condition('once', 'Stalled')?.reason === 'NotRestarted');
    expect(condition('once', 'Stalled')?.message).toMatch(/slot 1 is not started again.*exited 3/);
  });

  test('shows a published port that does not answer on the service, and gives events for what turns', async () => {
    await agents.addNode('n1');
    await apply('web', { image: 'a', replicas: 1, ports: [{ target: 80, published: 8080 }] });
    await eventually('up', () => isReady('web'));
    await agents.say(running('web')[0] as Task, {
      conditions: [
        {
          type: 'PortsPublished',
          status: 'False',
          reason: 'PortInUse',
          message: '8080/tcp: nginx has it',
          lastTransitionTime: '',
        },
      ],
    });
    await eventually('told', () => condition('web', 'PortsPublished')?.status === 'False');
    expect(condition('web', 'Ready')).toMatchObject({
      status: 'False',
      reason: 'PortInUse',
      message: '1 of 1 ready: on node n1: 8080/tcp: nginx has it',
    });
    await agents.say(running('web')[0] as Task, { conditions: [] });
    await eventually('well', () => isReady('web') && condition('web', 'PortsPublished') === undefined);
    await apply('web', { image: 'a', replicas: 3, ports: [{ target: 80, published: 8080 }] });
    await eventually('scaled', () => isReady('web'));
    const reasons = (): readonly string[] =>
      store.cache
        .list('Event', ns)
        .filter((e) => e.involvedObject.name === 'web')
        .map((e) => `${e.reason} ${e.count}`)
        .sort();
    await eventually('events', () => reasons().length === 5);
    expect(reasons()).toEqual(['Converged 1', 'Converged 2', 'NewRevision 1', 'PortInUse 1', 'ScaledUp 1']);
  });

  test('gives a port to the older service and tells the younger who has it', async () => {
    await agents.addNode('n1');
    await apply('old', { image: 'a', ports: [{ target: 80, published: 8080 }] });
    await eventually('old up', () => condition('old', 'PortsAllocated')?.status === 'True');
    await apply('new', { image: 'a', ports: [{ target: 80, published: 8080 }] });
    await eventually('taken', () => condition('new', 'PortsAllocated')?.status === 'False');
    expect(condition('new', 'PortsAllocated')?.message).toContain(
      '8080/tcp is published by service default/old',
    );
    await store.registry.remove({ kind: 'Service', namespace: ns, name: 'old' });
    await eventually('handed over', () => condition('new', 'PortsAllocated')?.status === 'True');
  });

  test('goes on where a killed process stopped, and makes nothing twice', async () => {
    await agents.addNode('n1');
    await agents.addNode('n2');
    await apply('web', { image: 'web:0', replicas: 6 });
    let twice = 0;
    const watch = store.cache.watch('Task', undefined, {
      onChanges: () => {
        const slots = running('web').map((t) => `${t.spec.revision}/${t.spec.slot ?? ''}`);
        if (new Set(slots).size !== slots.length) twice += 1;
      },
      onReset: () => undefined,
    });
    await controllers.close();
    const processes: Controllers[] = [];
    for (let i = 1; i <= 6; i++) {
      // A process that dies leaves its leases and half of its work behind.
      const other = await store.another();
      processes.push(start(other));
      await apply('web', { image: `web:${i}`, replicas: 3 + ((i * 5) % 7) });
      await new Promise((resolve) => setTimeout(resolve, (i * 37) % 120));
      await other.close();
    }
    const last = await store.another();
    controllers = start(last);
    await eventually('converged', () => isReady('web'));
    watch.close();
    expect(twice).toBe(0);
    expect(running('web')).toHaveLength(3 + ((6 * 5) % 7));
    await controllers.close();
    // Their stores are gone: they can hand nothing over, so nobody waits for them.
    for (const each of processes) void each.close();
  });

  test('empties a namespace that is deleted, and collects what lost its owner', async () => {
    await agents.addNode('n1');
    await store.registry.create<Namespace>({
      apiVersion: 'v1',
      kind: 'Namespace',
      metadata: { name: ns, finalizers: ['orc.dev/namespace'] },
    });
    await apply('web', { image: 'web:1', replicas: 2 });
    await apply('other', { image: 'web:1' });
    await eventually('up', () => isReady('web') && isReady('other'));
    await store.registry.remove({ kind: 'Service', namespace: ns, name: 'other' });
    await eventually('collected', () =>
      (['Revision', 'Task', 'Endpoints'] as const).every(
        (kind) => !store.cache.list(kind, ns).some((o) => o.metadata.name.startsWith('other')),
      ),
    );
    expect(running('web')).toHaveLength(2);
    await store.registry.remove({ kind: 'Namespace', namespace: '', name: ns });
    await eventually('gone', () => store.cache.get('Namespace', '', ns) === undefined);
    expect(
      ['Service', 'Revision', 'Task', 'Endpoints'].flatMap((k) => store.cache.list(k as 'Task', ns)),
    ).toEqual([]);
  });

  test('goes through the phases of a new CA as the manager and the node say what they have', async () => {
    const [from, to] = ['aa'.repeat(32), 'bb'.repeat(32)];
    const ref = { kind: 'Cluster', namespace: '', name: 'orc' } as const;
    const ca = () => store.cache.get('Cluster', '', 'orc')?.status?.ca;
    const say = (pki: ManagerPki): Promise<Cluster> =>
      store.registry.modify<Cluster>(ref, (cluster) => ({
        ...cluster,
        status: {
          ...cluster.status,
          managers: { a: { url: 'https://127.0.0.1:6750', since: '2030-01-01T00:00:00Z', pki } },
        },
      }));
    const sayNode = (issuer: string, trust: readonly string[]): Promise<Node> =>
      setNode('n1', (node) => ({
        ...node,
        status: { ...node.status, certificate: { issuer, trust, notAfter: '2030-04-01T00:00:00Z' } },
      }));
    await agents.addNode('n1');
    await sayNode(from, [from]);
    await store.registry.create<Cluster>({
      apiVersion: 'orc.dev/v1',
      kind: 'Cluster',
      metadata: { name: 'orc' },
      spec: {},
    });
    await say({ issuer: from, trust: [from] });
    await store.registry.modify<Cluster>(ref, (c) => ({ ...c, spec: { ca: { rotation: 1 } } }));
    const at = (phase: string, turn?: string): Promise<void> =>
      eventually(`${phase} ${turn ?? 'nodes'}`, () => ca()?.phase === phase && ca()?.turn === turn);
    await at('Create', 'a');
    await say({ issuer: from, trust: [from], next: to });
    await at('Trust', 'a');
    await say({ issuer: from, trust: [from, to], next: to });
    await at('Trust');
    expect(ca()?.waitingFor).toEqual(['node n1']);
    await sayNode(from, [from, to]);
    await at('Issue', 'a');
    await say({ issuer: to, trust: [from, to] });
    await at('Issue');
    await sayNode(to, [from, to]);
    await at('Drop', 'a');
    await say({ issuer: to, trust: [to] });
    await at('Drop');
    await sayNode(to, [to]);
    await at('Done');
    expect(ca()).toMatchObject({ rotation: 1, from, to, waitingFor: [], skipped: [] });
    await eventually('events', () =>
      ['CaCreate', 'CaTrust', 'CaIssue', 'CaDrop', 'CaDone'].every((reason) =>
        store.cache.list('Event').some((event) => event.reason === reason),
      ),
    );
  });

  test('knows its controllers by name', () => {
    expect(controllerNames).toEqual([
      'stack',
      'rollout',
      'replicas',
      'scheduler',
      'nodes',
      'network',
      'reach',
      'keys',
      'endpoints',
      'ca',
      'gc',
    ]);
    expect(() => startControllers({ store, logger: silentLogger, identity: 'b', only: ['none'] })).toThrow(
      /unknown controller none; known are stack/,
    );
  });
});
