/**
 * From `apply` to all Running, beside the floor: the same containers created and started straight through the Engine
 * API, on a network of the same kind, with the same concurrency, in the same run and on the same engine.
 */
import Docker from 'dockerode';
import { defaultStarts } from '../../agent/index.ts';
import type { Client } from '../../client/index.ts';
import type { Service } from '../../api-schemas/index.ts';
import { openClient } from '../harness/client.ts';
import { eventually, startCluster, type Cluster } from '../harness/cluster.ts';
import { option } from '../harness/figures.ts';

const image = 'orc.local/hello:1';

interface Case {
  readonly replicas: number;
  readonly orc_s: number;
  readonly floor_s: number;
  readonly ratio: number;
}

export async function run(log: (line: string) => void, args: readonly string[]): Promise<{ cases: Case[] }> {
  const sizes = (option(args, '--replicas') ?? '10,50,100').split(',').map(Number);
  const rounds = Number(option(args, '--rounds') ?? 3);
  const cluster = await startCluster({ upArgs: ['--log-level', 'warn'] });
  try {
    const docker = new Docker({ socketPath: cluster.engine.socketPath });
    const client = await openClient(cluster.env['ORC_CONFIG'] ?? '');
    const cases: Case[] = [];
    for (const replicas of sizes) {
      const pairs: { orc: number; floor: number }[] = [];
      for (let round = 0; round < rounds; round++) {
        // Which goes first changes, so that neither always has the warmer engine.
        const both = [() => orcSeconds(client, cluster, replicas), () => floorSeconds(docker, replicas)];
        const order = round % 2 === 0 ? [0, 1] : [1, 0];
        const result: number[] = [];
        for (const index of order) result[index] = (await both[index]?.()) ?? NaN;
        const [orc = NaN, floor = NaN] = result;
        log(`${replicas} replicas, round ${round + 1}: orc ${orc.toFixed(2)} s, floor ${floor.toFixed(2)} s`);
        pairs.push({ orc, floor });
      }
      cases.push({
        replicas,
        orc_s: round3(median(pairs.map(({ orc }) => orc))),
        floor_s: round3(median(pairs.map(({ floor }) => floor))),
        ratio: round3(median(pairs.map(({ orc, floor }) => orc / floor))),
      });
    }
    client.close();
    return { cases };
  } finally {
    await cluster.stop();
  }
}

async function orcSeconds(client: Client, cluster: Cluster, replicas: number): Promise<number> {
  const service = {
    apiVersion: 'orc.dev/v1',
    kind: 'Service',
    metadata: { name: 'bench', namespace: 'default' },
    spec: { image, replicas, stopGracePeriod: '1s' },
  } as const;
  const started = performance.now();
  await client.apply(service, { fieldManager: 'bench' });
  const events = client.watch('Service', { namespace: 'default', fieldSelector: 'metadata.name=bench' });
  for await (const event of events) {
    const services: readonly Service[] =
      event.type === 'SYNC' ? event.items : 'object' in event ? [event.object] : [];
    if (services[0]?.status?.ready === replicas) break;
  }
  const seconds = (performance.now() - started) / 1000;
  await client.delete('Service', { name: 'bench' }, { propagation: 'Foreground' });
  const isGone = async (): Promise<boolean> =>
    (await client.list('Service', { namespace: 'default' })).items.length === 0 &&
    (await cluster.containers()).length === 0;
  await eventually('service and containers are gone', isGone, 120_000);
  return seconds;
}

async function floorSeconds(docker: Docker, replicas: number): Promise<number> {
  const network = await docker.createNetwork({ Name: 'floor', CheckDuplicate: true });
  const queue = Array.from({ length: replicas }, (_, index) => index);
  const containers: Docker.Container[] = [];
  const started = performance.now();
  await Promise.all(
    Array.from({ length: defaultStarts }, async () => {
      for (let index = queue.shift(); index !== undefined; index = queue.shift()) {
        const container = await docker.createContainer({
          name: `floor-${index}`,
          Image: image,
          HostConfig: { NetworkMode: network.id },
          NetworkingConfig: { EndpointsConfig: { [network.id]: {} } },
        });
        await container.start();
        containers.push(container);
      }
    }),
  );
  const seconds = (performance.now() - started) / 1000;
  await Promise.all(containers.map((container) => container.remove({ force: true, v: true })));
  await network.remove();
  return seconds;
}

const median = (values: readonly number[]): number =>
  [...values].sort((a, b) => a - b)[values.length >> 1] ?? NaN;
const round3 = (value: number): number => Math.round(value * 1000) / 1000;
