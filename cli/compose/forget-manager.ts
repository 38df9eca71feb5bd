import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { systemClock } from '../../kit/clock.ts';
import type { Io } from '../io.ts';
import { dropContext } from './context.ts';

/** Certificates that only a manager has; the CA's own is what every node trusts. */
const managersOnly = ['server', 'admin', 'etcd', 'etcd-client'] as const;

/**
 * Removes what only managers have: the admin's context, told by a key that goes with it; the CA's key; certificates and
 * the data of etcd. May be repeated.
 */
export async function forgetManager(io: Io, dataDir: string): Promise<void> {
  await dropContext(io, dataDir);
  const pki = (name: string): string => join(dataDir, 'pki', name);
  for (const name of ['ca.key', 'next-ca.key', 'next-ca.crt']) await rm(pki(name), { force: true });
  for (const name of managersOnly)
    for (const end of ['key', 'crt']) await rm(pki(`${name}.${end}`), { force: true });
  const { endLeftOver } = await import('../../store/index.ts');
  await endLeftOver(join(dataDir, 'etcd'), systemClock);
  await rm(join(dataDir, 'etcd'), { recursive: true, force: true });
}
