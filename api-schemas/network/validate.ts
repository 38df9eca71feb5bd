import type { Cause } from '../../kit/errors.ts';
import { each } from '../items.ts';
import { joinPath } from '../path.ts';
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
    const mode = predefined[spec.external];
    if (mode !== undefined) return [problem.invalid(`${at}.external`, spec.external, mode)];
    const own = ['subnet', 'ipv6', 'internal', 'attachable', 'mtu', 'encrypted', 'driverOptions'] as const;
    return own
      .filter((field) => spec[field] !== undefined)
      .map((field) =>
        problem.forbidden(`${at}.${field}`, 'not with `external`: that network is the engine’s, as it is'),
      );
  }
  return [...validateOptions(spec, at), ...validateSubnet(spec, at), ...validateMtu(spec, at)];
}

/** The kernel has no IPv6 on a device that takes less. */
const leastMtu6 = 1280;

const validateMtu = ({ ipv6, mtu }: NetworkSpec, at: string): readonly Cause[] =>
  ipv6 !== true || mtu === undefined || mtu >= leastMtu6
    ? []
    : [problem.invalid(`${at}.mtu`, mtu, `must be at least ${String(leastMtu6)} with \`ipv6\``)];

/** What the engine has of itself, and what is to be said instead. */
const predefined: Readonly<Record<string, string>> = {
  host: 'is no network to be on: set `networkMode: host` on the services',
  none: 'is no network to be on: set `networkMode: none` on the services',
  bridge: 'has neither names nor aliases: make a network of your own on each node (`docker network create`)',
};

/** Options that orc sets itself, or cannot do with. */
const refusedOptions: Readonly<Record<string, string>> = {
  'com.docker.network.bridge.name': 'orc names the bridge',
  'com.docker.network.driver.mtu': 'set `mtu`',
  'com.docker.network.bridge.inhibit_ipv4':
    'the bridge needs its address: it is the name server of the containers',
};

function validateOptions({ driverOptions = {} }: NetworkSpec, at: string): readonly Cause[] {
  return Object.entries(driverOptions).flatMap(([name, value]) => {
    const field = joinPath(`${at}.driverOptions`, name);
    const why = refusedOptions[name];
    if (why !== undefined) return [problem.forbidden(field, why)];
    return name === 'com.docker.network.bridge.gateway_mode_ipv4' && value === 'isolated'
      ? [problem.invalid(field, value, 'the bridge needs its address: `internal: true` closes the way out')]
      : [];
  });
}

function validateSubnet(spec: NetworkSpec, at: string): readonly Cause[] {
  if (spec.subnet === undefined) return [];
  const { prefix } = parseSubnet(spec.subnet);
  return prefix >= widest && prefix <= narrowest
    ? []
    : [
        problem.invalid(
          `${at}.subnet`,
          spec.subnet,
          `must be between /${String(widest)} and /${String(narrowest)}: a part is for virtual IPs, and each node takes 32 addresses at a time`,
        ),
      ];
}

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
