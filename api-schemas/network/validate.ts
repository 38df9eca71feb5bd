import type { Cause } from '../../kit/errors.ts';
import { each } from '../items.ts';
import * as problem from '../problems.ts';
import { parseSubnet } from '../subnet.ts';
import type { NetworkSpec, TaskTemplate } from '../types.ts';

/** Names that mean something else where networks are listed. */
const modes: readonly string[] = ['host', 'none'];
/** Smaller than this, nothing is left beside the virtual IPs; larger than the other, it is a typing error. */
const [widest, narrowest] = [8, 25];

/** Rules between the fields of a network; `at` is their path. */
export function validateNetworkSpec(spec: NetworkSpec, at: string): readonly Cause[] {
  if (spec.external !== undefined) {
    const own = ['subnet', 'ipv6', 'internal', 'attachable', 'mtu', 'encrypted', 'driverOptions'] as const;
    return own
      .filter((field) => spec[field] !== undefined)
      .map((field) =>
        problem.forbidden(`${at}.${field}`, 'not with `external`: that network is the engine’s, as it is'),
      );
  }
  return [...subnetProblems(spec, at), ...mtuProblems(spec, at)];
}

function subnetProblems({ subnet }: NetworkSpec, at: string): readonly Cause[] {
  if (subnet === undefined) return [];
  const { prefix } = parseSubnet(subnet);
  return prefix >= widest && prefix <= narrowest
    ? []
    : [
        problem.invalid(
          `${at}.subnet`,
          subnet,
          `must be between /${String(widest)} and /${String(narrowest)}: a part is for virtual IPs, and each node takes 32 addresses at a time`,
        ),
      ];
}

/** The kernel has no IPv6 on a device that takes less. */
const leastMtu6 = 1280;

const mtuProblems = ({ ipv6, mtu }: NetworkSpec, at: string): readonly Cause[] =>
  ipv6 !== true || mtu === undefined || mtu >= leastMtu6
    ? []
    : [problem.invalid(`${at}.mtu`, mtu, `must be at least ${String(leastMtu6)} with \`ipv6\``)];

/** A network may not be named like a network mode. */
export const validateNetworkName = (name: string, at: string): readonly Cause[] =>
  modes.includes(name)
    ? [problem.invalid(at, name, `is not a name for a network: \`networkMode: ${name}\` means another thing`)]
    : [];

/** Rules of the networks of a task template; `at` is its path. */
export function validateAttachments({ networks, networkMode }: TaskTemplate, at: string): readonly Cause[] {
  const causes: Cause[] = [];
  if (networkMode !== undefined && networks !== undefined)
    causes.push(
      problem.forbidden(`${at}.networkMode`, 'not together with `networks`: leave out one of the two'),
    );
  each(networks, `${at}.networks`, ({ name }, item) => {
    if (name !== undefined && modes.includes(name))
      causes.push(
        problem.invalid(`${item}.name`, name, `set \`networkMode: ${name}\` instead of \`networks\``),
      );
  });
  return causes;
}
