import { describe, expect, test } from '@jest/globals';
import {
  noAssignments,
  type AssignmentSet,
  type Network,
  type NodeStatus,
  type Revision,
  type Task,
  type TaskReport,
} from '../api-schemas/index.ts';
import { FakeClock } from '../kit/clock.ts';
import { silentLogger } from '../kit/log.ts';
import {
  createSimulatedRuntime,
  startAgent,
  type Agent,
  type SessionHandlers,
  type SimulatedRuntime,
} from './index.ts';

interface Node {
  readonly agent: Agent;
  readonly runtime: SimulatedRuntime;
  readonly clock: FakeClock;
  readonly reports: TaskReport[];
  assign(...tasks: Task[]): void;
  /** A server says that the task has left everywhere. */
  left(name: string): void;
  /** No server is reached. */
  cutOff(): void;
  /** Lets all that is under way come to rest. */
  settle(): Promise<void>;
  last(name: string): string | undefined;
  /** What the node says of itself, as of now. */
  described(): Promise<NodeStatus | undefined>;
}

const image = 'sim/run:1';
const revisions = (images: readonly string[]): Revision[] =>
  images.map((template, i) => ({
    apiVersion: 'orc.dev/v1',
    kind: 'Revision',
    metadata: { name: `r${i}`, namespace: 'default' },
    spec: { service: 'web', number: 1, replicas: 1, template: { image: template } },
  }));

const network: Network = {
  apiVersion: 'orc.dev/v1',
  kind: 'Network',
  metadata: { name: 'default', namespace: 'default', uid: 'net-uid' },
  spec: {},
  status: {
    vni: 4097,
    subnet: '10.64.0.0/20',
    nodes: { n: { gateway: '10.64.0.254', blocks: ['10.64.1.0/27'] } },
  },
};

const task = (name: string, spec: Partial<Task['spec']> = {}): Task => ({
  apiVersion: 'orc.dev/v1',
  kind: 'Task',
  metadata: { name, namespace: 'default', uid: `${name}-uid` },
  spec: {
    ...{ service: 'web', revision: 'r0', nodeName: 'n', networks: ['default'] },
    desiredState: 'Running',
    ...spec,
  },
  status: { state: 'Assigned' },
});

async function node(...images: string[]): Promise<Node> {
  const clock = new FakeClock();
  const runtime = createSimulatedRuntime({ nodeName: 'n', clock });
  const reports: TaskReport[] = [];
  let handlers: SessionHandlers | undefined;
  const agent = await startAgent({
    owner: { cluster: 'c', nodeName: 'n' },
    runtime,
    role: 'worker',
    clock,
    logger: silentLogger,
    ingress: false,
    resyncMs: 0,
    connect: (given) => {
      handlers = given;
      return {
        report: (report) => void reports.push(report),
        event: () => undefined,
        describeAgain: () => undefined,
        openStream: () => Promise.reject(new Error('not here')),
        close: () => undefined,
      };
    },
  });
  const settle = async (): Promise<void> => {
    for (let i = 0; i < 20; i++) await new Promise((resolve) => setImmediate(resolve));
  };
  await settle();
  return {
    agent,
    runtime,
    clock,
    reports,
    settle,
    assign(...tasks) {
      const set: AssignmentSet = {
        ...noAssignments,
        networks: [network],
        tasks,
        revisions: revisions([image, ...images]),
      };
      void handlers?.onAssignments(set);
    },
    left: (name) => void handlers?.onLeft?.([`${name}-uid`]),
    cutOff: () => handlers?.onDisconnect?.('closed'),
    last: (name) => reports.findLast((report) => report.name === name)?.status.state,
    described: async () => handlers?.describe(),
  };
}

