/** Programs that only the lab wants, by Debian's packages. */
import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';

const folders = (): readonly string[] => [
  ...(process.env['PATH'] ?? '').split(delimiter),
  ...['/usr/local/sbin', '/usr/sbin', '/sbin'],
];
/** Path of a program, also in the folders that a user's PATH may lack. */
export const find = (program: string): string | undefined =>
  folders()
    .map((folder) => join(folder, program))
    .find((path) => existsSync(path));

/** Path of the program, installed first when it is missing and this is Debian; else throws with what to install. */
export const ensureProgram = (program: string, debianPackage: string): string =>
  ensure(() => find(program), debianPackage);

/** Path of libfaketime, which gives the programs that are started with it a clock of their own. */
export const ensureClockLibrary = (): string =>
  ensure(
    () =>
      ['/usr/lib/x86_64-linux-gnu', '/usr/lib/aarch64-linux-gnu', '/usr/lib64', '/usr/lib']
        .map((folder) => join(folder, 'faketime/libfaketime.so.1'))
        .find((path) => existsSync(path)),
    'libfaketime',
  );

function ensure(search: () => string | undefined, debianPackage: string): string {
  const path = search();
  if (path !== undefined) return path;
  const command = ['apt-get', 'install', '-y', '-qq', '--no-install-recommends', debianPackage];
  if (!existsSync('/etc/debian_version'))
    throw new Error(`${debianPackage} (as Debian calls it) is missing: install it and try again`);
  console.error(`lab: ${debianPackage} is missing: ${command.join(' ')}`);
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  for (const args of [['update', '-qq'], command.slice(1)])
    execFileSync('apt-get', args, { stdio: ['ignore', 2, 2], env });
  const installed = search();
  if (installed === undefined) throw new Error(`${debianPackage} does not bring what the lab wants of it`);
  return installed;
}
