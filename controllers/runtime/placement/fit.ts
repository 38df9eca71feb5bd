import {
  matchesConstraint,
  parseConstraint,
  type Constraint,
  type Node,
  type Placement,
  type Taint,
  type Toleration,
} from '../../../api-schemas/index.ts';
import { availabilityOf, isLost, isNodeReady, notReadyReason } from '../nodes.ts';
import { isDeleting } from '../names.ts';

/** What decides on a node without regard to what already runs there. */
export interface Wish {
  readonly constraints: readonly Constraint[];
  /** `os/arch` each; any when empty. */
  readonly platforms: readonly string[];
  readonly tolerations: readonly Toleration[];
}

const wishes = new WeakMap<Placement, Wish>();

/** Reads a placement once. Throws RangeError on a bad constraint (the API server lets none in). */
export function wishOf(placement: Placement | undefined, platform: string | undefined): Wish {
  const base = placement === undefined ? undefined : (wishes.get(placement) ?? readWish(placement));
  if (placement !== undefined && base !== undefined) wishes.set(placement, base);
  return {
    constraints: base?.constraints ?? [],
    platforms: platform === undefined ? (base?.platforms ?? []) : [platform],
    tolerations: base?.tolerations ?? [],
  };
}

const readWish = (placement: Placement): Wish => ({
  constraints: (placement.constraints ?? []).map(parseConstraint),
  platforms: placement.platforms ?? [],
  tolerations: placement.tolerations ?? [],
});

/** Returns why tasks with this wish may not be on the node at all; undefined when they may. */
export function placementRefusal(wish: Wish, node: Node, texts?: readonly string[]): string | undefined {
  const platform = node.status?.platform;
  if (wish.platforms.length > 0 && !wish.platforms.some((wanted) => platformMatches(wanted, platform))) {
    const has = platform === undefined ? 'an unknown platform' : `${platform.os}/${platform.arch}`;
    return `platform is ${has}, not ${wish.platforms.join(' or ')}`;
  }
  const expelled = untolerated(wish, node, 'NoExecute');
  if (expelled !== undefined) return taintText(expelled);
  const failed = wish.constraints.findIndex((constraint) => !matchesConstraint(constraint, node));
  if (failed < 0) return undefined;
  return `constraint \`${texts?.[failed] ?? textOf(wish.constraints[failed])}\` is not met`;
}

const textOf = (constraint: Constraint | undefined): string =>
  constraint === undefined
    ? ''
    : [constraint.key, constraint.operator, constraint.values.join(', ')].join(' ').trim();

type Effect = Taint['effect'];

/** The first taint of that effect that the wish does not put up with. (Kubernetes' rules.) */
export const untolerated = ({ tolerations }: Wish, node: Node, effect: Effect): Taint | undefined =>
  node.spec.taints?.find(
    (taint) => taint.effect === effect && !tolerations.some((one) => tolerates(one, taint)),
  );

function tolerates({ key, operator = 'Equal', value = '', effect }: Toleration, taint: Taint): boolean {
  if (effect !== undefined && effect !== taint.effect) return false;
  if (key === undefined) return operator === 'Exists';
  return key === taint.key && (operator === 'Exists' || value === (taint.value ?? ''));
}

const taintText = ({ key, value, effect }: Taint): string =>
  `taint ${key}${value === undefined ? '' : `=${value}`}:${effect} is not tolerated`;

/** Returns why new tasks of the wish may not go to the node, although those that run there may stay. */
export function taintRefusal(wish: Wish, node: Node): string | undefined {
  const taint = untolerated(wish, node, 'NoSchedule');
  return taint === undefined ? undefined : taintText(taint);
}

/** Returns why the node takes no new tasks now; undefined when it does. */
export function availabilityRefusal(node: Node): string | undefined {
  if (isDeleting(node)) return 'node is being removed';
  if (isLost(node)) return 'node is lost';
  if (!isNodeReady(node)) return `node is not ready (${notReadyReason(node)})`;
  switch (availabilityOf(node)) {
    case 'active':
      return undefined;
    case 'pause':
      return 'node is cordoned';
    case 'drain':
      return 'node is draining';
  }
}

const archAlias: Readonly<Record<string, string>> = { x86_64: 'amd64', aarch64: 'arm64', armv7l: 'arm' };
const sameArch = (a: string, b: string): boolean => (archAlias[a] ?? a) === (archAlias[b] ?? b);

/** Whether `os/arch`, `os` or `os/arch/variant` names the platform; the variant is the engine's matter. */
function platformMatches(wanted: string, platform: { os: string; arch: string } | undefined): boolean {
  if (platform === undefined) return false;
  const [os = '', arch] = wanted.toLowerCase().split('/');
  return (
    os === platform.os.toLowerCase() && (arch === undefined || sameArch(arch, platform.arch.toLowerCase()))
  );
}
