import { hostname } from 'node:os';
import type { NodeStatus } from '../api-schemas/index.ts';
import { hostAddresses } from '../kit/host-addresses.ts';
import type { EngineInfo } from './runtime/types.ts';

/** What a node says of itself. Pure but for the host's own facts, which a test passes in. */
export function describeNode(
  facts: {
    readonly role: 'manager' | 'worker';
    readonly agentVersion?: string;
    /** By which others reach it: it comes first. */
    readonly address?: string | undefined;
    readonly routes?: NodeStatus['routes'];
    /** What is wrong with its networks. */
    readonly network?: NodeStatus['network'];
    readonly encryption?: NodeStatus['encryption'] | undefined;
    readonly certificate?: NodeStatus['certificate'] | undefined;
    readonly engine: EngineInfo | undefined;
    /** What had become of the containers was looked at, and told. */
    readonly settled?: boolean;
    /** Why the engine does not answer; absent when it does. */
    readonly engineProblem?: string;
  },
  host = { hostname: hostname(), addresses: ownAddresses() },
): NodeStatus {
  const { role, engine, engineProblem, settled, agentVersion, certificate } = facts;
  const others = host.addresses.filter((one) => one !== facts.address);
  const { routes, network, encryption } = facts;
  return {
    hostname: host.hostname,
    addresses: facts.address === undefined ? others : [facts.address, ...others],
    ...(routes === undefined ? {} : { routes }),
    ...(encryption === undefined ? {} : { encryption }),
    ...(network === undefined ? {} : { network }),
    role,
    ...(agentVersion === undefined ? {} : { agentVersion }),
    ...(certificate === undefined ? {} : { certificate }),
    ...(engine === undefined ? {} : { platform: engine.platform, capacity: engine.capacity }),
    engine: {
      runtime: engine?.runtime ?? 'docker',
      version: engine?.version ?? '',
      apiVersion: engine?.apiVersion ?? '',
      ...(engine === undefined ? {} : { labels: engine.labels }),
      reachable: engineProblem === undefined,
      ...(settled === undefined ? {} : { settled }),
      ...(engineProblem === undefined ? {} : { message: engineProblem }),
    },
  };
}

const ownAddresses = (): readonly string[] =>
  hostAddresses()
    .map(({ address }) => address)
    .sort();
