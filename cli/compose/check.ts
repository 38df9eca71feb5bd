/** Checks the flags of the commands that start processes, before any of them touches the data directory. */
import { accessSync, constants } from 'node:fs';
import { kindByName } from '../../api-schemas/index.ts';
import { isName } from '../../api-schemas/metadata/validate.ts';
import { messageOf } from '../../kit/errors.ts';
import { usageError } from '../errors.ts';
import { nearest } from '../parse.ts';
import { defaultListen, defaultPort, parseListen, type Listen } from './flags.ts';

export interface ServerFlags {
  readonly nodeName?: string | undefined;
  readonly listen?: string | undefined;
  readonly etcdEndpoints?: readonly string[] | undefined;
  readonly etcdCaFile?: string | undefined;
  readonly etcdCertFile?: string | undefined;
  readonly etcdKeyFile?: string | undefined;
  readonly controllers?: readonly string[] | undefined;
}

export interface AgentFlags {
  readonly nodeName?: string | undefined;
  readonly runtime: 'docker' | 'simulated';
  readonly dockerHost: string;
}

/** Throws a usage error that names the flag; returns where to listen. */
export async function checkServerFlags(flags: ServerFlags): Promise<Listen> {
  if (flags.nodeName !== undefined) checkNodeName(flags.nodeName);
  checkEtcd(flags);
  if (flags.controllers !== undefined) {
    const { controllerNames } = await import('../../controllers/index.ts');
    checkControllers(flags.controllers, controllerNames);
  }
  return parseListen(flags.listen ?? defaultListen);
}

/** Throws a usage error that names the flag. Simulated containers need no engine, so none is looked at. */
export function checkAgentFlags({ nodeName, runtime, dockerHost }: AgentFlags): void {
  if (nodeName !== undefined) checkNodeName(nodeName);
  if (runtime === 'docker') checkDockerHost(dockerHost);
}

function checkNodeName(name: string): void {
  if (isName(name, kindByName('Node')?.nameFormat ?? 'subdomain')) return;
  const near = name
    .toLowerCase()
    .replace(/[^a-z0-9.-]+/g, '-')
    .replace(/(^|\.)[-.]+|[-.]+(?=\.|$)/g, '$1');
  throw usageError(
    `--node-name "${name}" is not a name: lower-case letters, digits, "-" and "." only, at most 253`,
    isName(near, 'subdomain') ? `e.g. --node-name ${near}` : 'e.g. --node-name node-a',
  );
}

function checkDockerHost(address: string): void {
  const isSocket = /^(unix:\/\/)?\/./.test(address);
  // A bare word would be looked up as the name of a machine, for ever.
  const isRemote = /^((tcp|https?):\/\/.|[^/:]+:\d+$|\[.+\]:\d+$)/.test(address);
  const url = address.includes('://') ? address : `tcp://${address}`;
  if (isSocket || (isRemote && URL.canParse(url) && new URL(url).hostname !== '')) return;
  throw usageError(
    `--docker-host "${address}" is no address of a Docker Engine`,
    'e.g. --docker-host unix:///var/run/docker.sock, or tcp://10.0.0.5:2375',
  );
}

function checkControllers(given: readonly string[], known: readonly string[]): void {
  if (given.length === 0) throw usageError('--controllers names none', `choose of: ${known.join(', ')}`);
  for (const name of given) {
    if (known.includes(name)) continue;
    const near = nearest(name, known);
    throw usageError(
      `--controllers: there is no controller "${name}"`,
      near === undefined ? `choose of: ${known.join(', ')}` : `did you mean "${near}"?`,
    );
  }
}

function checkEtcd({ etcdEndpoints, etcdCaFile, etcdCertFile, etcdKeyFile }: ServerFlags): void {
  const files = Object.entries({
    '--etcd-ca-file': etcdCaFile,
    '--etcd-cert-file': etcdCertFile,
    '--etcd-key-file': etcdKeyFile,
  });
  const [used] = files.find(([, path]) => path !== undefined) ?? [];
  if (etcdEndpoints === undefined && used !== undefined)
    throw usageError(`${used} is for an etcd of yours`, 'name it with --etcd-endpoints too');
  if (etcdEndpoints?.length === 0) throw usageError('--etcd-endpoints names none', exampleEtcd);
  for (const endpoint of etcdEndpoints ?? [])
    checkEndpoint('--etcd-endpoints', endpoint, ['http', 'https'], exampleEtcd);
  if ((etcdCertFile === undefined) !== (etcdKeyFile === undefined))
    throw usageError('--etcd-cert-file and --etcd-key-file go together');
  for (const [flag, path] of files) {
    if (path === undefined) continue;
    try {
      accessSync(path, constants.R_OK);
    } catch (error) {
      throw usageError(`${flag} cannot be read: ${messageOf(error)}`);
    }
  }
}

const exampleEtcd = 'e.g. --etcd-endpoints https://10.0.0.5:2379,https://10.0.0.6:2379';

/** Throws a usage error unless each is an address of an API server. */
export function checkServerUrls(urls: readonly string[]): void {
  for (const url of urls)
    checkEndpoint('--server-url', url, ['https'], `e.g. --server-url https://127.0.0.1:${defaultPort}`);
}

function checkEndpoint(flag: string, text: string, schemes: readonly string[], example: string): void {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url !== undefined && schemes.includes(url.protocol.slice(0, -1)) && url.hostname !== '') return;
  throw usageError(`${flag}: "${text}" is not ${schemes.join(' or ')}://HOST:PORT`, example);
}
