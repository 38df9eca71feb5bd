// Installs what is missing, and says each thing that it does and why. Plain Node: runs before `npm ci`.
import { execFileSync, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { accessSync, constants, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = fileURLToPath(new URL('..', import.meta.url)).replace(/\/$/, '');
const say = (text) => console.error(`setup: ${text}`);

export class SetupError extends Error {}

/** Path of a program, also in the sbin folders that a user's PATH may lack; undefined when it is not there. */
export function which(program) {
  const folders = [...(process.env.PATH ?? '').split(delimiter), '/usr/local/sbin', '/usr/sbin', '/sbin'];
  for (const folder of folders) {
    const path = join(folder, program);
    try {
      accessSync(path, constants.X_OK);
      return path;
    } catch {
      // not in this folder
    }
  }
  return undefined;
}

export function checkNode() {
  const [major, minor] = process.versions.node.split('.').map(Number);
  if (major < 20 || (major === 20 && minor < 19)) {
    throw new SetupError(
      `Node ${process.versions.node} is too old: orc needs 20.19 or later (https://nodejs.org).`,
    );
  }
}

/** `npm ci` when node_modules is missing or was made from another lock file; then the build, which takes 0.3 s. */
export function ensureNodeModules() {
  const lockHash = createHash('sha256')
    .update(readFileSync(join(root, 'package-lock.json')))
    .digest('hex');
  const stamp = join(root, 'node_modules', '.orc-lock');
  const installed = existsSync(stamp) ? readFileSync(stamp, 'utf8') : '';
  if (installed !== lockHash) {
    if (!isInstalled()) {
      say(
        existsSync(join(root, 'node_modules')) ? 'the lock file changed: npm ci' : 'no node_modules: npm ci',
      );
      run('npm', ['ci', '--no-audit', '--no-fund', '--loglevel=error'], { cwd: root });
    }
    writeFileSync(stamp, lockHash);
  }
  run(process.execPath, [join(root, 'scripts/build.mjs')], { cwd: root });
}

/** Whether npm's own record of node_modules says what the lock file says, as after an `npm ci` by hand. */
function isInstalled() {
  const record = join(root, 'node_modules/.package-lock.json');
  if (!existsSync(record)) return false;
  const packagesOf = (path) => JSON.parse(readFileSync(path, 'utf8')).packages;
  const have = packagesOf(record);
  // An optional package is of another platform when it is missing.
  return Object.entries(packagesOf(join(root, 'package-lock.json'))).every(
    ([path, { version, integrity, optional }]) =>
      path === '' ||
      (have[path] === undefined
        ? optional === true
        : have[path].version === version && have[path].integrity === integrity),
  );
}

function run(command, args, options = {}) {
  const { status, signal, error } = spawnSync(command, args, { stdio: ['ignore', 2, 2], ...options });
  if (signal === 'SIGINT') throw new SetupError('interrupted');
  if (status !== 0)
    throw new SetupError(`${command} ${args.join(' ')} failed: ${error?.message ?? `exit ${status}`}`);
}

/** Whether a Docker Engine answers on the socket. */
export function engineAnswers(socketPath) {
  return new Promise((resolve) => {
    if (!existsSync(socketPath)) return resolve(false);
    const ping = request({ socketPath, path: '/_ping', timeout: 3000 }, (res) => {
      res.resume();
      resolve(res.statusCode === 200);
    });
    ping.on('timeout', () => ping.destroy());
    ping.on('error', () => resolve(false));
    ping.end();
  });
}

/** Where the engine is looked for, as docker and orc do; the scripts speak to a socket only. */
export function defaultSocket() {
  const host = process.env.DOCKER_HOST || 'unix:///var/run/docker.sock';
  if (!host.startsWith('unix://'))
    throw new SetupError(
      `DOCKER_HOST is ${host}: only unix:// is supported here; unset it, or name a socket.`,
    );
  return host.slice('unix://'.length);
}

/** program → the Debian package that brings it */
const packageOf = {
  etcd: 'etcd-server',
  dockerd: 'docker.io',
  nft: 'nftables',
  iptables: 'iptables',
  ip: 'iproute2',
  busybox: 'busybox-static',
  conntrack: 'conntrack',
  wg: 'wireguard-tools',
  'wireguard-go': 'wireguard-go',
  mmdebstrap: 'mmdebstrap',
  iperf3: 'iperf3',
};

/**
 * Makes sure that each program is there, by Debian's packages.
 * On another system, or without root, it changes nothing and throws with what to install.
 */
export function ensurePrograms(programs) {
  const missing = programs.filter((program) => which(program) === undefined || !isStatic(program));
  if (missing.length === 0) return;
  const packages = [...new Set(missing.map((program) => packageOf[program]))];
  const command = `apt-get install -y --no-install-recommends ${packages.join(' ')}`;
  const system = systemName();
  if (!system.isDebian) {
    throw new SetupError(
      `missing: ${missing.join(', ')}. This is ${system.name}, where orc installs nothing by itself.\n` +
        `  Install with your package manager what Debian calls: ${packages.join(' ')}\n  then run the same command again.`,
    );
  }
  if (process.getuid() !== 0) {
    throw new SetupError(
      `missing: ${missing.join(', ')}, and this is not root. As root: apt-get update && ${command}`,
    );
  }
  say(`missing: ${missing.join(', ')}`);
  const hadEtcdUnit = etcdUnitIsActive();
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  say('apt-get update');
  run('apt-get', ['update', '-qq'], { env });
  say(command);
  run('apt-get', ['install', '-y', '-qq', '--no-install-recommends', ...packages], { env });
  if (packages.includes('etcd-server') && !hadEtcdUnit && etcdUnitIsActive()) {
    say('stopping the etcd service that the package has just started: orc runs an etcd of its own');
    run('systemctl', ['disable', '--now', 'etcd']);
  }
}

/** busybox goes into an image alone, so Debian's shared build (package `busybox`) does not serve. */
function isStatic(program) {
  if (program !== 'busybox') return true;
  const file = readFileSync(which(program));
  return !file.includes('/lib64/ld-linux') && !file.includes('/lib/ld-linux');
}

function etcdUnitIsActive() {
  if (!existsSync('/run/systemd/system') || which('systemctl') === undefined) return false;
  return spawnSync('systemctl', ['is-active', '--quiet', 'etcd']).status === 0;
}

function systemName() {
  try {
    const text = readFileSync('/etc/os-release', 'utf8');
    const field = (name) => new RegExp(`^${name}="?([^"\n]*)"?$`, 'm').exec(text)?.[1] ?? '';
    return { isDebian: field('ID') === 'debian', name: field('PRETTY_NAME') || 'an unknown system' };
  } catch {
    return { isDebian: false, name: process.platform };
  }
}

/** Why no engine can run here; undefined when nothing stands in the way. */
export function engineObstacle() {
  if (process.platform !== 'linux') return `Docker Engine needs Linux; this is ${process.platform}.`;
  if (process.getuid() !== 0) return 'Starting a Docker Engine needs root.';
  if (!existsSync('/sys/fs/cgroup')) return 'There are no control groups (/sys/fs/cgroup is missing).';
  const mounts = readFileSync('/proc/mounts', 'utf8');
  if (!/ cgroup2? /.test(mounts))
    return 'No control groups are mounted (/proc/mounts has no cgroup file system).';
  try {
    execFileSync('unshare', ['--mount', 'true'], { stdio: 'pipe' });
  } catch {
    return 'This environment forbids new mount namespaces (an unprivileged container?).';
  }
  return undefined;
}