describe('an agent on a simulated engine', () => {
  test('runs tasks at once, and reports each once', async () => {
    const n = await node();
    n.assign(task('a'), task('b'));
    await n.settle();
    expect(n.reports.map(({ name, status }) => `${name} ${status.state}`).sort()).toEqual([
      'a Running',
      'b Running',
    ]);
    await n.agent.close();
  });

  test('gives each container an address of the node, and tells it before it starts', async () => {
    const n = await node();
    n.assign(task('a'), task('b', { desiredState: 'Ready' }));
    await n.settle();
    const addresses = ['a', 'b'].map((name) => n.reports.findLast((report) => report.name === name)?.status);
    expect(addresses).toMatchObject([
      { state: 'Running', addresses: [{ network: 'default', ip: expect.stringMatching(/^10\.64\.1\./) }] },
      { state: 'Ready', addresses: [{ network: 'default', ip: expect.stringMatching(/^10\.64\.1\./) }] },
    ]);
    expect(new Set(addresses.map((status) => status?.addresses?.[0]?.ip)).size).toBe(2);
    await n.agent.close();
  });

  test('leaves a network when all that was on it has ended, and what takes its place has had the time to come', async () => {
    const n = await node();
    const networks = async (): Promise<number> => (await n.runtime.listNetworks()).length;
    n.assign(task('a'));
    await n.settle();
    const [container] = await n.runtime.list();
    await n.runtime.kill(container?.id ?? '');
    await n.settle();
    expect(n.last('a')).toBe('Failed');
    n.assign(task('a'));
    await n.settle();
    expect(await networks()).toBe(1);
    n.clock.advance(10_000);
    await n.settle();
    expect([await networks(), (await n.runtime.list()).length]).toEqual([0, 1]);
    n.assign(task('a'), task('b'));
    await n.settle();
    expect([n.last('b'), await networks()]).toEqual(['Running', 1]);
    await n.agent.close();
  });

  test('waits for a network that is not given yet, and says so', async () => {
    const n = await node();
    n.assign(task('a', { networks: ['default', 'late'] }));
    for (let i = 0; i < 60; i++) {
      n.clock.advance(100);
      await n.settle();
    }
    expect(n.reports.at(-1)?.status).toMatchObject({ state: 'Preparing', reason: 'NetworkNotReady' });
    expect(n.reports.at(-1)?.status.message).toContain('orc describe network late');
    await n.agent.close();
  });

  test('says when it has looked at what is there, and reported it', async () => {
    const n = await node();
    const settled = async (): Promise<unknown> => (await n.described())?.engine?.settled;
    expect(await settled()).toBe(false);
    n.assign(task('a'));
    await n.settle();
    expect(n.last('a')).toBe('Running');
    expect(await settled()).toBe(true);
    n.assign(task('a'), task('b'));
    expect(await settled()).toBe(true);
    n.runtime.down();
    await n.settle();
    expect(await settled()).toBe(false);
    await n.agent.close();
  });

  test('has not looked at what is there until it has told of what ended while no server was reached', async () => {
    const n = await node();
    const settled = async (): Promise<unknown> => (await n.described())?.engine?.settled;
    n.assign(task('a'), task('b'));
    await n.settle();
    n.cutOff();
    n.runtime.down();
    n.runtime.crash('a-uid', 255);
    n.runtime.up();
    for (let i = 0; i < 4; i++) {
      await n.settle();
      n.clock.advance(500);
    }
    await n.settle();
    expect([n.last('a'), await settled()]).toEqual(['Running', false]);
    n.assign(task('a'), task('b'));
    await n.settle();
    expect([n.last('a'), await settled()]).toEqual(['Failed', true]);
    await n.agent.close();
  });

  test('reports a crash, and leaves the dead alone', async () => {
    const n = await node();
    n.assign(task('a'));
    await n.settle();
    n.runtime.crash('a-uid', 7);
    await n.settle();
    expect(n.reports.at(-1)?.status).toMatchObject({ state: 'Failed', reason: 'NonZeroExit', exitCode: 7 });
    expect((await n.runtime.list()).map(({ status }) => status)).toEqual(['exited']);
    await n.agent.close();
  });

  test('makes and starts nothing earlier than it may', async () => {
    const n = await node();
    n.assign(task('a', { notBefore: new Date(n.clock.now() + 5_000).toISOString() }));
    await n.settle();
    expect(n.last('a')).toBe('Accepted');
    n.clock.advance(4_999);
    await n.settle();
    expect(n.last('a')).toBe('Accepted');
    n.clock.advance(1);
    await n.settle();
    expect(n.last('a')).toBe('Running');
    await n.agent.close();
  });

  test('tries a missing image again, each time later', async () => {
    const n = await node('sim/missing:1');
    n.assign(task('a', { revision: 'r1' }));
    await n.settle();
    expect(n.reports.at(-1)?.status).toMatchObject({ state: 'Preparing', reason: 'ImagePullFailed' });
    expect(n.reports.at(-1)?.status.message).toContain('Next try in 1s');
    n.clock.advance(1_000);
    await n.settle();
    expect(n.reports.at(-1)?.status.message).toContain('Next try in 2s');
    await n.agent.close();
  });

  test('keeps states while the engine is down, and sees what happened meanwhile when it is back', async () => {
    const n = await node();
    n.assign(task('a'), task('b'));
    await n.settle();
    n.runtime.down();
    n.runtime.crash('a-uid', 1);
    await n.settle();
    expect(n.last('a')).toBe('Running');
    n.runtime.up();
    n.clock.advance(5_000);
    await n.settle();
    expect(n.last('a')).toBe('Failed');
    expect(n.last('b')).toBe('Running');
    await n.agent.close();
  });

  test('says gone for a deleted task, and removes what is not assigned', async () => {
    const n = await node();
    const a = task('a');
    n.assign(a, task('b'));
    await n.settle();
    n.assign({ ...a, metadata: { ...a.metadata, deletionTimestamp: '2030-01-01T00:00:00Z' } });
    n.left('a');
    await n.settle();
    expect(n.reports.at(-1)).toMatchObject({ name: 'a', gone: true });
    expect(await n.runtime.list()).toEqual([]);
    expect(await n.runtime.listNetworks()).toHaveLength(1);
    n.assign();
    await n.settle();
    expect(await n.runtime.listNetworks()).toEqual([]);
    await n.agent.close();
  });

  test('stops a task that takes connections when it has left, and in time if nobody says so', async () => {
    const n = await node();
    n.assign(task('a'), task('b'));
    await n.settle();
    n.assign(task('a', { desiredState: 'Shutdown' }), task('b', { desiredState: 'Shutdown' }));
    await n.settle();
    expect([n.last('a'), n.last('b')]).toEqual(['Running', 'Running']);
    n.left('a');
    await n.settle();
    expect([n.last('a'), n.last('b')]).toEqual(['Shutdown', 'Running']);
    n.clock.advance(1_999);
    await n.settle();
    expect(n.last('b')).toBe('Running');
    n.clock.advance(1);
    await n.settle();
    expect(n.last('b')).toBe('Shutdown');
    await n.agent.close();
  });

  test('repeated assignments change nothing', async () => {
    const n = await node();
    n.assign(task('a'));
    await n.settle();
    const before = n.reports.length;
    for (let i = 0; i < 5; i++) n.assign(task('a'));
    await n.settle();
    expect(n.reports.length).toBe(before);
    expect(await n.runtime.list()).toHaveLength(1);
    await n.agent.close();
  });
});
