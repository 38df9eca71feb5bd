import { open, readFile, rename, rm, stat } from 'node:fs/promises';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { parse, stringify } from 'yaml';
import { messageOf } from '../kit/errors.ts';
import { contextNameFor } from './context-name.ts';
import { makeDirectory } from './directory.ts';

/** Where the API is and who the caller is. PEM texts. */
export interface Context {
  readonly name: string;
  /** `https://host:port` each; at least one. */
  readonly endpoints: readonly string[];
  readonly ca: string;
  readonly cert?: string;
  readonly key?: string;
  readonly token?: string;
  readonly namespace?: string;
}

/** The configuration cannot be used; the message says what to do. */
export class ConfigError extends Error {
  constructor(message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.name = 'ConfigError';
  }
}

/** There is no context at all: nothing was ever written here, or what was is gone. */
export class NoContext extends ConfigError {
  readonly path: string;

  constructor(path: string) {
    super(`no cluster is configured (${path}): start one with \`orc up\`, or set $ORC_CONFIG`);
    this.path = path;
  }
}

type Entry = { name: string; [field: string]: unknown };
interface Extension {
  readonly name: string;
  readonly extension: unknown;
}
interface Cluster {
  readonly server?: string;
  readonly 'certificate-authority-data'?: string;
  readonly 'certificate-authority'?: string;
  readonly 'insecure-skip-tls-verify'?: boolean;
  readonly extensions?: readonly Extension[];
}
interface User {
  readonly 'client-certificate-data'?: string;
  readonly 'client-certificate'?: string;
  readonly 'client-key-data'?: string;
  readonly 'client-key'?: string;
  readonly token?: string;
}

/** A kubeconfig file; fields that orc does not know are kept as they are. */
export interface KubeConfig {
  readonly 'current-context'?: string;
  readonly clusters?: readonly Entry[];
  readonly users?: readonly Entry[];
  readonly contexts?: readonly Entry[];
  readonly [field: string]: unknown;
}

/** Extension of a cluster entry that names the cluster's other servers. */
export const serversExtension = 'orc.dev/servers';
const staleLockMs = 10_000;

/** `$ORC_CONFIG`, else `~/.orc/config`. */
export const configPath = (env: NodeJS.ProcessEnv = process.env): string =>
  env['ORC_CONFIG'] || join(homedir(), '.orc', 'config');

/** The file's content; empty when there is no file. Throws ConfigError when it is no kubeconfig. */
export async function loadConfig(path = configPath()): Promise<KubeConfig> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return {};
    throw new ConfigError(`cannot read ${path}: ${messageOf(error)}`, { cause: error });
  }
  let config: unknown;
  try {
    config = parse(text) ?? {};
  } catch (error) {
    throw new ConfigError(
      `${path} is not valid YAML: ${messageOf(error)}; correct it, or move it away and run \`orc up\``,
    );
  }
  const lists = ['clusters', 'users', 'contexts'];
  const sound =
    typeof config === 'object' &&
    config !== null &&
    !Array.isArray(config) &&
    lists.every((list) => Array.isArray((config as KubeConfig)[list] ?? []));
  if (!sound) throw new ConfigError(`${path} is not a kubeconfig file; move it away and run \`orc up\``);
  return config as KubeConfig;
}

const find = (entries: readonly Entry[] | undefined, name: unknown): Entry | undefined =>
  entries?.find((entry) => entry.name === name);

const decode = (base64: string): string => Buffer.from(base64, 'base64').toString('utf8');

async function pem(
  data: string | undefined,
  file: string | undefined,
  path: string,
): Promise<string | undefined> {
  if (data !== undefined) return decode(data);
  if (file === undefined) return undefined;
  const full = join(file.startsWith('/') ? '/' : dirname(path), file);
  return readFile(full, 'utf8').catch((error: unknown) => {
    throw new ConfigError(`cannot read ${full}, named in ${path}: ${messageOf(error)}`, { cause: error });
  });
}

