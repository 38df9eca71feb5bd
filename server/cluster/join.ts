import type { KeyObject } from 'node:crypto';
import { isName, validateLabels } from '../../api-schemas/metadata/validate.ts';
import type { JoinAnswer, JoinRequest, RenewAnswer } from '../../api-schemas/join.ts';
import { ApiError } from '../../kit/errors.ts';
import { certificatesIn, digestOf } from '../../kit/certificate.ts';
import { digestOfKey, issueCertificate, type CertificateRequest } from '../pki/index.ts';
import { adminGroup } from '../auth/identity.ts';
import { claimNode, generationOf, refusalOf, serversOf } from './object.ts';
import { whyNoManager } from './rotation.ts';
import { checkToken } from './token.ts';
import type { ClusterCall, ClusterOptions } from './types.ts';

/** Nodes renew past two thirds of it. */
const defaultNodeDays = 90;
const adminDays = 365;

export type Refuse = (reason: string, error: ApiError) => ApiError;

/**
 * Lets a machine in: it has a token, and the key it asks a certificate for. The subject is the server's choice.
 * Throws 400, 403, 409; what is refused is counted by its reason.
 */
export async function join(
  options: ClusterOptions,
  request: JoinRequest,
  prove: () => KeyObject,
  refuse: Refuse,
): Promise<JoinAnswer> {
  const { registry } = options;
  const ca = options.ca();
  const verdict = checkToken(request.token, ca, (role) => generationOf(registry.cache, role));
  if ('refused' in verdict) throw refuse(`token-${verdict.refused}`, new ApiError(403, verdict.message));
  const { role } = verdict;
  if (!isName(request.nodeName, 'subdomain')) {
    const message = 'nodeName: expected lower-case letters, digits, "-" and ".", at most 253';
    throw refuse('name', new ApiError(400, message));
  }
  const [badLabel] = validateLabels(request.labels, 'labels');
  if (badLabel !== undefined) {
    throw refuse('labels', new ApiError(400, `${badLabel.field ?? 'labels'}: ${badLabel.message}`));
  }
  if (role === 'manager' && options.etcd === undefined) {
    const message =
      'this cluster keeps its state in an etcd of yours: start a further manager with `orc up --etcd-endpoints …` and a copy of pki/';
    throw refuse('external-etcd', new ApiError(403, message));
  }
  if (role === 'manager') {
    const why = whyNoManager(registry.cache);
    if (why !== undefined) throw refuse('ca-rotation', new ApiError(409, why));
  }
  const key = prove();
  await claimNode(registry, request.nodeName, digestOfKey(key), request.labels).catch((error: unknown) => {
    throw error instanceof ApiError && error.code === 409 ? refuse('name-taken', error) : error;
  });
  const log = { object: `Node/${request.nodeName}`, role };
  options.logger.info(log, role === 'manager' ? 'joined, and was given the key of the CA' : 'joined');
  return {
    ca: authoritiesOf(options),
    ...(options.clusterId === undefined ? {} : { clusterId: options.clusterId }),
    certificate: nodeCertificate(options, request.nodeName, key),
    nodeName: request.nodeName,
    role,
    servers: serversOf(registry.cache),
    ...(role === 'manager' ? { caKey: ca.key } : {}),
  };
}

/**
 * The next certificate of a node that has one: for the same name and the same key. Throws 403 for a node that was
 * removed or whose name went to another machine.
 */
export async function renew(options: ClusterOptions, name: string, key: KeyObject): Promise<RenewAnswer> {
  const { registry } = options;
  await registry.cache.sync({ staleOk: true });
  const refusal = refusalOf(registry.cache, name, digestOfKey(key));
  if (refusal !== undefined) throw new ApiError(403, refusal);
  return { ca: authoritiesOf(options), certificate: nodeCertificate(options, name, key) };
}

/**
 * A certificate for an admin who has one, for the same name and key: of the CA that issues now. Throws 403 for any
 * other key, and for who does not come with the certificate itself: a certificate that was lent, or a connection that
 * was, must not become one of its own.
 */
export function renewAdmin(
  options: ClusterOptions,
  { identity: { name, keyDigest }, from }: Pick<ClusterCall, 'identity' | 'from'>,
  key: KeyObject,
): RenewAnswer {
  if (keyDigest !== digestOfKey(key)) {
    options.logger.warn({ user: name, from }, 'an admin asked for a certificate for another key');
    throw new ApiError(
      403,
      'publicKey: expected the key of the certificate that you come with: a renewal is for that key alone',
    );
  }
  options.logger.info({ user: name, key: keyDigest, from }, 'an admin renewed a certificate');
  const request = { commonName: name, organization: adminGroup, usage: 'client', days: adminDays } as const;
  return { ca: authoritiesOf(options), certificate: certificateFor(options, request, key) };
}

/** Whom to trust, PEM: the CA that issues comes first. */
function authoritiesOf({ ca, trust }: ClusterOptions): string {
  const { cert } = ca();
  const others = certificatesIn(trust?.() ?? cert).filter((one) => digestOf(one) !== digestOf(cert));
  return [cert, ...others].join('');
}

const nodeCertificate = (options: ClusterOptions, name: string, key: KeyObject): string =>
  certificateFor(
    options,
    {
      commonName: `system:node:${name}`,
      organization: 'system:nodes',
      usage: 'client',
      days: options.nodeDays ?? defaultNodeDays,
    },
    key,
  );

const certificateFor = ({ ca, clock }: ClusterOptions, request: CertificateRequest, key: KeyObject): string =>
  issueCertificate(ca(), request, String(key.export({ type: 'spki', format: 'pem' })), clock);
