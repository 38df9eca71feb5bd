/** ufw and firewalld, as Debian has them, on nodes of a lab: in a root of their own, on the node's own network. */
import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { startDaemon } from '../lab/engine.ts';
import { ensureProgram } from '../lab/programs.ts';
import { root } from '../lab/state.ts';
import type { LabNode } from './lab.ts';

/** Runs a command of the firewall on its node; throws with what it said when it fails. */
export type HostFirewall = (...argv: readonly string[]) => Promise<string>;

const place = '/run/firewall';

/** The node's own copy of the root; what it changes there stays with the node. */
const mounts = `
set -e
mkdir -p "$2/firewall" "$2/firewall.work" ${place}
mount -t overlay -o lowerdir="$1",upperdir="$2/firewall",workdir="$2/firewall.work" overlay ${place}
mount -t proc proc ${place}/proc
mount --rbind /sys ${place}/sys
mount --rbind /dev ${place}/dev
mount -t tmpfs tmpfs ${place}/run
`;

export async function openFirewall(node: LabNode): Promise<HostFirewall> {
  ensureProgram('mmdebstrap', 'mmdebstrap');
  const made = execFileSync('bash', [join(root, 'tests/harness/engine-root.sh'), 'firewall'], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  await node.must(['bash', '-c', mounts, 'mounts', made.trim(), node.dir]);
  return (...argv) => node.must(['chroot', place, ...argv]);
}

/** Starts firewalld, and the engine anew: an engine looks once, at its start, whether there is one. */
export async function startFirewalld(node: LabNode, firewall: HostFirewall): Promise<void> {
  await node.must(['mkdir', '-p', `${place}/run/dbus`, '/run/dbus']);
  await node.must(['mount', '--bind', `${place}/run/dbus`, '/run/dbus']);
  await firewall('dbus-daemon', '--system', '--fork', '--nopidfile');
  const words = ['chroot', place, 'firewalld', '--nofork', '--nopid'];
  node.spawnToFile(words, join(node.dir, 'firewalld.log'));
  await until(`firewalld runs on ${node.name}`, async () => {
    const { code } = await node.exec(['chroot', place, 'firewall-cmd', '--state']);
    return code === 0;
  });
  const [pid = ''] = (await node.must(['cat', '/run/docker.pid'])).split('\n');
  await node.must(['kill', pid]);
  await until(`the engine of ${node.name} has ended`, async () => {
    const { code } = await node.exec(['kill', '-0', pid]);
    return code !== 0 && !existsSync(join(node.dir, 'docker.sock'));
  });
  const files = { socketPath: node.socketPath, data: join(node.dir, 'docker'), log: node.engineLog };
  await startDaemon(node.enter(), files, node.env);
}

async function until(what: string, holds: () => Promise<boolean>): Promise<void> {
  for (const end = Date.now() + 60_000; !(await holds()); await delay(100))
    if (Date.now() > end) throw new Error(`not within a minute: ${what}`);
}
