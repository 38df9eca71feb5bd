/** What is known of the networks of this node, for checks of them. */
import type { Endpoints, NetworkPeers } from '../../api-schemas/index.ts';
import type { Attached } from './inputs.ts';

/** A network that this node is in. */
export interface OwnNetwork {
  /** `namespace/name`. */
  readonly key: string;
  /** This node's own address on it. */
  readonly gateway: string;
  readonly mtu: number;
  readonly encrypted?: boolean;
}

export interface NetState {
  readonly networks: readonly OwnNetwork[];
  /** The same list until the servers say something else. */
  readonly peers: readonly NetworkPeers[];
  readonly endpoints: readonly Endpoints[];
  readonly attached: readonly Attached[];
}