/** The named context, or the current one. Throws ConfigError, with the remedy, when it is not there or not complete. */
export async function loadContext(options: { path?: string; context?: string } = {}): Promise<Context> {
  const path = options.path ?? configPath();
  const config = await loadConfig(path);
  const name = options.context ?? config['current-context'];
  const known = (config.contexts ?? []).map((entry) => entry.name);
  if (name === undefined || name === '') {
    if (known.length === 0) throw new NoContext(path);
    throw new ConfigError(`${path} has no current context: choose one with --context (${known.join(', ')})`);
  }
  const context = find(config.contexts, name)?.['context'] as
    { cluster?: string; user?: string; namespace?: string } | undefined;
  if (context === undefined)
    throw new ConfigError(`${path} has no context "${name}"; it has: ${known.join(', ') || 'none'}`);
  const cluster = find(config.clusters, context.cluster)?.['cluster'] as Cluster | undefined;
  if (cluster?.server === undefined)
    throw new ConfigError(
      `context "${name}" in ${path} names no cluster with a server; run \`orc up\` again`,
    );
  const user = (find(config.users, context.user)?.['user'] ?? {}) as User;
  const ca = await pem(cluster['certificate-authority-data'], cluster['certificate-authority'], path);
  if (ca === undefined)
    throw new ConfigError(
      `cluster "${String(context.cluster)}" in ${path} has no certificate-authority-data: orc always verifies the server`,
    );
  const cert = await pem(user['client-certificate-data'], user['client-certificate'], path);
  const key = await pem(user['client-key-data'], user['client-key'], path);
  const more = cluster.extensions?.find((extension) => extension.name === serversExtension)?.extension;
  const servers = (more as { servers?: readonly string[] } | undefined)?.servers ?? [];
  return {
    name,
    endpoints: [...new Set([cluster.server, ...servers].map((server) => server.replace(/\/+$/, '')))],
    ca,
    ...(cert === undefined ? {} : { cert }),
    ...(key === undefined ? {} : { key }),
    ...(user.token === undefined ? {} : { token: user.token }),
    ...(context.namespace === undefined ? {} : { namespace: context.namespace }),
  };
}

const put = (entries: readonly Entry[] = [], entry: Entry): readonly Entry[] => {
  const index = entries.findIndex((other) => other.name === entry.name);
  return index === -1 ? [...entries, entry] : entries.with(index, entry);
};

/** `config` with the context added or replaced; other contexts, and fields that are not orc's, stay. Pure. */
export function withContext(config: KubeConfig, context: Context, makeCurrent = true): KubeConfig {
  const base64 = (text: string): string => Buffer.from(text).toString('base64');
  const { name, endpoints, cert, key, token, namespace } = context;
  const [server, ...others] = endpoints;
  if (server === undefined) throw new ConfigError(`context "${name}" has no server address`);
  const cluster = {
    server,
    'certificate-authority-data': base64(context.ca),
    ...(others.length === 0
      ? {}
      : { extensions: [{ name: serversExtension, extension: { servers: others } }] }),
  };
  const user = {
    ...(cert === undefined ? {} : { 'client-certificate-data': base64(cert) }),
    ...(key === undefined ? {} : { 'client-key-data': base64(key) }),
    ...(token === undefined ? {} : { token }),
  };
  const old = find(config.contexts, name)?.['context'] as { namespace?: string } | undefined;
  const kept = namespace ?? old?.namespace;
  const entry = { cluster: name, user: name, ...(kept === undefined ? {} : { namespace: kept }) };
  return {
    apiVersion: 'v1',
    kind: 'Config',
    preferences: {},
    ...config,
    clusters: put(config.clusters, { name, cluster }),
    users: put(config.users, { name, user }),
    contexts: put(config.contexts, { name, context: entry }),
    'current-context': makeCurrent ? name : (config['current-context'] ?? name),
  };
}

/** Writes the file whole or not at all, mode 0600. */
export async function saveConfig(config: KubeConfig, path = configPath()): Promise<void> {
  await makeDirectory(dirname(path));
  const temporary = `${path}.${String(process.pid)}.tmp`;
  const file = await open(temporary, 'w', 0o600);
  try {
    await file.chmod(0o600);
    await file.writeFile(stringify(config));
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(temporary, path);
}

async function lock(path: string): Promise<() => Promise<void>> {
  const name = `${path}.lock`;
  await makeDirectory(dirname(path));
  for (;;) {
    try {
      await (await open(name, 'wx', 0o600)).close();
      return () => rm(name, { force: true });
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST')
        throw new ConfigError(`cannot write ${path}: ${messageOf(error)}`, { cause: error });
      const made = await stat(name).catch(() => undefined);
      if (made !== undefined && Date.now() - made.mtimeMs > staleLockMs) await rm(name, { force: true });
      else await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
}

/** Reads, changes and writes the file, one process at a time. */
export async function updateConfig(
  change: (config: KubeConfig) => KubeConfig,
  path = configPath(),
): Promise<void> {
  const unlock = await lock(path);
  try {
    await saveConfig(change(await loadConfig(path)), path);
  } finally {
    await unlock();
  }
}

/**
 * Adds one context to the file, or renews it; resolves with the name that it has there. That is another one when
 * a different cluster, told by its CA, has the wanted name: a context that is in use is never lost.
 */
export async function mergeContext(
  context: Context,
  options: { path?: string; makeCurrent?: boolean } = {},
): Promise<string> {
  let { name } = context;
  await updateConfig((config) => {
    name = contextNameFor(config, context.name, context.ca);
    return withContext(config, { ...context, name }, options.makeCurrent);
  }, options.path);
  return name;
}
