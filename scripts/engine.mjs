// A Docker Engine of the demo's own, for a machine on which none runs; and its removal without a trace.
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { hostState, removeBridges, restoreHost } from './host.mjs';
import { engineAnswers, SetupError, which } from './setup.mjs';
import { markedProcesses, sweep } from './sweep.mjs';

/**
 * Starts dockerd with all its files below `dir`, its containers in a cgroup of its own, and without the default bridge
 * (orc makes the networks). Remembers in `dir` what it will change on the host, so that `stopEngine` can take it back.
 */
export async function startEngine(dir, signal) {
  const socket = join(dir, 'docker.sock');
  mkdirSync(dir, { recursive: true, mode: 0o700 });
  const before = join(dir, 'host-before.json');
  if (!existsSync(before)) writeFileSync(before, JSON.stringify(hostState()));
  const log = openSync(join(dir, 'dockerd.log'), 'a');
  const child = spawn(
    which('dockerd'),
    [
      ...['--data-root', join(dir, 'data'), '--exec-root', join(dir, 'exec')],
      ...['--pidfile', join(dir, 'docker.pid'), '-H', `unix://${socket}`],
      ...['--cgroup-parent', `/${cgroupOf(dir)}`, '--exec-opt', 'native.cgroupdriver=cgroupfs'],
      ...['--bridge', 'none', '--group', 'root'],
    ],
    {
      stdio: ['ignore', log, log],
      detached: true,
      env: { ...process.env, ORC_TEST_RUN: dir, PATH: `${process.env.PATH}:/usr/sbin:/sbin` },
    },
  );
  child.unref();
  for (let i = 0; i < 300; i++) {
    signal?.throwIfAborted();
    if (await engineAnswers(socket)) return socket;
    if (child.exitCode !== null) break;
    await sleep(100);
  }
  const tail = readFileSync(join(dir, 'dockerd.log'), 'utf8').trim().split('\n').slice(-3).join('\n  ');
  throw new SetupError(`the Docker Engine did not start; the end of ${dir}/dockerd.log:\n  ${tail}`);
}

/** Stops the engine below `dir` and takes back what it changed on the host. Safe to call when it never ran. */
export async function stopEngine(dir) {
  if (!existsSync(dir)) return;
  const pid = Number(existsSync(join(dir, 'docker.pid')) ? readFileSync(join(dir, 'docker.pid'), 'utf8') : 0);
  if (pid > 0 && markedProcesses(dir).includes(pid)) {
    process.kill(pid, 'SIGTERM');
    for (let i = 0; i < 150 && markedProcesses(dir).includes(pid); i++) await sleep(100);
  }
  sweep(dir);
  await endCgroup(cgroupOf(dir));
  removeBridges(ownBridges(dir));
  const before = join(dir, 'host-before.json');
  if (existsSync(before)) restoreHost(JSON.parse(readFileSync(before, 'utf8')));
  for (let i = 0; i < 20 && existsSync(dir); i++) {
    try {
      rmSync(dir, { recursive: true, force: true });
    } catch {
      await sleep(100); // a container's mount is still going away
    }
  }
}

const cgroupOf = (dir) => `orc-demo-${createHash('sha256').update(dir).digest('hex').slice(0, 8)}`;

/** Containers outlive an engine that was killed: what still runs in the engine's cgroup ends, then the cgroup goes. */
async function endCgroup(name) {
  const root = '/sys/fs/cgroup';
  const tops = [root, ...readdirSync(root, { withFileTypes: true }).filter((e) => e.isDirectory()).map((e) => join(root, e.name))]; // prettier-ignore
  for (const folder of tops.map((top) => join(top, name)).filter((path) => existsSync(path))) {
    for (let i = 0; i < 50 && existsSync(folder); i++) {
      const folders = below(folder);
      for (const each of folders) for (const pid of pidsIn(each)) kill(pid);
      for (const each of folders) remove(each);
      if (existsSync(folder)) await sleep(100);
    }
  }
}

/** The folder and all below it, the deepest first. */
const below = (folder) => [
  ...readdirSync(folder, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .flatMap((entry) => below(join(folder, entry.name))),
  folder,
];

function pidsIn(folder) {
  try {
    return readFileSync(join(folder, 'cgroup.procs'), 'utf8').split('\n').filter(Boolean).map(Number);
  } catch {
    return []; // removed meanwhile
  }
}

function kill(pid) {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // gone already
  }
}

function remove(folder) {
  try {
    rmdirSync(folder);
  } catch {
    // still busy: the next round
  }
}

/** Bridges that this engine made, by its own record of its networks; those of a killed engine stay until removed. */
function ownBridges(dir) {
  const record = join(dir, 'data/network/files/local-kv.db');
  if (!existsSync(record)) return [];
  const named = readFileSync(record, 'latin1').matchAll(/"BridgeName":"((?:orc|br)-[0-9a-f]{10,12})"/g);
  return [...new Set([...named].map(([, name]) => name))];
}
