import { join } from 'node:path';
import { digestOf } from '../../kit/certificate.ts';
import { readIfThere, writeDurably } from '../../kit/files.ts';

const fileOf = (dataDir: string): string => join(dataDir, 'pki', 'cluster-id');

/**
 * The cluster's identity on engines, which its containers carry. It is made of the first CA, and stays when that is
 * replaced: the first start writes it down, and a machine that joins is told.
 */
export async function clusterId(dataDir: string, ca: string): Promise<string> {
  const known = (await readIfThere(fileOf(dataDir)))?.trim();
  if (known !== undefined && known !== '') return known;
  const id = digestOf(ca).slice(0, 16);
  await writeClusterId(dataDir, id);
  return id;
}

export const writeClusterId = (dataDir: string, id: string): Promise<void> =>
  writeDurably(fileOf(dataDir), `${id}\n`, 0o644);
