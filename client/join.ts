/** The joining machine's side of `api-schemas/join.ts`, and the renewal of a node's certificate. */
import { createPrivateKey, createPublicKey, sign, X509Certificate } from 'node:crypto';
import { Agent, request as httpsRequest } from 'node:https';
import {
  proofText,
  type JoinAnswer,
  type JoinToken,
  type Proof,
  type RenewAnswer,
} from '../api-schemas/join.ts';
import { certificatesIn, digestOf } from '../kit/certificate.ts';
import { connectionError, errorOfBody } from './errors.ts';
import { readText, Transport, type TlsIdentity } from './transport.ts';

/** The server's CA is not the one that the token pins: someone else answered, or the token is of another cluster. */
export class CaMismatch extends Error {
  constructor(endpoint: string) {
    super(
      `${endpoint} belongs to another cluster than the token, or its CA was replaced since (\`orc ca rotate\`): its CA has another digest. ` +
        `Check the address, and get the present token with \`orc token show\` on a manager of the cluster`,
    );
    this.name = 'CaMismatch';
  }
}

const timeoutMs = 10_000;

/**
 * The CA's certificate of the cluster that `endpoint` belongs to. It alone is fetched over an unverified connection:
 * its digest is in the token. Throws CaMismatch and ConnectionError.
 */
export async function fetchCa(endpoint: string, digest: string): Promise<string> {
  const agent = new Agent({ rejectUnauthorized: false, minVersion: 'TLSv1.3' });
  const body = await new Promise<string>((resolve, reject) => {
    const request = httpsRequest(`${endpoint}/cluster/v1/ca`, { agent }, (response) => {
      readText(response).then((text) => {
        if (response.statusCode === 200) resolve(text);
        else reject(errorOfBody(response.statusCode ?? 500, text));
      }, reject);
    });
    request.setTimeout(timeoutMs, () =>
      request.destroy(Object.assign(new Error('no answer in time'), { code: 'ETIMEDOUT' })),
    );
    request.once('error', (error) => reject(connectionError(endpoint, error, false)));
    request.end();
  }).finally(() => agent.destroy());
  const { ca } = JSON.parse(body) as { ca?: unknown };
  const found = typeof ca === 'string' ? certificateOf(ca) : undefined;
  if (found === undefined || digestOf(found.toString()) !== digest) {
    throw new CaMismatch(endpoint);
  }
  return found.toString();
}

function certificateOf(pem: string): X509Certificate | undefined {
  try {
    return new X509Certificate(pem);
  } catch {
    return undefined;
  }
}

export interface JoinOptions {
  /** `https://host:port` */
  readonly endpoint: string;
  /** As the user gave it, and taken apart. */
  readonly token: string;
  readonly parsed: JoinToken;
  readonly nodeName: string;
  readonly labels?: Readonly<Record<string, string>>;
  /** PKCS #8 PEM; ECDSA on P-256. It never leaves this machine. */
  readonly key: string;
}

/** Joins through one server. Throws CaMismatch, ConnectionError, and ApiError when it is refused. */
export async function joinCluster(options: JoinOptions): Promise<JoinAnswer> {
  const { endpoint, token, parsed, nodeName, labels, key } = options;
  const ca = await fetchCa(endpoint, parsed.caDigest);
  const proof = { nodeName, token, ...(labels === undefined ? {} : { labels }) };
  return withTransport(endpoint, { ca }, async (transport) => {
    const answer = (await post(transport, 'join', {
      ...proof,
      ...(await prove(transport, key, nodeName)),
    })) as JoinAnswer;
    checkIssued(answer.certificate, ca, key);
    return answer;
  });
}

/** A new certificate for the node whose certificate and key `tls` has. */
export const renewCertificate = (
  endpoint: string,
  tls: Required<TlsIdentity>,
  nodeName: string,
): Promise<RenewAnswer> => renewAt('renew', endpoint, tls, nodeName);

/** The same for the admin whose certificate and key `tls` has, by the name that the certificate says. */
export const renewAdminCertificate = (endpoint: string, tls: Required<TlsIdentity>): Promise<RenewAnswer> =>
  renewAt('renew-admin', endpoint, tls, commonNameOf(tls.cert));

const commonNameOf = (cert: string): string =>
  /^CN=(.*)$/m.exec(new X509Certificate(cert).subject)?.[1] ?? '';

/** What any server gives to who has a certificate already: one of the CA that issues now, and the CAs to trust. */
const renewAt = (
  path: 'renew' | 'renew-admin',
  endpoint: string,
  tls: Required<TlsIdentity>,
  name: string,
): Promise<RenewAnswer> =>
  withTransport(endpoint, tls, async (transport) => {
    const answer = (await post(transport, path, await prove(transport, tls.key, name))) as RenewAnswer;
    checkIssued(answer.certificate, answer.ca, tls.key);
    return answer;
  });

async function withTransport<T>(
  endpoint: string,
  tls: TlsIdentity,
  work: (transport: Transport) => Promise<T>,
): Promise<T> {
  const transport = new Transport({ endpoints: [endpoint], tls });
  try {
    return await work(transport);
  } finally {
    transport.close();
  }
}

async function prove(transport: Transport, key: string, nodeName: string): Promise<Proof> {
  const { challenge } = (await transport.json({ path: '/cluster/v1/challenge', timeoutMs })) as {
    challenge: string;
  };
  const signature = sign('sha256', Buffer.from(proofText(challenge, nodeName)), createPrivateKey(key));
  const publicKey = String(createPublicKey(key).export({ type: 'spki', format: 'pem' }));
  return { publicKey, challenge, signature: signature.toString('base64') };
}

const post = (transport: Transport, path: string, body: unknown): Promise<unknown> =>
  transport.json({
    method: 'POST',
    path: `/cluster/v1/${path}`,
    body: JSON.stringify(body),
    headers: { 'content-type': 'application/json' },
    timeoutMs,
  });

/** What a server that is not well gave would only be noticed at the next start. */
function checkIssued(certificate: string, ca: string, key: string): void {
  const issued = new X509Certificate(certificate);
  const isSigned = certificatesIn(ca).some((pem) => issued.verify(new X509Certificate(pem).publicKey));
  if (!isSigned || !issued.checkPrivateKey(createPrivateKey(key))) {
    throw new Error(
      'the server gave a certificate that is not of its CA, or not for the key of this machine',
    );
  }
}
