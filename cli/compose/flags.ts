/** Flags that the commands which start processes share, with their defaults. */
import { homedir, hostname } from 'node:os';
import { isIPv6 } from 'node:net';
import { join, resolve } from 'node:path';
import type { Argv } from 'yargs';
import { createLogger, type LogFormat, type Logger } from '../../kit/log.ts';
import { CliError } from '../errors.ts';

export const defaultPort = 6750;
export const defaultListen = `127.0.0.1:${defaultPort}`;

/** `/var/lib/orc` for root, else a folder in the home directory. */
export const defaultDataDir = (): string =>
  process.getuid?.() === 0 ? '/var/lib/orc' : join(homedir(), '.orc', 'data');

/** The machine's host name as a DNS label. */
export function defaultNodeName(): string {
  const name = (hostname().split('.')[0] ?? '')
    .toLowerCase()
    .replace(/[^a-z0-9-]/g, '-')
    .replace(/^-+|-+$/g, '')
    .slice(0, 63);
  return name === '' ? 'node' : name;
}

export interface Listen {
  readonly host: string;
  readonly port: number;
}

/** Reads `host:port`, `[v6]:port`, `host` or `:port`. Throws CliError. */
export function parseListen(text: string): Listen {
  const match = /^(?:\[([^\]]+)\]|([^:]*))(?::(\d{1,5}))?$/.exec(text);
  const host = match?.[1] ?? match?.[2];
  const port = match?.[3] === undefined ? defaultPort : Number(match[3]);
  if (host === undefined || port > 65_535 || (match?.[1] !== undefined && !isIPv6(match[1]))) {
    throw new CliError(
      `--listen ${text}: expected HOST:PORT, e.g. 127.0.0.1:${defaultPort} or [::1]:${defaultPort}`,
      { exitCode: 2 },
    );
  }
  return { host: host === '' ? '0.0.0.0' : host, port };
}

export const dataDirOption = <T>(
  yargs: Argv<T>,
  describe = 'Certificates, etcd and the agent keep their files here',
) =>
  yargs.option('data-dir', {
    type: 'string',
    default: defaultDataDir(),
    coerce: (path: string) => resolve(path),
    describe,
  });

export const commonOptions = <T>(yargs: Argv<T>) =>
  dataDirOption(yargs)
    .option('log-level', {
      choices: ['debug', 'info', 'warn', 'error'] as const,
      default: 'info' as const,
      describe: 'Least severe lines that are logged',
    })
    .option('log-format', {
      choices: ['text', 'json'] as const,
      describe: 'Readable lines or JSON. Default: text in a terminal',
    });

/** Of machines that others reach. */
export const listenOption = {
  type: 'string',
  defaultDescription: `0.0.0.0:${defaultPort}`,
  describe: 'Address and port of the HTTPS API',
} as const;

export const serverOptions = <T>(yargs: Argv<T>) =>
  yargs
    .option('listen', { ...listenOption, defaultDescription: defaultListen })
    .option('etcd-endpoints', {
      type: 'string',
      coerce: (text: string) => text.split(',').filter((part) => part !== ''),
      describe: 'Use this etcd cluster (comma-separated URLs) instead of one of our own',
    })
    .option('etcd-ca-file', { type: 'string', describe: 'CA of the external etcd' })
    .option('etcd-cert-file', { type: 'string', describe: 'Client certificate for the external etcd' })
    .option('etcd-key-file', { type: 'string', describe: 'Key of that certificate' })
    .option('controllers', {
      type: 'string',
      coerce: (text: string) => text.split(',').filter((part) => part !== ''),
      describe: 'Run only these controllers (comma-separated). Default: all',
    });

export const nodeNameOption = {
  type: 'string',
  alias: 'name',
  defaultDescription: 'the host name',
  describe: 'Name of this node in the cluster',
} as const;

export const agentOptions = <T>(yargs: Argv<T>) => engineOptions(yargs.option('node-name', nodeNameOption));

/** What runs the containers of this machine. */
export const engineOptions = <T>(yargs: Argv<T>) =>
  yargs
    .option('docker-host', {
      type: 'string',
      default: process.env['DOCKER_HOST'] ?? 'unix:///var/run/docker.sock',
      describe: 'The Docker Engine (API 1.41 or later)',
    })
    .option('runtime', {
      choices: ['docker', 'simulated'] as const,
      default: 'docker' as const,
      describe: 'What runs containers; simulated ones are only records',
    });

export const advertiseOption = {
  type: 'string',
  defaultDescription: 'where --listen says, or the address of the route to the managers, or to others',
  describe: 'Address (and port) by which other machines reach this one',
} as const;

/** Of machines that others reach: where they do. */
export const memberOptions = <T>(yargs: Argv<T>) =>
  yargs
    .option('advertise', advertiseOption)
    .option('peer-port', {
      type: 'number',
      default: defaultPort + 1,
      describe: 'Port of etcd, for the other managers only',
    })
    .option('start', {
      type: 'boolean',
      default: true,
      describe: 'Run it now; --no-start only prepares the data directory, for `orc up` or a unit to run',
    });

export function loggerOf(flags: { logLevel: string; logFormat?: LogFormat | undefined }): Logger {
  return createLogger({
    level: flags.logLevel,
    ...(flags.logFormat === undefined ? {} : { format: flags.logFormat }),
  });
}
