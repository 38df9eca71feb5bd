import { inspect } from 'node:util';
import { Agent } from 'node:http';
import Docker from 'dockerode';
import { RuntimeError, type EngineInfo } from '../types.ts';
import { compareAPI, highestAPI, lowestAPI } from './api-levels.ts';
import { runtimeError } from './errors.ts';

export interface Connection {
  readonly docker: Docker;
  /** The version that both sides speak, e.g. `1.41`. */
  readonly api: string;
}

/** Where an engine listens: `unix:///run/docker.sock`, a path, or `tcp://host:port`. */
export type EngineAddress = string;

/**
 * docker-modem renders the options of each request to text for its debug line, whether that is on or not. An agent
 * holds all its sockets: rendering it took nine tenths of this process's time when containers were started.
 */
class ShortAgent extends Agent {
  [inspect.custom](): string {
    return 'Agent';
  }
}

/** Opens a client at the highest API version that engine and agent share. Throws EngineUnavailable or Rejected (too old). */
export async function connect(address: EngineAddress): Promise<Connection> {
  const options = { ...target(address), agent: new ShortAgent({ keepAlive: true }) };
  // `/version` without a prefix answers on every engine, also on one that refuses old versions.
  const version = await new Docker(options).version().catch((error: unknown) => {
    throw runtimeError(error, `connecting to Docker Engine at ${address}`);
  });
  const api = negotiate(
    version.ApiVersion,
    (version as { MinAPIVersion?: string }).MinAPIVersion,
    version.Version,
  );
  return { docker: new Docker({ ...options, version: `v${api}` }), api };
}

/** The highest API version that both speak. Throws when there is none, saying which engine is needed. Pure. */
export function negotiate(engineAPI: string, engineMin: string | undefined, engine: string): string {
  if (compareAPI(engineAPI, lowestAPI) < 0)
    throw new RuntimeError(
      'EngineUnavailable',
      'EngineTooOld',
      `Docker Engine ${engine} speaks API ${engineAPI}; orc needs ${lowestAPI} or later (Engine 20.10). Update the engine.`,
    );
  if (engineMin !== undefined && compareAPI(engineMin, highestAPI) > 0)
    throw new RuntimeError(
      'EngineUnavailable',
      'EngineTooNew',
      `Docker Engine ${engine} speaks API ${engineMin} or later; this orc knows up to ${highestAPI}. Update orc.`,
    );
  return compareAPI(engineAPI, highestAPI) < 0 ? engineAPI : highestAPI;
}

function target(address: EngineAddress): Docker.DockerOptions {
  if (address.startsWith('unix://')) return { socketPath: address.slice('unix://'.length) };
  if (address.startsWith('/')) return { socketPath: address };
  const url = new URL(address.includes('://') ? address : `tcp://${address}`);
  return {
    host: url.hostname,
    port: Number(url.port || 2375),
    protocol: url.protocol === 'https:' ? 'https' : 'http',
  };
}

interface EngineInfoAnswer {
  readonly ServerVersion: string;
  readonly OSType: string;
  readonly Architecture: string;
  readonly NCPU: number;
  readonly MemTotal: number;
  readonly Labels?: readonly string[] | null;
  readonly GenericResources?:
    | readonly {
        readonly DiscreteResourceSpec?: { readonly Kind: string; readonly Value: number };
        readonly NamedResourceSpec?: { readonly Kind: string };
      }[]
    | null;
  readonly FirewallBackend?: { readonly Driver?: string } | null;
}

/** The firewall that the engine programs; engines before 28 do not say and use iptables. */
export type FirewallBackend = string;

export async function engineInfo({ docker, api }: Connection): Promise<EngineInfo> {
  const info = (await docker.info().catch((error: unknown) => {
    throw runtimeError(error, 'asking the engine what it is');
  })) as EngineInfoAnswer;
  const generic = genericResources(info);
  return {
    runtime: 'docker',
    version: info.ServerVersion,
    apiVersion: api,
    platform: { os: info.OSType, arch: arch(info.Architecture) },
    capacity: {
      cpus: info.NCPU,
      memoryBytes: info.MemTotal,
      ...(generic === undefined ? {} : { generic }),
    },
    labels: Object.fromEntries(
      (info.Labels ?? []).map((entry) => {
        const [key = '', ...value] = entry.split('=');
        return [key, value.join('=')];
      }),
    ),
    firewall: info.FirewallBackend?.Driver ?? 'iptables',
  };
}

function genericResources(info: EngineInfoAnswer): Record<string, number> | undefined {
  const found: Record<string, number> = {};
  for (const { DiscreteResourceSpec: discrete, NamedResourceSpec: named } of info.GenericResources ?? []) {
    if (discrete !== undefined) found[discrete.Kind] = (found[discrete.Kind] ?? 0) + discrete.Value;
    if (named !== undefined) found[named.Kind] = (found[named.Kind] ?? 0) + 1;
  }
  return Object.keys(found).length === 0 ? undefined : found;
}

/** The kernel's machine names as image platforms name them. */
const archNames: Readonly<Record<string, string>> = {
  x86_64: 'amd64',
  aarch64: 'arm64',
  armv7l: 'arm',
  armv6l: 'arm',
  i686: '386',
};
export const arch = (machine: string): string => archNames[machine] ?? machine;
