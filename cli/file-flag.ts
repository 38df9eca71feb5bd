import { accessSync, constants, existsSync, readFileSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { messageOf } from '../kit/errors.ts';
import { usageError } from './errors.ts';

/** The text of a file that a flag names. Throws a usage error that says which flag, and what is wrong. */
export function readFileOf(flag: string, path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    throw usageError(`${flag} ${path} cannot be read: ${wordsFor(error)}`);
  }
}

/** Throws a usage error unless the file is there to be read. */
export function checkReadable(what: string, path: string): void {
  try {
    accessSync(path, constants.R_OK);
  } catch (error) {
    throw usageError(`${what} ${path} cannot be read: ${wordsFor(error)}`);
  }
}

/** Throws a usage error unless a file can be made there; one that is there already is kept unless `force`. */
export function checkWritable(what: string, path: string, force: boolean): void {
  const folder = dirname(path);
  try {
    accessSync(folder, constants.W_OK);
  } catch (error) {
    throw usageError(`${what} cannot be written to ${folder}: ${wordsFor(error, 'folder')}`);
  }
  if (!existsSync(path)) return;
  if (statSync(path).isDirectory()) throw usageError(`${path} is a folder`, `name a file in it for ${what}`);
  if (!force) throw usageError(`${path} is there already`, 'choose another name, or replace it with --force');
}

function wordsFor(error: unknown, kind: 'file' | 'folder' = 'file'): string {
  switch ((error as NodeJS.ErrnoException).code) {
    case 'ENOENT':
      return `there is no such ${kind}`;
    case 'EACCES':
    case 'EROFS':
      return 'this user may not';
    case 'EISDIR':
      return 'it is a folder';
    case 'ENOTDIR':
      return 'a part of its path is no folder';
    default:
      return messageOf(error);
  }
}
