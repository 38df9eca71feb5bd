/** What an agent is asked, and says, of the paths of its networks: `GET …/nodes/NAME/netcheck`. Only admins may ask. */
import type { NetworkProblem } from './types.ts';

/** How far a probe came. */
export const netCheckSteps = [
  'local',
  'underlay',
  'tunnel',
  'mtu',
  'name',
  'virtualIP',
  'endpoint',
  'port',
] as const;
export type NetCheckStep = (typeof netCheckSteps)[number];

/** Whether the address of another node answers at all: with a connection or its refusal, with nothing, or no way there. */
export type Reach = 'answers' | 'silent' | 'unreachable';

/** The way to another node through one network, as seen from one end. */
export interface NetCheckPath {
  /** `namespace/name`. */
  readonly network: string;
  readonly peer: string;
  /** Of the peer. */
  readonly address: string;
  /** The network is encrypted: its packets go by other ports. */
  readonly encrypted?: boolean;
  /** Bytes of the largest packet of the network. */
  readonly mtu: number;
  /** A small probe was answered. */
  readonly small: boolean;
  /** One of `mtu` bytes was answered, with a small answer: so it arrived. */
  readonly full: boolean;
  /** Bytes of the largest packet that was answered, when that is not the full one. */
  readonly passes?: number;
  /** Of the small one, there and back. */
  readonly ms?: number;
  /** Looked at only when nothing comes back. */
  readonly reach?: Reach;
  /** What the kernel of this node said when the probe was sent. */
  readonly error?: string;
}

/** A node that this one shares no network with: whether its address answers. */
export interface NetCheckReach {
  readonly peer: string;
  readonly address: string;
  readonly reach: Reach;
}

/** What does not answer, of what containers and clients use. */
export interface NetCheckFailure {
  readonly step: Extract<NetCheckStep, 'name' | 'virtualIP' | 'endpoint' | 'port'>;
  /** `namespace/name`. */
  readonly service: string;
  readonly network?: string;
  /** `10.64.0.3:80/tcp`, `8080/tcp` or a name. */
  readonly target: string;
  /** Task and node of an endpoint. */
  readonly task?: string;
  readonly node?: string;
  /** Task in whose network namespace it was tried; absent: the node's own. */
  readonly from?: string;
  readonly message: string;
}

export interface NetCheckReport {
  readonly node: string;
  readonly address?: string;
  /** Networks that it is in, of those that were asked for. */
  readonly networks: readonly string[];
  readonly paths: readonly NetCheckPath[];
  readonly reaches: readonly NetCheckReach[];
  readonly failures: readonly NetCheckFailure[];
  /** How many of each were tried. */
  readonly tried: Readonly<Partial<Record<NetCheckStep, number>>>;
  readonly problems: readonly NetworkProblem[];
  /** What was left out, in words. */
  readonly skipped: readonly string[];
  /** Since the start of the agent. */
  readonly counts: Readonly<Record<string, number>>;
}

/** What has come of the probes of others, of one check. */
export interface NetCheckHeard {
  readonly node: string;
  readonly heard: readonly {
    readonly network: string;
    readonly peer: string;
    /** Bytes of the largest packet that arrived. */
    readonly bytes: number;
  }[];
}

/** The UDP ports by which packets of such networks go from node to node, in words. */
export const udpPortsOf = (networks: readonly { readonly encrypted?: boolean }[]): string =>
  !networks.some(({ encrypted }) => encrypted === true)
    ? 'UDP 4789'
    : networks.every(({ encrypted }) => encrypted === true)
      ? 'UDP 6752 and 6753'
      : 'UDP 4789, 6752 and 6753';

/** One check is told from others by this: 32 hexadecimal digits. */
export const isCheckId = (text: string): boolean => /^[0-9a-f]{32}$/.test(text);
