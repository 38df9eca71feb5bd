/** From what each end of a path says to the direction that fails, and to the node that is cut off. Pure. */
import type { NetCheckPath } from '../../api-schemas/index.ts';
import type { Gathered } from './gather.ts';

/** Packets from one node to another that do not arrive. */
export interface Broken {
  readonly from: string;
  readonly to: string;
  readonly kind: 'all' | 'large';
  readonly networks: readonly string[];
  /** As the end that sends saw it, or the other one. */
  readonly paths: readonly NetCheckPath[];
}

/** The ways on which nothing, or nothing large, arrives. Which of two it is, the node says that did not hear. */
export function brokenWays({ reports, heard, silent }: Gathered): readonly Broken[] {
  const ways = new Map<string, { way: Broken; networks: Set<string>; paths: NetCheckPath[] }>();
  const note = (from: string, to: string, kind: Broken['kind'], path: NetCheckPath): void => {
    const key = `${from} ${to} ${kind}`;
    const known = ways.get(key) ?? {
      way: { from, to, kind, networks: [], paths: [] },
      networks: new Set(),
      paths: [],
    };
    ways.set(key, known);
    known.networks.add(path.network);
    known.paths.push(path);
  };
  for (const { node, paths } of reports)
    for (const path of paths) {
      if (path.error !== undefined && !path.small) continue;
      if (path.full) continue;
      if (path.small) note(node, path.peer, 'large', path);
      else if (silent.has(path.peer)) continue;
      else if (
        heard.get(path.peer)?.some(({ network, peer }) => network === path.network && peer === node) === true
      )
        note(path.peer, node, 'all', path);
      else note(node, path.peer, 'all', path);
    }
  return [...ways.values()].map(({ way, networks, paths }) => ({
    ...way,
    networks: [...networks].sort(),
    paths,
  }));
}

/** A node that exchanges nothing with any other on some networks. */
export interface CutOff {
  readonly node: string;
  readonly networks: readonly string[];
  readonly peers: readonly string[];
}

/**
 * Of the ways, those of a node that is cut off from all others (two at least) on a network are one thing, which is told
 * once; the rest stay as they are.
 */
export function cutOff(
  broken: readonly Broken[],
  { reports }: Gathered,
): { readonly alone: readonly CutOff[]; readonly ways: readonly Broken[] } {
  const isDown = (from: string, to: string, network: string): boolean =>
    broken.some(
      (way) => way.kind === 'all' && way.from === from && way.to === to && way.networks.includes(network),
    );
  const peersOf = (node: string, network: string): readonly string[] =>
    [
      ...new Set(
        reports.flatMap((report) =>
          report.paths.flatMap((path) =>
            path.network !== network
              ? []
              : report.node === node
                ? [path.peer]
                : path.peer === node
                  ? [report.node]
                  : [],
          ),
        ),
      ),
    ].sort();
  const nodes = [...new Set(broken.flatMap(({ from, to }) => [from, to]))].sort();
  const networks = [...new Set(broken.flatMap((way) => way.networks))].sort();
  const alone = new Map<string, { readonly networks: string[]; readonly peers: readonly string[] }>();
  for (const node of nodes)
    for (const network of networks) {
      const peers = peersOf(node, network);
      const isAlone = peers.every((peer) => isDown(node, peer, network) && isDown(peer, node, network));
      if (peers.length < 2 || !isAlone) continue;
      const known = alone.get(node);
      if (known === undefined) alone.set(node, { networks: [network], peers });
      else known.networks.push(network);
    }
  const isTold = (node: string, network: string): boolean =>
    alone.get(node)?.networks.includes(network) === true;
  return {
    alone: [...alone].map(([node, one]) => ({ node, ...one })),
    ways: broken.flatMap((way) => {
      if (way.kind === 'large') return [way];
      const left = way.networks.filter((network) => !isTold(way.from, network) && !isTold(way.to, network));
      return left.length === 0
        ? []
        : [{ ...way, networks: left, paths: way.paths.filter(({ network }) => left.includes(network)) }];
    }),
  };
}
