import type { Pki } from '../../server/pki/index.ts';
import type { NodeTls } from './node-tls.ts';

/**
 * What a machine shows as a node, and trusts, while a manager runs on it: always what that one has now. All CAs that it
 * trusts, as the other managers may be of another one while the CA is replaced.
 */
export const nodeTlsOf = ({ trust, node }: Pick<Pki, 'trust' | 'node'>): NodeTls => ({
  ca: trust,
  cert: node.cert,
  key: node.key,
});
