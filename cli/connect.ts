/** Opens the context that flags and kubeconfig name. */
import { Client, configPath, loadContext } from '../client/index.ts';
import type { GlobalFlags } from './command.ts';
import { CliError, usageError } from './errors.ts';
import { single } from './flags.ts';
import { note, type Io } from './io.ts';
import { parseDuration } from './output/age.ts';

export interface Connection {
  readonly client: Client;
  /** Of the flag, else of the context, else `default`. */
  readonly namespace: string;
  readonly contextName: string;
  readonly endpoint: string;
}

/** Reads the configuration and dials nothing yet. Throws with the remedy when there is no usable context. */
export async function connect(flags: GlobalFlags, io: Io): Promise<Connection> {
  const timeoutMs =
    flags.requestTimeout === undefined ? undefined : duration(flags.requestTimeout, '--request-timeout');
  const context = await loadContext({
    path: configPath(io.env as NodeJS.ProcessEnv),
    ...(flags.context === undefined ? {} : { context: flags.context }),
  }).catch((error: unknown) => {
    throw error instanceof Error && error.name === 'ConfigError'
      ? new CliError(error.message, { cause: error })
      : error;
  });
  const endpoints = flags.server === undefined ? context.endpoints : [serverUrl(flags.server)];
  const client = new Client({
    endpoints,
    tls: {
      ca: context.ca,
      ...(context.cert === undefined ? {} : { cert: context.cert }),
      ...(context.key === undefined ? {} : { key: context.key }),
    },
    token: context.token,
    userAgent: 'orc',
  });
  tuneRequests(client, timeoutMs, flags.verbose ? (line) => note(io, line) : undefined);
  return {
    client,
    namespace: flags.namespace ?? context.namespace ?? 'default',
    contextName: context.name,
    endpoint: endpoints[0] ?? '',
  };
}

/** Every request of this client waits as `--request-timeout` says and is shown with `--verbose`. */
function tuneRequests(
  client: Client,
  timeoutMs: number | undefined,
  trace: ((line: string) => void) | undefined,
): void {
  const { transport } = client;
  const request = transport.request.bind(transport);
  transport.request = async (options) => {
    trace?.(`${options.method ?? 'GET'} ${options.path}`);
    const wait = timeoutMs === undefined || options.streaming === true ? {} : { timeoutMs };
    return request({ ...options, ...wait });
  };
}

function serverUrl(text: string): string {
  const url = /^https?:\/\//.test(text) ? text : `https://${text}`;
  if (!URL.canParse(url) || !url.startsWith('https:')) {
    throw usageError(`--server ${text} is not an https address`, 'e.g. --server https://127.0.0.1:6750');
  }
  return url.replace(/\/+$/, '');
}

/** Milliseconds of a flag's duration; a usage error names the flag. */
export function duration(value: string | readonly string[], flag: string): number {
  const text = single(value, flag) ?? '';
  const ms = parseDuration(text);
  if (ms === undefined) throw usageError(`${flag}: "${text}" is not a duration`, 'e.g. 30s, 1m30s, 2h');
  return ms;
}
