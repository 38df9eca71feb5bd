import { configPath, loadConfig, updateConfig, type KubeConfig } from './config.ts';

export interface Dropped {
  readonly config: KubeConfig;
  /** Names of the contexts that are gone; none: `config` is as it was. */
  readonly names: readonly string[];
}

/**
 * `config` without the contexts of who holds the key (PEM), their user, and the clusters that nobody else names. When
 * the current context goes, the only other one takes its place; of several none does, as a command meant for one
 * cluster is not to reach another by chance. Pure.
 */
export function withoutContextsOf(config: KubeConfig, key: string): Dropped {
  const data = Buffer.from(key).toString('base64');
  const users = new Set(
    (config.users ?? [])
      .filter(
        ({ user }) => (user as { 'client-key-data'?: string } | undefined)?.['client-key-data'] === data,
      )
      .map(({ name }) => name),
  );
  type Fields = { readonly cluster?: string; readonly user?: string } | undefined;
  const fieldsOf = (entry: { readonly [field: string]: unknown }): Fields => entry['context'] as Fields;
  const isOurs = (entry: { readonly [field: string]: unknown }): boolean =>
    users.has(fieldsOf(entry)?.user ?? '');
  const gone = (config.contexts ?? []).filter(isOurs);
  if (gone.length === 0) return { config, names: [] };
  const contexts = (config.contexts ?? []).filter((entry) => !isOurs(entry));
  const named = new Set(contexts.map((entry) => fieldsOf(entry)?.cluster));
  const unnamed = new Set(gone.map((entry) => fieldsOf(entry)?.cluster).filter((name) => !named.has(name)));
  const names = gone.map(({ name }) => name);
  const { 'current-context': current, ...rest } = config;
  const [only, ...more] = contexts;
  const next = names.includes(current ?? '') ? (more.length === 0 ? only?.name : undefined) : current;
  return {
    names,
    config: {
      ...rest,
      contexts,
      users: (config.users ?? []).filter(({ name }) => !users.has(name)),
      clusters: (config.clusters ?? []).filter(({ name }) => !unnamed.has(name)),
      ...(next === undefined ? {} : { 'current-context': next }),
    },
  };
}

/** The same in the file, which is not written where nothing is to go. Resolves with what has gone. */
export async function dropContextsOf(key: string, path = configPath()): Promise<Dropped> {
  let dropped = withoutContextsOf(await loadConfig(path), key);
  if (dropped.names.length === 0) return dropped;
  await updateConfig((config) => (dropped = withoutContextsOf(config, key)).config, path);
  return dropped;
}
