/** What this machine is, for who runs the CLI on it and has no context. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { NoContext } from '../../client/index.ts';
import { CliError } from '../errors.ts';
import type { ClusterFile } from './cluster-file.ts';
import { hasManager } from './has-manager.ts';

export interface Here {
  readonly role: 'manager' | 'worker';
  /** `https://host:port` of managers that are known. */
  readonly servers: readonly string[];
}

/** Of the machine whose data directory that is; undefined where it is in no cluster that others are in. */
export function hereIn(dataDir: string): Here | undefined {
  try {
    const file = JSON.parse(readFileSync(join(dataDir, 'cluster.json'), 'utf8')) as ClusterFile;
    return file.hasLeft === true ? undefined : file;
  } catch {
    // An agent by itself, with a certificate that was given to it: who has no key of the CA is no manager.
    const isNode = existsSync(join(dataDir, 'pki', 'node.crt'));
    return isNode && !hasManager(dataDir) ? { role: 'worker', servers: [] } : undefined;
  }
}

/** The error for a user: on a machine of a cluster another cluster is not what is missing. Pure. */
export function withoutContext(cause: NoContext, here: Here | undefined): CliError {
  const { path, message } = cause;
  switch (here?.role) {
    case undefined:
      return new CliError(message, { cause });
    case 'manager':
      return new CliError(
        `no cluster is configured (${path}), although this machine is a manager of one: the context is of the user who runs orc here`,
        {
          remedy: 'run this as that user, or set $ORC_CONFIG; each start of orc (`orc up`) writes it',
          cause,
        },
      );
    case 'worker': {
      const hosts = here.servers.map((server) => server.replace(/^https:\/\//, '')).join(', ');
      return new CliError(
        `no cluster is configured (${path}): this machine is a worker of one, and a worker has no context`,
        {
          remedy: `run this on a manager${hosts === '' ? '' : ` (${hosts})`}, or copy the ~/.orc/config of one here: it is an admin's`,
          cause,
        },
      );
    }
  }
}
