/** What is read of the files that etcd goes by. */
import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { ConnectOptions } from './connection.ts';
import type { EtcdTls } from './etcd-args.ts';

/** How the supervisor itself, and a restore, ask an etcd of ours. */
export function tlsFiles(tls: EtcdTls | undefined): Pick<ConnectOptions, 'tls'> {
  if (tls === undefined) return {};
  const { certFile, keyFile } = tls.client ?? tls;
  return {
    tls: { ca: readFileSync(tls.caFile), cert: readFileSync(certFile), key: readFileSync(keyFile) },
  };
}

/** The name that the members' certificates share. */
export function commonNameOf(certFile: string): string | undefined {
  const { subject } = new X509Certificate(readFileSync(certFile));
  return /^CN=(.*)$/m.exec(subject)?.[1];
}
