/** Opens the context that flags and kubeconfig name. */
import { Client, configPath, loadContext, NoContext, rememberServers } from '../client/index.ts';
import type { GlobalFlags } from './command.ts';
import { hereIn, withoutContext } from './compose/here.ts';
import { defaultDataDir } from './compose/flags.ts';
import type { Connection } from './connection.ts';
import { CliError, usageError } from './errors.ts';
import { duration } from './flags.ts';
import { note, type Io } from './io.ts';

/** Reads the configuration and dials nothing yet. Throws with the remedy when there is no usable context. */
export async function connect(flags: GlobalFlags, io: Io): Promise<Connection> {
  const requestTimeoutMs =
    flags.requestTimeout === undefined ? undefined : duration(flags.requestTimeout, '--request-timeout');
  const path = configPath(io.env as NodeJS.ProcessEnv);
  const context = await loadContext({
    path,
    ...(flags.context === undefined ? {} : { context: flags.context }),
  }).catch((error: unknown) => {
    if (error instanceof NoContext) throw withoutContext(error, hereIn(defaultDataDir()));
    throw error instanceof Error && error.name === 'ConfigError'
      ? new CliError(error.message, { cause: error })
      : error;
  });
  const endpoints = flags.server === undefined ? context.endpoints : [serverUrl(flags.server)];
  // Who names a server means that one.
  const memory =
    flags.server === undefined ? rememberServers(context.name, context.endpoints, path) : undefined;
  const client = new Client({
    endpoints,
    tls: {
      ca: context.ca,
      ...(context.cert === undefined ? {} : { cert: context.cert }),
      ...(context.key === undefined ? {} : { key: context.key }),
    },
    token: context.token,
    userAgent: 'orc',
    requestTimeoutMs,
    onWarning: onceEach((text) => note(io, `warning: ${text}`)),
    onServers: memory?.onServers,
    onRequest: flags.verbose ? (method, path) => note(io, `${method} ${path}`) : undefined,
  });
  return {
    client,
    namespace: flags.namespace ?? context.namespace ?? 'default',
    contextName: context.name,
    endpoint: endpoints[0] ?? '',
    settled: () => memory?.settled() ?? Promise.resolve(),
  };
}

/** A command that asks often is warned of one thing once. Ages in a text do not make it another. */
function onceEach(tell: (text: string) => void): (text: string) => void {
  const told = new Set<string>();
  return (text) => {
    const kind = text.replace(/\d+/g, '#');
    if (!told.has(kind)) tell(text);
    told.add(kind);
  };
}

function serverUrl(text: string): string {
  const url = /^https?:\/\//.test(text) ? text : `https://${text}`;
  if (!URL.canParse(url) || !url.startsWith('https:')) {
    throw usageError(`--server ${text} is not an https address`, 'e.g. --server https://127.0.0.1:6750');
  }
  return url.replace(/\/+$/, '');
}
