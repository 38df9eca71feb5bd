import { createHash } from 'node:crypto';
import { join } from 'node:path';

/** Name of an agent's nft table: agents that share a network namespace have data directories of their own. */
export function defaultTable(dataDir: string | undefined): string {
  if (dataDir === undefined || dataDir === join('/var/lib/orc', 'agent')) return 'orc_ingress';
  return `orc_ingress_${createHash('sha256').update(dataDir).digest('hex').slice(0, 8)}`;
}
