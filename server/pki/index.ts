export {
  digestOfKey,
  issueCertificate,
  generateKey,
  selfSign,
  type CertificateRequest,
  type KeyedCertificate,
} from './issue.ts';
export { ensurePki, etcdClientName, PkiError, type Credentials, type Pki } from './pki.ts';
export { endOf, keepPki, type KeepPkiOptions, type PkiKeeper } from './renew.ts';
