export {
  digestOfKey,
  issueCertificate,
  generateKey,
  selfSign,
  type CertificateRequest,
  type KeyedCertificate,
} from './issue.ts';
export { caSteps, PkiError, type CaSteps, type Credentials } from './ca.ts';
export { ensurePki, etcdClientName, type Pki } from './pki.ts';
export { endOf, keepPki, type KeepPkiOptions, type PkiKeeper } from './renew.ts';
