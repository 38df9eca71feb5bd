/**
 * From the death of a container to its replacement, beside the floor: the same done straight through the Engine API,
 * in the same run and on the same engine. Of an idle cluster with the default policy; the engine's own times count.
 */
import { setTimeout as delay } from 'node:timers/promises';
import Docker from 'dockerode';
import type { Service, Task } from '../../api-schemas/index.ts';
import type { Client } from '../../client/index.ts';
import { openClient } from '../harness/client.ts';
import { eventually, isReady, startCluster, type Cluster } from '../harness/cluster.ts';
import { option, quantile } from '../harness/figures.ts';

const image = 'orc.local/hello:1';
/** Each slot's first restart is at once; a second one would wait. */
const replicas = 3;

interface Heal {
  /** From `die` to the replacement's task being Running, as a watch tells it. */
  readonly heal_p50_s: number;
  readonly heal_p99_s: number;
  /** From `die` to the replacement's `start`. */
  readonly start_p50_s: number;
  /** From `die` to the end of create and start without orc. */
  readonly floor_p50_s: number;
}

export async function run(log: (line: string) => void, args: readonly string[]): Promise<Heal> {
  const rounds = Number(option(args, '--rounds') ?? 20);
  const prof = option(args, '--cpu-prof');
  const cluster = await startCluster({
    upArgs: ['--log-level', option(args, '--log-level') ?? 'warn'],
    ...(prof === undefined ? {} : { nodeArgs: ['--cpu-prof', `--cpu-prof-dir=${prof}`] }),
  });
  try {
    const docker = new Docker({ socketPath: cluster.engine.socketPath });
    const events = await EngineEvents.follow(docker);
    const client = await openClient(cluster.env['ORC_CONFIG'] ?? '');
    const orc: Healed[] = [];
    const floor: number[] = [];
    while (orc.length < rounds) {
      await deploy(client);
      for (let slot = 1; slot <= replicas && orc.length < rounds; slot++) {
        const straight = await floorSeconds(docker, events);
        const healed = await healSeconds(client, docker, events, slot);
        orc.push(healed);
        floor.push(straight);
        log(
          `${orc.length}: create ${healed.create.toFixed(3)} s, start ${healed.start.toFixed(3)} s, Running ${healed.running.toFixed(3)} s, floor ${straight.toFixed(3)} s`,
        );
      }
      await remove(client, cluster);
    }
    client.close();
    events.close();
    return {
      heal_p50_s: quantile(0.5, orc.map(({ running }) => running)), // prettier-ignore
      heal_p99_s: quantile(0.99, orc.map(({ running }) => running)), // prettier-ignore
      start_p50_s: quantile(0.5, orc.map(({ start }) => start)), // prettier-ignore
      floor_p50_s: quantile(0.5, floor),
    };
  } finally {
    if (option(args, '--show-log') !== undefined) log(cluster.log());
    await cluster.stop();
  }
}

type Stream = NodeJS.ReadableStream & { destroy(): void };

/** Seconds from `die` to the replacement's `create` and `start`, and to its task being Running. */
interface Healed {
  readonly create: number;
  readonly start: number;
  readonly running: number;
}

/** The engine's container events from now on, with their times in ms. */
class EngineEvents {
  readonly #seen: { id: string; action: string; at: number }[] = [];
  readonly #stream: Stream;

  static async follow(docker: Docker): Promise<EngineEvents> {
    const filters = JSON.stringify({ type: ['container'], event: ['die', 'create', 'start'] });
    return new EngineEvents((await docker.getEvents({ filters })) as Stream);
  }

