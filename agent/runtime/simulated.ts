import { Duplex, Readable } from 'node:stream';
import type { NodeResources } from '../../api-schemas/index.ts';
import { parseDuration } from '../../api-schemas/units.ts';
import type { Clock } from '../../kit/clock.ts';
import {
  label,
  RuntimeError,
  type ContainerExit,
  type ContainerSpec,
  type ContainerState,
  type Runtime,
} from './types.ts';

export interface SimulatedOptions {
  readonly nodeName: string;
  readonly clock: Clock;
  readonly capacity?: NodeResources;
  readonly labels?: Readonly<Record<string, string>>;
  /** Time that a start takes. Default 0: done before the call returns, no timer. */
  readonly startMs?: number;
}

export interface SimulatedRuntime extends Runtime {
  /** Ends a container, as `docker kill` from outside. */
  crash(taskUID: string, exitCode?: number): void;
  /** The engine stops answering, until `up`. Containers run on. */
  down(): void;
  up(): void;
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

/**
 * A Runtime whose containers are records: thousands of nodes fit one process, and an idle one has no timer.
 *
 * Images whose name begins with `sim/` behave: `sim/fail-after:500ms` exits with 1 after that time,
 * `sim/complete-after:2s` with 0, `sim/missing:1` cannot be pulled, `sim/unhealthy-after:1s` fails its health check,
 * `sim/refuse:1` cannot be started, `sim/start:300ms` takes that long to start. Every other image runs until stopped.
 */
export function createSimulatedRuntime(options: SimulatedOptions): SimulatedRuntime {
  const { nodeName, clock } = options;
  const containers = new Map<string, Mutable<ContainerState>>();
  const images = new Map<string, string>();
  const networks = new Map<
    string,
    { name: string; bridge: string; labels: Readonly<Record<string, string>> }
  >();
  let watcher:
    | { wake: (uid: string | undefined, exit?: ContainerExit) => void; down: (error: Error) => void }
    | undefined;
  let serial = 0;
  let isDown = false;

  const answer = (): void => {
    if (isDown) throw new RuntimeError('EngineUnavailable', 'EngineDown', 'the simulated engine is down');
  };
  const time = (): string => new Date(clock.now()).toISOString();
  const get = (id: string): Mutable<ContainerState> => {
    const found = containers.get(id);
    if (found === undefined)
      throw new RuntimeError('Failed', 'NoSuchContainer', `no simulated container ${id}`);
    return found;
  };

  function end(container: Mutable<ContainerState>, exitCode: number): void {
    if (container.status !== 'running') return;
    container.status = 'exited';
    container.exitCode = exitCode;
    container.finishedAt = time();
    container.addresses = [];
    if (!isDown)
      watcher?.wake(container.taskUID, {
        exitCode,
        oomKilled: false,
        stopped: false,
        finishedAt: container.finishedAt,
      });
  }

  /** What the image name asks for once the container runs. */
  function behave(container: Mutable<ContainerState>, image: string): void {
    const { what, ms } = behaviour(image);
    if (what === 'fail-after') clock.after(ms, () => end(container, 1));
    if (what === 'complete-after') clock.after(ms, () => end(container, 0));
    if (what === 'unhealthy-after')
      clock.after(ms, () => {
        container.health = 'unhealthy';
        container.healthMessage = 'simulated';
        if (!isDown) watcher?.wake(container.taskUID);
      });
  }

  return {
    info() {
      answer();
      return Promise.resolve({
        runtime: 'simulated',
        version: '1',
        apiVersion: '1',
        platform: { os: 'linux', arch: 'amd64' },
        capacity: options.capacity ?? { cpus: 64, memoryBytes: 256 * 2 ** 30 },
        labels: options.labels ?? {},
        firewall: 'none',
      });
    },
    list() {
      answer();
      return Promise.resolve([...containers.values()].map((container) => ({ ...container })));
    },
    inspect(id) {
      answer();
      const found = containers.get(id);
      return Promise.resolve(found && { ...found });
    },
    ensureImage({ image }) {
      answer();
      if (behaviour(image).what !== 'missing') return Promise.resolve();
      return Promise.reject(
        new RuntimeError('ImagePullFailed', 'ImagePullFailed', `pulling ${image}: it is missing.`),
      );
    },
    create(spec: ContainerSpec) {
      answer();
      const uid = spec.labels[label.taskUID] ?? '';
      for (const { id, taskUID } of containers.values())
        if (taskUID === uid) return Promise.resolve({ id, found: true, warnings: [] });
      const id = `sim-${nodeName}-${++serial}`;
      images.set(id, spec.template.image);
      containers.set(id, {
        id,
        taskUID: uid,
        labels: { ...spec.labels, [label.node]: nodeName },
        status: 'created',
        health: 'none',
        addresses: spec.networks.flatMap(({ name, ip, ip6 }) =>
          [ip, ip6].flatMap((one) => (one === undefined ? [] : [{ network: name, ip: one }])),
        ),
        ports: spec.hostPorts.map((port) => ({ ...port, published: port.published || 32_768 + serial })),
      });
      return Promise.resolve({ id, found: false, warnings: [] });
    },
    async start(id) {
      answer();
      const container = get(id);
      const image = images.get(id) ?? '';
      const { what, ms } = behaviour(image);
      if (what === 'refuse')
        throw new RuntimeError('Failed', 'StartFailed', 'the simulated engine refuses this image');
      const startMs = what === 'start' ? ms : (options.startMs ?? 0);
      if (startMs > 0) await new Promise<void>((resolve) => clock.after(startMs, resolve));
      container.status = 'running';
      container.startedAt = time();
      if (container.addresses.length === 0)
        container.addresses = [
          { network: 'sim', ip: address(nodeName, Number(id.slice(id.lastIndexOf('-') + 1))) },
        ];
      behave(container, image);
    },
    stop(id) {
      answer();
      const found = containers.get(id);
      if (found !== undefined) end(found, 0);
      return Promise.resolve();
    },
    kill(id, signal = 'SIGKILL') {
      answer();
      end(get(id), signal === 'SIGKILL' ? 137 : 0);
      return Promise.resolve();
    },
    remove(id) {
      answer();
      containers.delete(id);
      images.delete(id);
      return Promise.resolve();
    },
    ensureNetwork({ name, bridge, labels }) {
      answer();
      networks.set(name, { name, bridge, labels });
      return Promise.resolve({ id: name, name, bridge });
    },
    listNetworks() {
      answer();
      return Promise.resolve(
        [...networks.values()].map((network) => ({ ...network, id: network.name, containers: 0 })),
      );
    },
    removeNetwork(id) {
      answer();
      networks.delete(id);
      return Promise.resolve();
    },
    networksAround() {
      answer();
      const all = [...networks].map(([id, { name }]) => ({ id, name, subnets: [], isOurs: true }));
      return Promise.resolve({ networks: all, pools: [] });
    },
    addressesOn() {
      answer();
      return Promise.resolve([]);
    },
    watch(wake, down) {
      answer();
      watcher = { wake, down };
      return Promise.resolve(() => {
        watcher = undefined;
      });
    },
    logs(id, { follow }, signal) {
      answer();
      const { startedAt } = get(id);
      const stdout = new Readable({ read: () => undefined });
      stdout.push(`simulated container ${id}${startedAt === undefined ? '' : `, started ${startedAt}`}\n`);
      if (follow) signal.addEventListener('abort', () => stdout.push(null), { once: true });
      else stdout.push(null);
      return Promise.resolve({ stdout, stderr: Readable.from([]) });
    },
    exec(id, { command }) {
      answer();
      const container = containers.get(id);
      // In a real container this ends the first process, and so the container.
      const [program, ...words] = command;
      if (program === 'kill' && words.at(-1) === '1' && container !== undefined)
        setImmediate(end, container, 137);
      const stdin = new Duplex({ read: () => undefined, write: (_chunk, _encoding, done) => done() });
      return Promise.resolve({
        stdin,
        stdout: Readable.from([Buffer.from(`simulated: ${command.join(' ')}\n`)]),
        stderr: Readable.from([]),
        resize: () => Promise.resolve(),
        exitCode: () => Promise.resolve(0),
      });
    },
    crash(taskUID, exitCode = 137) {
      for (const container of containers.values())
        if (container.taskUID === taskUID) end(container, exitCode);
    },
    down() {
      isDown = true;
      const { down } = watcher ?? {};
      watcher = undefined;
      down?.(new Error('the simulated engine went down'));
    },
    up() {
      isDown = false;
    },
  };
}

function behaviour(image: string): { readonly what: string; readonly ms: number } {
  const match = /^(?:docker\.io\/)?sim\/([a-z-]+)(?::(.+))?$/.exec(image);
  if (match === null) return { what: 'run', ms: 0 };
  const [, what = '', tag = '0'] = match;
  try {
    return { what, ms: parseDuration(tag) };
  } catch {
    return { what, ms: 0 };
  }
}

/** An address that differs between the containers of a node, and mostly between nodes. */
function address(node: string, serial: number): string {
  let hash = 0;
  for (const character of node) hash = (hash * 31 + character.charCodeAt(0)) & 0xff;
  return `10.${hash}.${(serial >> 8) & 0xff}.${serial & 0xff}`;
}
