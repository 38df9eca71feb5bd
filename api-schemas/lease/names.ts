/** Where servers and leaders of controllers keep their Leases. */
export const leaseNamespace = 'orc-system';

const serverPrefix = 'server-';

/** Name of the Lease that a server holds while it lives. */
export const serverLease = (server: string): string => serverPrefix + server;

/** The server that holds the Lease of that name while it lives; undefined when it is no server's. */
export const serverOfLease = (lease: string): string | undefined =>
  lease.startsWith(serverPrefix) ? lease.slice(serverPrefix.length) : undefined;
