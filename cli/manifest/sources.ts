/** Reads what `-f` names: files, directories, patterns, `-` and http(s) addresses. */
import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { messageOf } from '../../kit/errors.ts';
import { CliError } from '../errors.ts';
import { expandGlob, isGlob } from './glob.ts';

export interface Source {
  /** As the user would name it, for messages. */
  readonly name: string;
  readonly text: string;
}

export interface ReadOptions {
  readonly recursive: boolean;
  readonly stdin: Readable;
  readonly signal: AbortSignal;
}

export const maxBytes = 32 * 1024 * 1024;
const fetchTimeoutMs = 30_000;
const manifestName = /^[^.].*\.(ya?ml|json)$/i;

/** In the order given; the files of a directory sorted by name. Throws when a path gives nothing. */
export async function readSources(paths: readonly string[], options: ReadOptions): Promise<Source[]> {
  if (paths.filter((path) => path === '-').length > 1) {
    throw new CliError('-f - can be given only once', { exitCode: 2 });
  }
  const sources: Source[] = [];
  for (const path of paths) sources.push(...(await readSource(path, options)));
  return sources;
}

async function readSource(path: string, options: ReadOptions): Promise<Source[]> {
  if (path === '-') return [{ name: 'stdin', text: await readAll(options.stdin, 'stdin') }];
  if (/^https?:\/\//i.test(path)) return [await download(path, options.signal)];
  const files = await filesOf(path, options.recursive);
  return Promise.all(files.map(readManifest));
}

/** The files that `path` stands for. */
export async function filesOf(path: string, recursive: boolean): Promise<string[]> {
  const info = await stat(path).catch(() => undefined);
  if (info?.isDirectory()) {
    const files = await directory(path, recursive);
    if (files.length > 0) return files;
    throw new CliError(`no manifest in directory ${path}`, {
      remedy: `files must end in .yml, .yaml or .json${recursive ? '' : '; -R looks into subdirectories too'}`,
    });
  }
  if (info !== undefined) return [path];
  const matches = isGlob(path) ? await expandGlob(path) : [];
  if (matches.length === 0) {
    throw new CliError(isGlob(path) ? `no file matches ${path}` : `the path "${path}" does not exist`);
  }
  return (await Promise.all(matches.map((match) => filesOf(match, recursive)))).flat();
}

async function directory(path: string, recursive: boolean): Promise<string[]> {
  const entries = await readdir(path, { withFileTypes: true });
  entries.sort((a, b) => (a.name < b.name ? -1 : 1));
  const files: string[] = [];
  for (const entry of entries) {
    const child = join(path, entry.name);
    if (entry.isDirectory()) {
      if (recursive && !entry.name.startsWith('.')) files.push(...(await directory(child, recursive)));
    } else if (manifestName.test(entry.name)) {
      files.push(child);
    }
  }
  return files;
}

export async function readManifest(path: string): Promise<Source> {
  try {
    const { size } = await stat(path);
    if (size > maxBytes) throw tooLarge(path);
    return { name: path, text: await readFile(path, 'utf8') };
  } catch (error) {
    throw error instanceof CliError
      ? error
      : new CliError(`cannot read ${path}: ${messageOf(error)}`, { cause: error });
  }
}

async function readAll(stream: AsyncIterable<unknown>, name: string): Promise<string> {
  const parts: Buffer[] = [];
  let size = 0;
  for await (const part of stream) {
    const bytes = Buffer.from(part as Uint8Array);
    size += bytes.length;
    if (size > maxBytes) throw tooLarge(name);
    parts.push(bytes);
  }
  return Buffer.concat(parts).toString('utf8');
}

/** Certificates are verified as the system does; at most 30 seconds and `maxBytes`. */
async function download(url: string, signal: AbortSignal): Promise<Source> {
  try {
    const limit = AbortSignal.any([signal, AbortSignal.timeout(fetchTimeoutMs)]);
    const response = await fetch(url, { signal: limit });
    if (!response.ok) throw new CliError(`${url} answered ${String(response.status)} ${response.statusText}`);
    return { name: url, text: response.body === null ? '' : await readAll(response.body, url) };
  } catch (error) {
    if (error instanceof CliError) throw error;
    signal.throwIfAborted();
    const late = error instanceof Error && error.name === 'TimeoutError';
    throw new CliError(`cannot download ${url}: ${late ? 'no answer in 30s' : messageOf(error)}`, {
      cause: error,
    });
  }
}

const tooLarge = (name: string): CliError =>
  new CliError(`${name} is larger than ${String(maxBytes / 1024 / 1024)} MiB`);
