/** For tests only: a cluster in which the CA is replaced, as it is before that. */
import type { Cluster, ClusterCa, ManagerPki, Node, NodeCertificate } from '../../api-schemas/index.ts';
import { aCondition, aNode, testNow, testNowMs } from '../runtime/testing.ts';
import { asWritten } from '../runtime/sightings.ts';
import type { Observed } from './settle.ts';

export const [A, B] = ['aa'.repeat(32), 'bb'.repeat(32)] as const;

/** How managers are at the end of each step that the phases ask for. */
export const pkis = {
  old: { issuer: A, trust: [A] },
  made: { issuer: A, trust: [A], next: B },
  both: { issuer: A, trust: [A, B], next: B },
  issues: { issuer: B, trust: [A, B] },
  fresh: { issuer: B, trust: [B] },
} as const satisfies Record<string, ManagerPki>;

export type Pki = keyof typeof pkis;

/** A node: what it says of its certificate, and whether it is in reach. */
export const theNode = (name: string, pki: Pki | undefined, isReached = true): Node => {
  const certificate = (of: Pki): NodeCertificate => ({
    issuer: pkis[of].issuer,
    trust: pkis[of].trust,
    notAfter: '2030-04-01T00:00:00Z',
  });
  return aNode(name, {
    status: {
      conditions: [aCondition('Connected', isReached ? 'True' : 'False', { lastTransitionTime: testNow })],
      ...(pki === undefined ? {} : { certificate: certificate(pki) }),
    },
  });
};

export interface Wish {
  readonly rotation?: number;
  readonly wait?: string;
  readonly ca?: ClusterCa;
  /** undefined: an orc that says nothing of it. */
  readonly managers: Readonly<Record<string, Pki | ManagerPki | undefined>>;
  /** Default: all. */
  readonly alive?: readonly string[];
  readonly nodes?: readonly Node[];
  readonly seconds?: number;
  readonly watchingSince?: number;
}

/** `seconds` and `watchingSince` count from the tests' zero. */
export function seen(wish: Wish): Observed {
  const { rotation = 1, wait, ca, managers, nodes = [], seconds = 0, watchingSince = -3600 } = wish;
  const entries = Object.entries(managers).map(([name, pki]) => [
    name,
    {
      url: `https://${name}:6750`,
      since: testNow,
      ...(pki === undefined ? {} : { pki: typeof pki === 'string' ? pkis[pki] : pki }),
    },
  ]);
  const cluster: Cluster = {
    apiVersion: 'orc.dev/v1',
    kind: 'Cluster',
    metadata: { name: 'orc', uid: 'uid-orc' },
    spec: { ca: { rotation, ...(wait === undefined ? {} : { waitForUnreachable: wait }) } },
    status: { managers: Object.fromEntries(entries), ...(ca === undefined ? {} : { ca }) },
  };
  return {
    cluster,
    alive: new Set(wish.alive ?? Object.keys(managers)),
    nodes,
    nowMs: testNowMs + seconds * 1000,
    watchingSinceMs: testNowMs + watchingSince * 1000,
    since: asWritten,
  };
}

export const at = (seconds: number): string => new Date(testNowMs + seconds * 1000).toISOString();

/** A rotation under way since the tests' zero. */
export const under = (phase: ClusterCa['phase'], more: Partial<ClusterCa> = {}): ClusterCa => ({
  rotation: 1,
  phase,
  from: A,
  ...(phase === 'Create' ? {} : { to: B }),
  startedAt: testNow,
  since: testNow,
  waitingFor: [],
  skipped: [],
  ...more,
});
