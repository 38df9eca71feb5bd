/** Plays the nodes and the node gateway for the controllers' tests: moves tasks through their states. */
import type { Node, Task, TaskStatus } from '../../api-schemas/index.ts';
import { isNotFound, isConflict } from '../../kit/errors.ts';
import type { Registry } from '../../store/types.ts';

export interface FakeAgents {
  addNode(name: string, more?: Partial<Node>): Promise<void>;
  /** Ends the node's session, and stops acting for it. */
  disconnect(name: string): Promise<void>;
  reconnect(name: string): Promise<void>;
  /** Ends the container of a task. */
  fail(task: Task, exitCode?: number): Promise<void>;
  complete(task: Task): Promise<void>;
  /** Reports more of a task's status. */
  say(task: Task, status: Partial<TaskStatus>): Promise<void>;
  /** Tasks whose image makes them stay unready. */
  readonly broken: Set<string>;
  close(): Promise<void>;
}

const now = (): string => new Date().toISOString();

export function fakeAgents(registry: Registry): FakeAgents {
  const away = new Set<string>();
  const broken = new Set<string>();
  const busy = new Map<string, Promise<void>>();
  let nextIp = 2;
  let isClosed = false;

  const ref = (task: Task) =>
    ({ kind: 'Task', namespace: task.metadata.namespace ?? '', name: task.metadata.name }) as const;
  const set = (task: Task, status: Partial<TaskStatus>): Promise<Task> =>
    registry.modify<Task>(ref(task), (current) =>
      current.metadata.uid === task.metadata.uid
        ? { ...current, status: { ...current.status, state: 'New', since: now(), ...status } }
        : undefined,
    );

  const act = async (name: string, namespace: string): Promise<boolean> => {
    const task = registry.cache.get('Task', namespace, name);
    if (task?.spec.nodeName === undefined || away.has(task.spec.nodeName)) return false;
    const state = task.status?.state ?? 'New';
    const isOver = ['Complete', 'Shutdown', 'Failed', 'Rejected'].includes(state);
    if (task.metadata.deletionTimestamp !== undefined) {
      await registry.modify<Task>(ref(task), (current) => ({
        ...current,
        metadata: {
          ...current.metadata,
          finalizers: (current.metadata.finalizers ?? []).filter((f) => f !== 'orc.dev/container'),
        },
      }));
      return false;
    }
    if (isOver) return false;
    if (task.spec.desiredState === 'Shutdown') {
      await set(task, { state: 'Shutdown', finishedAt: now() });
      return false;
    }
    const image =
      registry.cache.get('Revision', namespace, task.spec.revision)?.spec.template.image ?? 'gone';
    if (state === 'Assigned') {
      await set(task, { state: 'Preparing' });
      return true;
    }
    if (state === 'Preparing') {
      if (broken.has(image)) {
        if (task.status?.reason !== 'ImagePullFailed') {
          await set(task, {
            state: 'Preparing',
            reason: 'ImagePullFailed',
            message: `no such image ${image}`,
          });
        }
        return false;
      }
      if (task.spec.notBefore !== undefined && Date.parse(task.spec.notBefore) > Date.now()) {
        setTimeout(() => poke(task), Date.parse(task.spec.notBefore) - Date.now()).unref();
        return false;
      }
      const ip = `10.0.${nextIp >> 8}.${nextIp++ & 255}`;
      await set(task, { state: 'Running', startedAt: now(), addresses: [{ network: 'n', ip }] });
    }
    return false;
  };
  const poke = (task: Task): void => {
    const key = `${task.metadata.namespace ?? ''}/${task.metadata.name}`;
    if (isClosed) return;
    const before = busy.get(key) ?? Promise.resolve();
    const next = before.then(async () => {
      try {
        while (await act(task.metadata.name, task.metadata.namespace ?? ''));
      } catch (error) {
        if (isClosed || isNotFound(error)) return;
        if (isConflict(error)) poke(task);
        else throw error;
      }
    });
    busy.set(key, next);
  };
  const pokeAll = (): void => registry.cache.list('Task').forEach(poke);
  const subscription = registry.cache.watch('Task', undefined, {
    onChanges: (changes) => changes.forEach(({ object, type }) => type !== 'DELETED' && poke(object as Task)),
    onReset: pokeAll,
  });
  const session = (name: string, server: string): Promise<Node> =>
    registry.modify<Node>({ kind: 'Node', namespace: '', name }, (node) => ({
      ...node,
      status: { ...node.status, session: { server, id: server === '' ? '' : name, since: now() } },
    }));

  return {
    broken,
    async addNode(name, more = {}) {
      await registry.create<Node>({
        apiVersion: 'orc.dev/v1',
        kind: 'Node',
        metadata: { ...more.metadata, name },
        spec: { ...more.spec },
        status: {
          hostname: name,
          role: 'worker',
          platform: { os: 'linux', arch: 'amd64' },
          capacity: { cpus: 4, memoryBytes: 8 * 1024 ** 3 },
          engine: { runtime: 'simulated', version: '1', apiVersion: '1.44', reachable: true },
          session: { server: 'a', id: name, since: now() },
          ...more.status,
        },
      });
    },
    async disconnect(name) {
      away.add(name);
      await session(name, '');
    },
    async reconnect(name) {
      away.delete(name);
      await session(name, 'a');
      pokeAll();
    },
    async complete(task) {
      await set(task, { ...task.status, state: 'Complete', exitCode: 0, finishedAt: now() });
    },
    async say(task, status) {
      await set(task, { ...task.status, ...status });
    },
    async fail(task, exitCode = 1) {
      await set(task, {
        ...task.status,
        state: 'Failed',
        reason: 'NonZeroExit',
        message: 'boom',
        exitCode,
        finishedAt: now(),
      });
    },
    async close() {
      isClosed = true;
      subscription.close();
      await Promise.all(busy.values());
    },
  };
}
