import type { RenewAnswer } from '../api-schemas/join.ts';
import { configPath, updateConfig, type KubeConfig } from './config.ts';
import { renewAdminCertificate } from './join.ts';
import type { TlsIdentity } from './transport.ts';

type Fields = Readonly<Record<string, unknown>>;
type Entry = { name: string; [field: string]: unknown };

/** `config` with this CA and this certificate for the context; its key, and all else in the file, stay. Pure. */
export function withIdentity(
  config: KubeConfig,
  context: string,
  { ca, certificate }: RenewAnswer,
): KubeConfig {
  const base64 = (text: string): string => Buffer.from(text).toString('base64');
  const entry = config.contexts?.find(({ name }) => name === context)?.['context'] as
    { readonly cluster?: string; readonly user?: string } | undefined;
  const set = (
    entries: readonly Entry[] | undefined,
    name: string | undefined,
    kind: 'cluster' | 'user',
    field: string,
    text: string,
  ): readonly Entry[] =>
    (entries ?? []).map((one) => {
      if (one.name !== name) return one;
      // The name of a file that has the old one is not to win over what is new.
      const { [field]: _file, ...rest } = (one[kind] ?? {}) as Fields;
      return { ...one, [kind]: { ...rest, [`${field}-data`]: base64(text) } };
    });
  return {
    ...config,
    clusters: set(config.clusters, entry?.cluster, 'cluster', 'certificate-authority', ca),
    users: set(config.users, entry?.user, 'user', 'client-certificate', certificate),
  };
}

export interface RenewContextOptions {
  /** `https://host:port` each, asked in this order until one answers. */
  readonly endpoints: readonly string[];
  /** As the context has it now. */
  readonly tls: Required<TlsIdentity>;
  readonly context: string;
  readonly path?: string;
  /** Default: over the network. */
  readonly ask?: (endpoint: string, tls: Required<TlsIdentity>) => Promise<RenewAnswer>;
}

/**
 * Brings the context up to what a server says: whom to trust, and a certificate of the CA that issues now, for the
 * same key. While the CA is replaced this is done in time before its servers cease to understand the old one. The
 * file is whole at any moment, and has nothing that a server did not give for this key.
 */
export async function renewContext(options: RenewContextOptions): Promise<RenewAnswer> {
  const { endpoints, tls, context, path = configPath(), ask = renewAdminCertificate } = options;
  const failures: unknown[] = [];
  for (const endpoint of endpoints) {
    try {
      const answer = await ask(endpoint, tls);
      await updateConfig((config) => withIdentity(config, context, answer), path);
      return answer;
    } catch (error) {
      failures.push(error);
    }
  }
  throw failures[0];
}
