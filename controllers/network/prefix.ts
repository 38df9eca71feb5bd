/** The IPv6 prefix of a network, which follows from its number. Pure. */
import {
  clusterName,
  defaultPool6,
  overlaps6,
  parseSubnet6,
  subnet6Of,
  type Cluster,
  type Node,
  type Subnet6,
} from '../../api-schemas/index.ts';
import type { Refusal } from './pool.ts';

/** What was asked for, or what the cluster has had so far; the one that follows from its uid when it had none. */
export const pool6Of = (cluster: Cluster | undefined): string =>
  cluster?.spec.networks?.ipv6Pool ??
  cluster?.status?.ipv6Pool ??
  defaultPool6(cluster?.metadata.uid ?? clusterName);

/** The prefix for this number, unless a node has a route into it. */
export function choosePrefix(pool: string, vni: number, nodes: readonly Node[]): string | Refusal {
  const subnet6 = subnet6Of(pool, vni);
  for (const node of nodes) {
    const by = overlap6On(node, subnet6);
    if (by !== undefined)
      return {
        reason: 'SubnetOverlaps',
        message: `its IPv6 prefix ${subnet6} overlaps ${by}: take that away, or set another spec.networks.ipv6Pool in Cluster ${clusterName}`,
      };
  }
  return subnet6;
}

/** The IPv6 range of the node that the prefix overlaps, in words; undefined when there is none. */
export function overlap6On({ metadata, status }: Node, subnet6: string): string | undefined {
  const range = parseSubnet6(subnet6);
  const found = (status?.routes ?? []).find(({ to }) => {
    const theirs = parsed6(to);
    // The default route is for what nobody has.
    return theirs !== undefined && theirs.prefix > 0 && overlaps6(theirs, range);
  });
  return found === undefined ? undefined : `${found.to} of node ${metadata.name} (${found.of})`;
}

function parsed6(text: string): Subnet6 | undefined {
  try {
    return text.includes(':') ? parseSubnet6(text) : undefined;
  } catch {
    return undefined;
  }
}
