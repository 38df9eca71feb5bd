import { join } from 'node:path';
import { readIfThere } from '../../kit/files.ts';
import type { ClusterFile } from './cluster-file.ts';

/** What was written when it joined, and what servers have told its agent since: `https://host:port` each. */
export async function knownServers(
  dataDir: string,
  file: Pick<ClusterFile, 'servers'>,
): Promise<readonly string[]> {
  const text = await readIfThere(join(dataDir, 'agent', 'servers.json'));
  let learned: unknown;
  try {
    learned = (JSON.parse(text ?? '{}') as { servers?: unknown }).servers;
  } catch {
    learned = undefined;
  }
  const isServer = (one: unknown): one is string => typeof one === 'string' && one.startsWith('https://');
  return [...new Set([...(Array.isArray(learned) ? learned.filter(isServer) : []), ...file.servers])];
}
