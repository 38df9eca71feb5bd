import { advertisedAddress, formatAddress, parseAddress, urlOf } from './advertise.ts';
import type { ClusterFile, ManagerAddresses } from './cluster-file.ts';
import { parseListen } from './flags.ts';

export interface NewAddresses {
  readonly listen?: string | undefined;
  readonly advertise?: string | undefined;
}

/**
 * The file of a machine that is reached elsewhere from now on; the very file when nothing is new. Of a worker it is
 * where it will be reached as a manager. Throws CliError for what is no address.
 */
export async function readdressed(file: ClusterFile, given: NewAddresses): Promise<ClusterFile> {
  const { manager, asManager, servers } = file;
  const before = manager ?? asManager;
  if (before === undefined) return file;
  const next = { ...before, ...(await addressesFor(before, given)) };
  if (next.listen === before.listen && next.advertise === before.advertise) return file;
  if (manager === undefined) return { ...file, asManager: next };
  const [old, now] = [manager, next].map(({ advertise }) => urlOf(parseAddress(advertise)));
  return {
    ...file,
    manager: { ...manager, ...next },
    servers: servers.map((server) => (server === old && now !== undefined ? now : server)),
  };
}

async function addressesFor(
  before: ManagerAddresses,
  { listen, advertise }: NewAddresses,
): Promise<Pick<ManagerAddresses, 'listen' | 'advertise'>> {
  const where = parseListen(listen ?? before.listen);
  // Who gives no port means the one that was.
  const port = listen === undefined ? parseAddress(before.advertise).port : where.port;
  return {
    listen: listen === undefined ? before.listen : formatAddress(where),
    advertise:
      advertise === undefined
        ? before.advertise
        : formatAddress(await advertisedAddress(advertise, { ...where, port })),
  };
}
