import { clusterName, type Cluster } from '../../api-schemas/index.ts';
import type { Client } from '../../client/index.ts';
import { CliError } from '../errors.ts';

/** Asks the cluster for new keys of its encrypted networks; resolves with what is to be said of it. */
export async function rotateKeys(client: Client, signal: AbortSignal): Promise<string> {
  const cluster = await client.get('Cluster', { name: clusterName }, signal);
  const { status } = cluster;
  if (status?.keys === undefined)
    throw new CliError('there are no keys to rotate: the cluster has had no encrypted network yet', {
      remedy: 'make a Network with `encrypted: true`',
    });
  const keyGeneration = nextGeneration(cluster);
  await client.patch(
    'Cluster',
    { name: clusterName },
    'merge',
    { spec: { networks: { keyGeneration } } },
    { signal },
  );
  return `new keys are asked for, of epoch ${String(status.keys.epoch + 1)}; \`orc describe cluster ${clusterName}\` shows when it has begun`;
}

/** Two who ask at once mean the same one. Pure. */
export const nextGeneration = ({ spec, status }: Cluster): number =>
  Math.max(spec.networks?.keyGeneration ?? 0, (status?.keys?.generation ?? 0) + 1);
