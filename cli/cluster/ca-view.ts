/** What of a replacement of the CA is told to a person. Pure. */
import type { Cluster, ClusterCa, Node } from '../../api-schemas/index.ts';

/** As much of a digest as tells two CAs apart. */
export const short = (digest: string | undefined): string =>
  digest === undefined ? '-' : digest.slice(0, 16);

export const caOfCluster = (cluster: Cluster | undefined): ClusterCa | undefined => cluster?.status?.ca;

/** The rotation that is under way or asked for; undefined when there is none. */
export function underWay(cluster: Cluster | undefined): number | undefined {
  const ca = caOfCluster(cluster);
  if (ca !== undefined && ca.phase !== 'Done') return ca.rotation;
  const asked = cluster?.spec.ca?.rotation ?? 0;
  return asked > (ca?.rotation ?? 0) ? asked : undefined;
}

export const waitOf = (cluster: Cluster | undefined): string => cluster?.spec.ca?.waitForUnreachable ?? '2m';

const aims: Readonly<Record<ClusterCa['phase'], string>> = {
  Create: 'a manager makes the new CA',
  Trust: 'all come to trust both CAs',
  Issue: 'certificates come to be of the new CA',
  Drop: 'all cease to trust the old CA',
  Done: 'all is done',
};

const ofKind = (ids: readonly string[], kind: 'manager' | 'node'): readonly string[] =>
  ids.filter((id) => id.startsWith(`${kind} `));

const turnText = ({ turn }: ClusterCa): string => (turn === undefined ? '' : `, ${turn} has the turn`);

/** `Trust, n2 has the turn: all come to trust both CAs` */
export const phaseText = (ca: ClusterCa): string => `${ca.phase}${turnText(ca)}: ${aims[ca.phase]}`;

const mostNames = 5;

/** How far the rotation is. Lines name their phase: outside of a terminal each is printed once. */
export function progressLines(cluster: Cluster | undefined, nodes: readonly Node[]): readonly string[] {
  const ca = caOfCluster(cluster);
  const wanted = underWay(cluster);
  if (cluster === undefined || (ca === undefined && wanted === undefined)) return [];
  if (ca === undefined || (ca.phase === 'Done' && wanted !== undefined))
    return [`rotation ${String(wanted)} is asked for; a manager that leads begins it`];
  const { phase, waitingFor, skipped } = ca;
  if (phase === 'Done') return [`rotation ${String(ca.rotation)} is done`];
  const managers = Object.keys(cluster.status?.managers ?? {});
  const count = (all: number, kind: 'manager' | 'node'): string => {
    const left = new Set([...ofKind(waitingFor, kind), ...ofKind(skipped, kind)]);
    return `${String(Math.max(0, all - left.size))} of ${String(all)} ${kind}s done`;
  };
  const isAtNodes = phase !== 'Create' && ofKind(waitingFor, 'manager').length === 0;
  const done = isAtNodes ? count(nodes.length, 'node') : count(managers.length, 'manager');
  const how = phase === 'Create' ? phaseText(ca) : `${phase}, ${done}${turnText(ca)}: ${aims[phase]}`;
  const awaited = waitingFor.filter((id) => id !== `manager ${ca.turn ?? ''}`);
  // Where there is more to say than a name, it is what a person has to know.
  const named = isAtNodes ? awaited : awaited.filter((id) => id.includes(': '));
  return [
    `rotation ${String(ca.rotation)}: ${how}`,
    ...(named.length > mostNames
      ? []
      : named.map((id) => `  ${phase}: waiting for ${id}${reach(id, nodes, cluster)}`)),
    ...toJoinAgain(cluster).map((id) => `  skipped: ${id}, out of reach; ${remedyOf(id)}`),
  ];
}

function reach(id: string, nodes: readonly Node[], cluster: Cluster): string {
  const node = nodes.find(({ metadata }) => id === `node ${metadata.name}`);
  const connected = node?.status?.conditions?.find(({ type }) => type === 'Connected');
  return node === undefined || connected?.status === 'True'
    ? ''
    : `, out of reach (for ${waitOf(cluster)} at most)`;
}

/** Those that a person has to do something about: a manager is joined again with its node. */
export const toJoinAgain = (cluster: Cluster | undefined): readonly string[] => {
  const skipped = caOfCluster(cluster)?.skipped ?? [];
  return skipped.filter(
    (id) => !skipped.includes(id.replace(/^node /, 'manager ')) || id.startsWith('manager '),
  );
};

/** What is wrong with one that was skipped. */
export const skippedText = (id: string): string =>
  `${id} does not trust the present CA: it was out of reach for too long while the CA was replaced`;

/** What a person does about one that was skipped. */
export const remedyOf = (id: string): string =>
  id.startsWith('manager ')
    ? `stop orc there, \`orc node rm ${id.slice('manager '.length)}\`, then \`orc leave --force\` and \`orc join\` there`
    : 'stop orc there and join it again (`orc token show worker`)';

/** The managers: which CA each issues with, trusts, and has to come next. */
export const managerRows = (cluster: Cluster | undefined): readonly (readonly string[])[] =>
  Object.entries(cluster?.status?.managers ?? {})
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, { pki }]) => [
      name,
      short(pki?.issuer),
      pki === undefined ? 'unknown: an older orc' : pki.trust.map(short).join(', '),
      short(pki?.next),
    ]);

/** The nodes, those that are alike in one row: of which CA their certificates are, and which they trust. */
export function nodeRows(nodes: readonly Node[]): readonly (readonly string[])[] {
  const groups = new Map<string, { readonly cells: readonly string[]; readonly names: string[] }>();
  for (const { metadata, status } of nodes) {
    const { issuer, trust } = status?.certificate ?? {};
    const cells = [short(issuer), trust === undefined ? 'unknown' : trust.map(short).join(', ')];
    const group = groups.get(cells.join()) ?? { cells, names: [] };
    group.names.push(metadata.name);
    groups.set(cells.join(), group);
  }
  return [...groups.values()].map(({ cells, names }) => [String(names.length), ...cells, someOf(names)]);
}

const someOf = (names: readonly string[]): string => {
  const more = names.length - mostNames;
  return names.slice(0, mostNames).join(', ') + (more > 0 ? ` and ${String(more)} more` : '');
};
