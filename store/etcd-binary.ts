import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

const run = promisify(execFile);
const remedy =
  'install it (Debian, Ubuntu: apt-get install etcd-server), or use a running one: --etcd-endpoints';

/** True when `version` (`3.4.23`) is 3.4 or later. */
export function isSupported(version: string): boolean {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  return major > 3 || (major === 3 && minor >= 4);
}

/** Returns the version of `binary`. Throws, with the remedy, when it is not there or older than 3.4. */
export async function checkEtcd(binary: string): Promise<string> {
  const { stdout } = await run(binary, ['--version']).catch((cause: unknown) => {
    const missing = (cause as { readonly code?: unknown }).code === 'ENOENT';
    throw new Error(`${binary} ${missing ? 'is not installed' : 'cannot be run'}: ${remedy}`, { cause });
  });
  const version = /etcd Version: (\S+)/.exec(stdout)?.[1];
  if (version === undefined) throw new Error(`${binary} is not etcd: ${remedy}`);
  if (!isSupported(version)) throw new Error(`etcd ${version} is too old, 3.4 or later is needed: ${remedy}`);
  return version;
}
