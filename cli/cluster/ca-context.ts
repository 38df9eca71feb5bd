/** When the CLI's own context has to follow a replacement of the CA, and whom it asks. Pure. */
import type { Cluster, ClusterCa } from '../../api-schemas/index.ts';
import type { TlsIdentity } from '../../client/index.ts';
import { trustStateOf, type TrustState } from '../../kit/certificate.ts';

/** How far who issues and trusts so is: 0 nothing, 1 trusts the new CA too, 2 is of the new one, 3 trusts it alone. */
function stageOf({ issuer, trust }: TrustState, to: string): number {
  if (!trust.includes(to)) return 0;
  if (issuer !== to) return 1;
  return trust.some((one) => one !== to) ? 2 : 3;
}

/** How far the context is; 0 without a certificate. */
export const stageOfContext = (cluster: Cluster, { ca, cert }: TlsIdentity): number =>
  cert === undefined ? 0 : stageOf(trustStateOf(cert, ca), cluster.status?.ca?.to ?? '');

/** Whether the context has nothing to do with the CA that was replaced; one without a certificate cannot be renewed. */
export function isFresh({ to }: ClusterCa, { ca, cert, key }: TlsIdentity): boolean {
  if (cert === undefined || key === undefined || to === undefined) return true;
  return stageOf(trustStateOf(cert, ca), to) === 3;
}

/**
 * Where to ask for what is next, `here` being the server that the CLI talks to: those of `whomToAsk` by their own
 * addresses. A machine alone may know none: it is where it was reached.
 */
export function endpointsToAsk(cluster: Cluster, tls: TlsIdentity, here: string): readonly string[] {
  const ahead = whomToAsk(cluster, tls);
  const isAlone = Object.keys(cluster.status?.managers ?? {}).length === 1;
  const named = ahead.filter((url) => !isAnywhere(url));
  return ahead.length > 0 && isAlone ? [...new Set([...named, here])] : named;
}

const isAnywhere = (url: string): boolean => /^https:\/\/(0\.0\.0\.0|\[::\])(:|$)/.test(url);

/**
 * The managers that are ahead of the context and with which it still understands itself, the one that is furthest
 * first. To ask as soon as there is one keeps the context from being left behind by the next phase.
 */
export function whomToAsk(cluster: Cluster, { ca, cert, key }: TlsIdentity): readonly string[] {
  const to = cluster.status?.ca?.to;
  if (to === undefined || cert === undefined || key === undefined) return [];
  const own = trustStateOf(cert, ca);
  return Object.values(cluster.status?.managers ?? {})
    .flatMap(({ url, pki }) => (pki === undefined ? [] : [{ url, pki, stage: stageOf(pki, to) }]))
    .filter(
      ({ pki, stage }) =>
        stage > stageOf(own, to) && pki.trust.includes(own.issuer) && own.trust.includes(pki.issuer),
    )
    .sort((a, b) => b.stage - a.stage)
    .map(({ url }) => url);
}
