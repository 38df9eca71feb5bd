/** What each phase of a rotation asks of managers and nodes, and who has done it. Pure. */
import type { Cluster, ClusterCa, ManagerPki, Node, NodeCertificate } from '../../api-schemas/index.ts';
import { findCondition, isTrue } from '../runtime/conditions.ts';
import type { Since } from '../runtime/sightings.ts';

export type Phase = ClusterCa['phase'];

/** A manager or a node, as one phase looks at it. */
export interface Member {
  /** As `waitingFor` and `skipped` have it: `manager n2`, `node n5`. */
  readonly id: string;
  readonly name: string;
  readonly isReached: boolean;
  readonly isDone: boolean;
  /** It says which CA it trusts. One of an older version of orc does not. */
  readonly isTold: boolean;
  /** Its certificate is of the new CA. */
  readonly isIssued: boolean;
  /** Since when it is out of reach, where that is known. */
  readonly awaySinceMs?: number;
  /** What is amiss with it, and what a person does about that. */
  readonly trouble?: string;
}

export interface Manager extends Member {
  /** It has done what the phase before asked, so that it can do what this one asks. */
  readonly isAble: boolean;
  /** Through it the others can come to what the phase asks: it is able, and has the new CA's key. */
  readonly isSource: boolean;
}

export const managerId = (name: string): string => `manager ${name}`;
const nodeId = (name: string): string => `node ${name}`;

const before: Readonly<Record<Phase, Phase | undefined>> = {
  Create: undefined,
  Trust: undefined,
  Issue: 'Trust',
  Drop: 'Issue',
  Done: 'Issue',
};

/** Whether it trusts the new CA alone. */
const trustsOnly = (to: string, trust: readonly string[]): boolean =>
  trust.length > 0 && trust.every((one) => one === to);

const hasKeyOf = ({ to }: Pick<ClusterCa, 'to'>, pki: ManagerPki | undefined): boolean =>
  to !== undefined && (pki?.next === to || pki?.issuer === to);

const isOf = ({ to }: ClusterCa, one: { readonly issuer: string } | undefined): boolean =>
  to !== undefined && one?.issuer === to;

function managerDone(phase: Phase, { from, to = '' }: ClusterCa, pki: ManagerPki): boolean {
  switch (phase) {
    case 'Create':
      return pki.next !== undefined && pki.next !== from;
    case 'Trust':
      return (
        pki.trust.includes(to) && (pki.issuer === to || pki.trust.includes(from)) && hasKeyOf({ to }, pki)
      );
    case 'Issue':
      return pki.issuer === to;
    case 'Drop':
    case 'Done':
      return pki.issuer === to && trustsOnly(to, pki.trust);
  }
}

/** A node's certificate follows what it trusts, so that one that joined late may be ahead of the phase. */
function nodeDone(phase: Phase, { from, to = '' }: ClusterCa, { issuer, trust }: NodeCertificate): boolean {
  switch (phase) {
    case 'Create':
      return true;
    case 'Trust':
      return trust.includes(to) && (issuer === to || trust.includes(from));
    case 'Issue':
      return issuer === to;
    case 'Drop':
    case 'Done':
      return issuer === to && trustsOnly(to, trust);
  }
}

/** The managers, by name: who is alive holds its Lease. */
export function managersOf(
  { status }: Cluster,
  ca: ClusterCa,
  alive: ReadonlySet<string>,
): readonly Manager[] {
  const ahead = before[ca.phase];
  return Object.entries(status?.managers ?? {})
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, { pki }]) => {
      const isAble = pki !== undefined && (ahead === undefined || managerDone(ahead, ca, pki));
      return {
        id: managerId(name),
        name,
        isReached: alive.has(name),
        isDone: pki !== undefined && managerDone(ca.phase, ca, pki),
        isTold: pki !== undefined,
        isIssued: isOf(ca, pki),
        isAble,
        isSource: isAble && hasKeyOf(ca, pki),
      };
    });
}

/** The nodes, those of managers too: who is in reach is Connected. */
export const nodesOf = (nodes: readonly Node[], ca: ClusterCa, since: Since): readonly Member[] =>
  nodes.map((node) => {
    const { conditions, certificate } = node.status ?? {};
    const { name } = node.metadata;
    const isReached = isTrue(conditions, 'Connected');
    const awaySinceMs = isReached ? Number.NaN : since(node, findCondition(conditions, 'Connected'));
    return {
      id: nodeId(name),
      name,
      isReached,
      isDone: certificate !== undefined && nodeDone(ca.phase, ca, certificate),
      isTold: certificate !== undefined,
      isIssued: isOf(ca, certificate),
      ...(Number.isNaN(awaySinceMs) ? {} : { awaySinceMs }),
    };
  });
