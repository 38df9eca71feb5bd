export * from './types.ts';
export { Client } from './client.ts';
export { makeDirectory } from './directory.ts';
export { dropContextsOf, type Dropped } from './drop-context.ts';
export { ConnectionError, isConnectionError } from './errors.ts';
export { expiredText, untrusted, untrustedText } from './expired.ts';
export type { ExecSession } from './exec.ts';
export { startInformer, type Informer, type InformerHandlers } from './informer.ts';
export { isKind, pathOf, type PathRef } from './resources.ts';
export { rememberServers, type Memory } from './servers.ts';
export type { TlsIdentity, TransportOptions } from './transport.ts';
export { renewContext, withIdentity } from './renew-context.ts';
export {
  CaMismatch,
  fetchCa,
  joinCluster,
  renewAdminCertificate,
  renewCertificate,
  type JoinOptions,
} from './join.ts';
export { waitFor, WaitTimeout } from './wait.ts';
export type { WatchOptions } from './watch.ts';
export {
  ConfigError,
  configPath,
  loadConfig,
  loadContext,
  mergeContext,
  NoContext,
  saveConfig,
  updateConfig,
  withContext,
  type Context,
  type KubeConfig,
} from './config.ts';
