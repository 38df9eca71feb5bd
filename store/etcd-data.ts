import {
  closeSync,
  existsSync,
  fsyncSync,
  openSync,
  readdirSync,
  renameSync,
  rmSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';

/** True when etcd has data below `dataDir`: it knows its cluster, and its flags of a first start count no more. */
export function hasData(dataDir: string): boolean {
  try {
    return readdirSync(join(dataDir, 'data', 'member', 'wal')).some((name) => name.endsWith('.wal'));
  } catch {
    return false;
  }
}

const markerOf = (dataDir: string): string => join(dataDir, 'forced-new');

/** True when this data was made a cluster of its own since the last start that did not ask for it. */
export const wasForced = (dataDir: string): boolean => existsSync(markerOf(dataDir));

/** Durable before it returns: what is noted here is never done twice. */
export function noteForced(dataDir: string): void {
  const marker = markerOf(dataDir);
  writeDurably(`${marker}.new`, new Date().toISOString());
  renameSync(`${marker}.new`, marker);
  syncDirectory(dataDir);
}

export const forgetForced = (dataDir: string): void => rmSync(markerOf(dataDir), { force: true });

function writeDurably(path: string, text: string): void {
  const file = openSync(path, 'w', 0o600);
  try {
    writeSync(file, text);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
}

/** What was renamed in it stays so when the machine stops. */
export function syncDirectory(path: string): void {
  const directory = openSync(path, 'r');
  try {
    fsyncSync(directory);
  } finally {
    closeSync(directory);
  }
}
