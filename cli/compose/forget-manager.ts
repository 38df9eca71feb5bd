import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { systemClock } from '../../kit/clock.ts';

/** Certificates that only a manager has; the CA's own is what every node trusts. */
const managersOnly = ['server', 'admin', 'etcd', 'etcd-client'] as const;

/** Removes what only managers have: the CA's key first, then certificates and the data of etcd. May be repeated. */
export async function forgetManager(dataDir: string): Promise<void> {
  const pki = (name: string): string => join(dataDir, 'pki', name);
  for (const name of ['ca.key', 'next-ca.key', 'next-ca.crt']) await rm(pki(name), { force: true });
  for (const name of managersOnly)
    for (const end of ['key', 'crt']) await rm(pki(`${name}.${end}`), { force: true });
  const { endLeftOver } = await import('../../store/index.ts');
  await endLeftOver(join(dataDir, 'etcd'), systemClock);
  await rm(join(dataDir, 'etcd'), { recursive: true, force: true });
}
