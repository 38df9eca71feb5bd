// The image of the examples' database: Debian's redis-server with the libraries that it needs, and this machine's busybox.
import { execFileSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { hasImage, importImage } from './import-image.mjs';
import { SetupError, which } from './setup.mjs';
import { tar } from './tar.mjs';

export const redisImage = 'orc.local/redis:1';

const suite = 'bookworm';
const programs = ['/usr/bin/redis-server', '/usr/bin/redis-cli'];
const run = (command, args) =>
  execFileSync(command, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'], maxBuffer: 64 << 20 });

/** The machine's own mirror, as apt knows it; never a security archive, which holds only part of a release. */
function mirror() {
  const known = run('apt-get', ['indextargets', '--format', '$(REPO_URI)', 'Created-By: Packages']);
  const found = known.split('\n').find((line) => line !== '' && !line.includes('security'));
  if (found === undefined) throw new SetupError('apt knows no Debian archive');
  return found;
}

/** Unpacks the package with what it depends on, takes what the programs load, and forgets the rest: 12 MB of 110. */
function build() {
  for (const program of ['mmdebstrap', 'busybox'])
    if (which(program) === undefined)
      throw new SetupError(`${program} is missing: apt-get install mmdebstrap busybox-static`);
  const root = mkdtempSync(join(tmpdir(), 'orc-redis-'));
  try {
    const from = `deb ${mirror()} ${suite} main`;
    run('mmdebstrap', ['--variant=extract', '--include=redis-server', suite, root, from]);
    const folder = readdirSync(root).includes('lib64') ? 'lib64' : 'lib';
    const loader = `/${folder}/${readdirSync(join(root, folder)).find((name) => name.startsWith('ld-linux'))}`;
    const loaded = programs.flatMap((program) =>
      [...run('chroot', [root, loader, '--list', program]).matchAll(/ => (\/\S+)/g)].map(([, path]) => path),
    );
    const files = [...new Set([...programs, loader, ...loaded])].map((path) => ({
      ...{ path: path.slice(1), kind: 'file', mode: 0o755 },
      data: readFileSync(join(root, path)),
    }));
    return tar([
      ...['bin', 'tmp', 'dev', 'proc', 'sys', 'etc', 'run', 'data'].map((path) => ({ path, kind: 'dir' })),
      { path: 'bin/busybox', kind: 'file', data: readFileSync(which('busybox')), mode: 0o755 },
      ...['sh', 'cat', 'ls', 'sleep'].map((applet) => ({
        path: `bin/${applet}`,
        kind: 'link',
        to: 'busybox',
      })),
      ...files,
    ]);
  } finally {
    rmSync(root, { recursive: true, force: true });
  }
}

/** Made once on a machine; it has its name only when it is complete. */
function archive() {
  const folder = join(process.env.ORC_CACHE ?? join(homedir(), '.cache/orc'), 'images');
  const file = join(folder, `redis-${suite}-${process.arch}.tar`);
  if (existsSync(file)) return readFileSync(file);
  const made = build();
  mkdirSync(folder, { recursive: true });
  writeFileSync(`${file}.${process.pid}`, made);
  renameSync(`${file}.${process.pid}`, file);
  return made;
}

const serve = [
  'redis-server',
  '--dir',
  '/data',
  '--appendonly',
  'yes',
  '--appendfsync',
  'always',
  '--protected-mode',
  'no',
];

/** Makes the image in the engine unless it is there; returns whether it had to. Debian, as root. */
export async function ensureRedisImage(socketPath) {
  if (await hasImage(socketPath, redisImage)) return false;
  const changes = [`CMD ${JSON.stringify(serve)}`, 'ENV PATH=/usr/bin:/bin'];
  await importImage(socketPath, redisImage, archive(), changes);
  return true;
}
