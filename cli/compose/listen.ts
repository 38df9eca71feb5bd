import { createServer } from 'node:net';
import { messageOf } from '../../kit/errors.ts';
import { CliError, usageError } from '../errors.ts';
import type { Listen } from './flags.ts';

/**
 * Takes the address for a moment, so that one that cannot be had is told before etcd has started. Another process
 * may still take it meanwhile: `listenError` says that of the real attempt too.
 */
export function checkListen({ host, port }: Listen): Promise<void> {
  return new Promise((resolve, reject) => {
    const probe = createServer();
    probe.once('error', (error) => reject(listenError(error, { host, port })));
    probe.listen({ host, port, exclusive: true }, () => probe.close(() => resolve()));
  });
}

/** Why nobody can listen there, in words. */
export function listenError(error: unknown, { host, port }: Listen): Error {
  const { code } = error as NodeJS.ErrnoException;
  switch (code) {
    case 'EADDRINUSE':
      return new CliError(
        `${host}:${port} is in use by another process: stop it, or choose another --listen`,
        { cause: error },
      );
    case 'EADDRNOTAVAIL':
      return usageError(`--listen: ${host} is not an address of this machine`, 'e.g. 127.0.0.1, or 0.0.0.0');
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return usageError(`--listen: there is no host "${host}"`, 'e.g. --listen 127.0.0.1:6750');
    case 'EACCES':
      return new CliError(`${host}:${port} needs more rights than this user has: choose another --listen`, {
        cause: error,
      });
    default:
      return error instanceof Error ? error : new Error(messageOf(error));
  }
}
