import { certificatesIn } from '../kit/certificate.ts';

interface Named {
  readonly name: string;
  readonly [field: string]: unknown;
}

/** What a configuration file names. */
interface Names {
  readonly clusters?: readonly Named[];
  readonly users?: readonly Named[];
  readonly contexts?: readonly Named[];
}

const find = (entries: readonly Named[] | undefined, name: string): Named | undefined =>
  entries?.find((entry) => entry.name === name);

/** Nothing has the name, or the cluster that has it is the one of this CA. A CA in a file of its own is not ours. */
function isFree(config: Names, name: string, ca: string): boolean {
  const context = find(config.contexts, name);
  const cluster = find(config.clusters, name);
  if (context === undefined && cluster === undefined && find(config.users, name) === undefined) return true;
  const data = (cluster?.['cluster'] as { 'certificate-authority-data'?: string } | undefined)?.[
    'certificate-authority-data'
  ];
  const pointsTo = (context?.['context'] as { cluster?: string } | undefined)?.cluster ?? name;
  return pointsTo === name && data !== undefined && isOneCluster(Buffer.from(data, 'base64').toString(), ca);
}

/** While the CA of a cluster is replaced it has both, so that some time both texts have one in common. */
function isOneCluster(known: string, ca: string): boolean {
  const old = new Set(certificatesIn(known));
  return known === ca || certificatesIn(ca).some((one) => old.has(one));
}

/**
 * `wanted`, or `wanted-2`, `wanted-3`, …: the first name that no other cluster has. No two clusters have a CA in
 * common, so the same cluster finds its own name again, and the way to another one is never written over.
 */
export function contextNameFor(config: Names, wanted: string, ca: string): string {
  for (let count = 1; ; count++) {
    const name = count === 1 ? wanted : `${wanted}-${String(count)}`;
    if (isFree(config, name, ca)) return name;
  }
}
