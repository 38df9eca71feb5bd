import {
  createHash,
  createPrivateKey,
  createPublicKey,
  generateKeyPair,
  randomBytes,
  sign,
  X509Certificate,
  type KeyObject,
} from 'node:crypto';
import { isIP } from 'node:net';
import { promisify } from 'node:util';
import forge from 'node-forge';
import { timestamp, type Clock } from '../../kit/clock.ts';

const { asn1, util } = forge;
/** Exported by node-forge, missing from its types. */
const pki = forge.pki as typeof forge.pki & {
  getTBSCertificate(certificate: forge.pki.Certificate): forge.asn1.Asn1;
};
const ecdsaWithSha256 = '1.2.840.10045.4.3.2';
const dayMs = 86_400_000;
/** Clocks of machines that join may be behind. */
const backdateMs = 3_600_000;

/** Who a certificate stands for, and what for. */
export interface CertificateRequest {
  readonly commonName: string;
  readonly organization?: string;
  readonly usage: 'ca' | 'server' | 'client' | 'both';
  /** DNS names and IP addresses the certificate is valid for. */
  readonly hosts?: readonly string[];
  readonly days: number;
}

/** PEM texts; the key is PKCS #8. */
export interface KeyedCertificate {
  readonly cert: string;
  readonly key: string;
}

/** An ECDSA P-256 key as PKCS #8 PEM. */
export async function generateKey(): Promise<string> {
  const { privateKey } = await promisify(generateKeyPair)('ec', { namedCurve: 'prime256v1' });
  return String(privateKey.export({ type: 'pkcs8', format: 'pem' }));
}

function serialNumber(): string {
  const bytes = randomBytes(16);
  // Positive, and without a leading zero byte.
  bytes[0] = ((bytes[0] ?? 0) & 0x3f) | 0x40;
  return bytes.toString('hex');
}

const spkiOf = (key: KeyObject): Buffer => key.export({ type: 'spki', format: 'der' });
/** SHA-256 of the public half (SPKI DER), hex: what a key is known by. */
export const digestOfKey = (key: KeyObject): string =>
  createHash('sha256')
    .update(spkiOf(key.type === 'public' ? key : createPublicKey(key)))
    .digest('hex');

const sha1 = (data: Buffer): string => createHash('sha1').update(data).digest('binary');

const nameOf = ({ commonName, organization }: CertificateRequest): forge.pki.CertificateField[] =>
  [
    ...(organization === undefined ? [] : [{ name: 'organizationName', value: organization }]),
    { name: 'commonName', value: commonName },
  ].map((field) => ({ ...field, valueTagClass: asn1.Type.UTF8 as unknown as forge.asn1.Class }));

function extensionsOf(request: CertificateRequest, issuerKeyId: string): object[] {
  const { usage, hosts = [] } = request;
  const ids = [
    { name: 'subjectKeyIdentifier' },
    { name: 'authorityKeyIdentifier', keyIdentifier: issuerKeyId },
  ];
  if (usage === 'ca')
    return [
      { name: 'basicConstraints', cA: true, pathLenConstraint: 0, critical: true },
      { name: 'keyUsage', keyCertSign: true, cRLSign: true, digitalSignature: true, critical: true },
      ...ids,
    ];
  const altNames = hosts.map((host) => (isIP(host) === 0 ? { type: 2, value: host } : { type: 7, ip: host }));
  return [
    { name: 'basicConstraints', cA: false, critical: true },
    { name: 'keyUsage', digitalSignature: true, critical: true },
    { name: 'extKeyUsage', serverAuth: usage !== 'client', clientAuth: usage !== 'server' },
    ...ids,
    ...(altNames.length === 0 ? [] : [{ name: 'subjectAltName', altNames }]),
  ];
}

/**
 * Signs a certificate for `publicKey`. Without `issuer` it signs itself with `signer`.
 * node-forge builds the structure; it knows RSA keys only, so the parts that name the key and the
 * signature are put in here, and node:crypto signs.
 */
function build(
  request: CertificateRequest,
  publicKey: KeyObject,
  signer: KeyObject,
  issuer: X509Certificate | undefined,
  clock: Clock,
): string {
  const certificate = pki.createCertificate();
  certificate.serialNumber = serialNumber();
  certificate.validity.notBefore = new Date(clock.now() - backdateMs);
  certificate.validity.notAfter = new Date(clock.now() + request.days * dayMs);
  certificate.setSubject(nameOf(request));
  certificate.setIssuer(nameOf(request));
  certificate.siginfo.algorithmOid = ecdsaWithSha256;
  certificate.publicKey = pki.setRsaPublicKey(new forge.jsbn.BigInteger('1'), new forge.jsbn.BigInteger('1'));
  const keyId = sha1(spkiOf(publicKey));
  certificate.generateSubjectKeyIdentifier = () => util.createBuffer(keyId);
  certificate.setExtensions(extensionsOf(request, sha1(spkiOf(createPublicKey(signer)))));

  const algorithm = (): forge.asn1.Asn1 =>
    asn1.create(asn1.Class.UNIVERSAL, asn1.Type.SEQUENCE, true, [
      asn1.create(asn1.Class.UNIVERSAL, asn1.Type.OID, false, asn1.oidToDer(ecdsaWithSha256).getBytes()),
    ]);
  const tbs = pki.getTBSCertificate(certificate);
  const parts = tbs.value as forge.asn1.Asn1[];
  parts[2] = algorithm();
  if (issuer !== undefined) parts[3] = subjectOf(issuer);
  parts[6] = asn1.fromDer(util.createBuffer(spkiOf(publicKey).toString('binary')));
  const bytes = Buffer.from(asn1.toDer(tbs).getBytes(), 'binary');
  const signature = sign('sha256', bytes, signer).toString('binary');
  const whole = asn1.create(asn1.Class.UNIVERSAL, asn1.Type.SEQUENCE, true, [
    tbs,
    algorithm(),
    asn1.create(asn1.Class.UNIVERSAL, asn1.Type.BITSTRING, false, `\0${signature}`),
  ]);
  const der = Buffer.from(asn1.toDer(whole).getBytes(), 'binary');
  return new X509Certificate(der).toString();
}

/** The issuer's name exactly as its certificate spells it. */
function subjectOf(certificate: X509Certificate): forge.asn1.Asn1 {
  const whole = asn1.fromDer(util.createBuffer(certificate.raw.toString('binary')));
  const tbs = (whole.value as forge.asn1.Asn1[])[0];
  const subject = (tbs?.value as forge.asn1.Asn1[])[5];
  if (subject === undefined) throw new Error('the CA certificate has no subject');
  return subject;
}

/** A self-signed CA certificate for `key`. It may sign leaf certificates only. */
export function selfSign(request: CertificateRequest, key: string, clock: Clock): string {
  const signer = createPrivateKey(key);
  return build(request, createPublicKey(signer), signer, undefined, clock);
}

/**
 * A certificate for the public half of `key` (PEM, public or private), signed by `ca`.
 * It never outlives the CA; throws when the CA has expired.
 */
export function issueCertificate(
  ca: KeyedCertificate,
  request: CertificateRequest,
  key: string,
  clock: Clock,
): string {
  const issuer = new X509Certificate(ca.cert);
  const last = Date.parse(issuer.validTo);
  if (clock.now() > last)
    throw new Error(`the cluster CA expired on ${issuer.validTo}; it is now ${timestamp(clock)}`);
  const days = Math.min(request.days, (last - clock.now()) / dayMs);
  return build({ ...request, days }, createPublicKey(key), createPrivateKey(ca.key), issuer, clock);
}