  private constructor(stream: Stream) {
    this.#stream = stream;
    let rest = '';
    stream.on('data', (chunk: Buffer) => {
      const lines = (rest + chunk.toString('utf8')).split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) {
        const event = JSON.parse(line) as { Action: string; timeNano: number; Actor: { ID: string } };
        this.#seen.push({ id: event.Actor.ID, action: event.Action, at: event.timeNano / 1e6 });
      }
    });
  }

  of(id: string, action: 'die' | 'create' | 'start'): Promise<number> {
    return eventually(
      `${action} of ${id}`,
      () => this.#seen.find((e) => e.id === id && e.action === action)?.at,
    );
  }

  close(): void {
    this.#stream.destroy();
  }
}

async function deploy(client: Client): Promise<void> {
  const metadata = { name: 'bench', namespace: 'default' };
  const service = { apiVersion: 'orc.dev/v1', kind: 'Service', metadata, spec: { image, replicas } } as const;
  await client.apply(service, { fieldManager: 'bench' });
  for await (const event of client.watch('Service', { namespace: 'default' })) {
    const services: readonly Service[] =
      event.type === 'SYNC' ? event.items : 'object' in event ? [event.object] : [];
    if (isReady(services[0], replicas)) return;
  }
}

async function healSeconds(
  client: Client,
  docker: Docker,
  events: EngineEvents,
  slot: number,
): Promise<Healed> {
  // What the last round left to do is over, as on a cluster that nobody works on.
  await delay(1_000);
  const before = (await client.list('Task', { namespace: 'default' })).items;
  const victim = before.find((task) => task.spec.slot === slot && task.status?.state === 'Running');
  const id = victim?.status?.containerID ?? '';
  const known = new Set(before.map(({ metadata }) => metadata.uid));
  let watching: (() => void) | undefined;
  const watches = new Promise<void>((resolve) => (watching = resolve));
  const replaced = untilReplaced(client, known, () => watching?.());
  await watches;
  await docker.getContainer(id).kill();
  const { task, at } = await replaced;
  const newId = task.status?.containerID ?? '';
  const died = await events.of(id, 'die');
  const [created, started] = [await events.of(newId, 'create'), await events.of(newId, 'start')];
  return { create: (created - died) / 1000, start: (started - died) / 1000, running: (at - died) / 1000 };
}

/** The first task that was not known and is Running, and when (ms since the epoch) the watch said so. */
async function untilReplaced(
  client: Client,
  known: ReadonlySet<string | undefined>,
  onWatching: () => void,
): Promise<{ task: Task; at: number }> {
  for await (const event of client.watch('Task', { namespace: 'default' })) {
    const at = performance.timeOrigin + performance.now();
    if (event.type === 'SYNC') onWatching();
    const tasks: readonly Task[] =
      event.type === 'SYNC' ? event.items : 'object' in event ? [event.object] : [];
    const task = tasks.find(
      ({ metadata, status }) => !known.has(metadata.uid) && status?.state === 'Running',
    );
    if (task !== undefined) return { task, at };
  }
  throw new Error('the watch of tasks ended');
}

async function floorSeconds(docker: Docker, events: EngineEvents): Promise<number> {
  const network = await docker.createNetwork({ Name: 'floor', CheckDuplicate: true });
  const make = async (): Promise<Docker.Container> => {
    const container = await docker.createContainer({
      Image: image,
      HostConfig: { NetworkMode: network.id },
      NetworkingConfig: { EndpointsConfig: { [network.id]: {} } },
    });
    await container.start();
    return container;
  };
  const first = await make();
  await delay(1_000);
  const dead = first.wait();
  await first.kill();
  await dead;
  const second = await make();
  const done = performance.timeOrigin + performance.now();
  const died = await events.of(first.id, 'die');
  for (const container of [first, second]) await container.remove({ force: true, v: true });
  await network.remove();
  return (done - died) / 1000;
}

async function remove(client: Client, cluster: Cluster): Promise<void> {
  await client.delete('Service', { name: 'bench' }, { propagation: 'Foreground' });
  const isGone = async (): Promise<boolean> =>
    (await client.list('Service', { namespace: 'default' })).items.length === 0 &&
    (await cluster.containers()).length === 0;
  await eventually('service and containers are gone', isGone, 120_000);
}
