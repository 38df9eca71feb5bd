/** The command line of an etcd of ours. Each flag exists in etcd 3.4 and in 3.5. */
import { join } from 'node:path';

/** How a data directory without data becomes a member. With data it counts for nothing, but for `force-new`. */
export type Bootstrap =
  /** The first member of a cluster of its own. */
  | { readonly kind: 'new' }
  /** A member that was added before; `initialCluster` is what `addLearner` answered. */
  | { readonly kind: 'join'; readonly initialCluster: string }
  /**
   * Makes a cluster of this member alone, with the data that it has: the way out when the majority is lost for
   * good. Done once, however often it is asked for, until a start that asks for something else: a flag that was
   * left in a unit file does not throw out members that were added since.
   */
  | { readonly kind: 'force-new' };

/** A member of a cluster of several machines. */
export interface MemberOptions {
  /** Of the node; one name, one member. */
  readonly name: string;
  /**
   * `https://10.0.0.1:6751`. It listens on an address, never on a DNS name; the others dial what it advertises,
   * and its certificate must name that, and each address from which it dials them.
   */
  readonly peerUrl: { readonly listen: string; readonly advertise: string };
  readonly bootstrap: Bootstrap;
  /** The same on all members; the election time is that of ten beats. */
  readonly heartbeatMs: number;
  readonly electionMs: number;
}

/** Files. With them etcd serves https, and takes only clients that have a certificate of the CA. */
export interface EtcdTls {
  readonly caFile: string;
  /** Must name 127.0.0.1 and be good for servers and clients: members show it to each other. */
  readonly certFile: string;
  readonly keyFile: string;
  /**
   * Narrows the clients to those whose certificate names `hostname`, whatever else the CA has signed: nodes and
   * users have certificates of the same CA. A client's certificate must name 127.0.0.1, too: etcd compares its
   * names with the address that it comes from. The supervisor itself asks with these files.
   */
  readonly client?: { readonly certFile: string; readonly keyFile: string; readonly hostname: string };
}

export interface EtcdSettings {
  readonly dataDir: string;
  readonly clientPort: number;
  /** Of a lone etcd. */
  readonly peerPort: number;
  readonly tls?: EtcdTls | undefined;
  readonly quotaBytes: number;
  readonly member?: MemberOptions | undefined;
  /** What the certificates of all members have as CN. */
  readonly peerName?: string | undefined;
  /** Tells a cluster from another one that was made at the same address. */
  readonly clusterToken: string;
  /** There is data: the member knows its cluster. */
  readonly initialized: boolean;
  readonly args: readonly string[];
}

/** Name of the member of an etcd that is alone. */
const loneName = 'orc';

export const clientUrl = ({ clientPort, tls }: Pick<EtcdSettings, 'clientPort' | 'tls'>): string =>
  `${tls === undefined ? 'http' : 'https'}://127.0.0.1:${clientPort}`;

export function etcdArgs(settings: EtcdSettings): readonly string[] {
  const { dataDir, tls, quotaBytes, member, args } = settings;
  const client = clientUrl(settings);
  return [
    `--name=${member?.name ?? loneName}`,
    `--data-dir=${join(dataDir, 'data')}`,
    // Never on the network: a server talks to the member of its own machine, and that one to the leader.
    `--listen-client-urls=${client}`,
    `--advertise-client-urls=${client}`,
    ...(member === undefined ? loneArgs(settings) : memberArgs(member, settings)),
    '--max-txn-ops=10000',
    `--quota-backend-bytes=${quotaBytes}`,
    // etcd keeps this many transactions, and 5,000 more, in memory; ours may be large.
    '--snapshot-count=5000',
    // It would dial the client port with the server's certificate, which `client` may not let in.
    '--enable-grpc-gateway=false',
    '--logger=zap',
    '--log-outputs=stderr',
    ...(tls === undefined ? [] : tlsArgs(tls)),
    ...args,
  ];
}

function loneArgs({ peerPort, tls }: EtcdSettings): readonly string[] {
  const peer = clientUrl({ clientPort: peerPort, tls });
  return [
    `--listen-peer-urls=${peer}`,
    `--initial-advertise-peer-urls=${peer}`,
    `--initial-cluster=${loneName}=${peer}`,
    // A lone member waits out its election timeout at every start; it has nobody to be late for.
    '--heartbeat-interval=20',
    '--election-timeout=200',
  ];
}

function memberArgs(member: MemberOptions, settings: EtcdSettings): readonly string[] {
  const { peerUrl, heartbeatMs, electionMs } = member;
  return [
    `--listen-peer-urls=${peerUrl.listen}`,
    `--initial-advertise-peer-urls=${peerUrl.advertise}`,
    ...(settings.initialized ? [] : bootstrapArgs(member, settings.clusterToken)),
    `--heartbeat-interval=${heartbeatMs}`,
    `--election-timeout=${electionMs}`,
    // A member that was cut off does not depose the leader when it comes back.
    '--pre-vote',
    // All certificates are of one CA: a worker's must not speak the members' protocol.
    ...(settings.peerName === undefined ? [] : [`--peer-cert-allowed-cn=${settings.peerName}`]),
  ];
}

function bootstrapArgs({ name, peerUrl, bootstrap }: MemberOptions, token: string): readonly string[] {
  switch (bootstrap.kind) {
    case 'new':
      return [`--initial-cluster=${name}=${peerUrl.advertise}`, `--initial-cluster-token=${token}`];
    case 'join':
      return ['--initial-cluster-state=existing', `--initial-cluster=${bootstrap.initialCluster}`];
    case 'force-new':
      return [];
  }
}

function tlsArgs({ caFile, certFile, keyFile, client }: EtcdTls): readonly string[] {
  return [
    ...['', 'peer-'].flatMap((prefix) => [
      `--${prefix}cert-file=${certFile}`,
      `--${prefix}key-file=${keyFile}`,
      `--${prefix}trusted-ca-file=${caFile}`,
      `--${prefix}client-cert-auth`,
    ]),
    ...(client === undefined ? [] : [`--client-cert-allowed-hostname=${client.hostname}`]),
  ];
}

/** True when an etcd that runs with `running` is as good as one with `wanted`: how it began matters no more. */
export function sameSettings(running: readonly string[], wanted: readonly string[]): boolean {
  const lasting = (args: readonly string[]): string =>
    args.filter((arg) => !/^--initial-cluster(-\w+)?=/.test(arg)).join('\0');
  return lasting(running) === lasting(wanted);
}
