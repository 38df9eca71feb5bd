// A Docker Engine of the demo's own, for a machine on which none runs; and its removal without a trace.
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, openSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { engineAnswers, SetupError, which } from './setup.mjs';
import { markedProcesses, sweep } from './sweep.mjs';

const forwardSwitch = '/proc/sys/net/ipv4/ip_forward';

/**
 * Starts dockerd with all its files below `dir`, and without the default bridge (orc makes the networks).
 * Remembers in `dir` what dockerd will change on the host, so that `stopEngine` can take it back.
 */
export async function startEngine(dir) {
  const socket = join(dir, 'docker.sock');
  mkdirSync(dir, { recursive: true, mode: 0o700 });
  const before = join(dir, 'host-before.json');
  if (!existsSync(before)) writeFileSync(before, JSON.stringify(hostState()));
  const log = openSync(join(dir, 'dockerd.log'), 'a');
  const args = [
    '--data-root',
    join(dir, 'data'),
    '--exec-root',
    join(dir, 'exec'),
    '--pidfile',
    join(dir, 'docker.pid'),
  ];
  const child = spawn(
    which('dockerd'),
    [...args, '-H', `unix://${socket}`, '--bridge', 'none', '--group', 'root'],
    {
      stdio: ['ignore', log, log],
      detached: true,
      env: { ...process.env, ORC_TEST_RUN: dir, PATH: `${process.env.PATH}:/usr/sbin:/sbin` },
    },
  );
  child.unref();
  for (let i = 0; i < 300; i++) {
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
  restoreHost(join(dir, 'host-before.json'));
  for (let i = 0; i < 20 && existsSync(dir); i++) {
    try {
      rmSync(dir, { recursive: true, force: true });
    } catch {
      await sleep(100); // a container's mount is still going away
    }
  }
}

function hostState() {
  return {
    chains: Object.fromEntries(['nat', 'filter', 'raw'].map((table) => [table, dockerRules(table)])),
    forwardPolicy: forwardPolicy(),
    ipForward: readFileSync(forwardSwitch, 'utf8').trim(),
    links: bridges(),
    tables: ingressTables(),
  };
}

/** Bridges that an engine makes; those of a killed one stay. */
const bridges = () =>
  readdirSync('/sys/class/net').filter(
    (name) => /^(orc-|br-|docker)/.test(name) && existsSync(`/sys/class/net/${name}/bridge`),
  );

/** nft tables of agents, as `ip orc_ingress_1a2b3c4d`. */
function ingressTables() {
  const { stdout } = spawnSync(which('nft'), ['list', 'tables'], { encoding: 'utf8' });
  return (stdout ?? '')
    .split('\n')
    .filter((line) => / orc_ingress/.test(line))
    .map((line) => line.replace(/^table /, ''));
}

/** Lines of `iptables -S` that mention Docker's chains. */
function dockerRules(table) {
  const { stdout } = iptables(['-t', table, '-S']);
  return stdout.split('\n').filter((line) => /\bDOCKER/.test(line));
}

const forwardPolicy = () => /^-P FORWARD (\w+)$/m.exec(iptables(['-S', 'FORWARD']).stdout)?.[1] ?? 'ACCEPT';
const iptables = (args) => {
  const result = spawnSync(which('iptables'), ['-w', ...args], { encoding: 'utf8' });
  return { stdout: result.stdout ?? '', ok: result.status === 0 };
};

/** Removes chains, bridges and tables that were not there before, and puts policy and forwarding back. */
function restoreHost(file) {
  if (!existsSync(file)) return;
  const before = JSON.parse(readFileSync(file, 'utf8'));
  for (const link of bridges().filter((name) => !before.links.includes(name)))
    spawnSync(which('ip'), ['link', 'del', link]);
  for (const table of ingressTables().filter((name) => !before.tables.includes(name))) {
    spawnSync(which('nft'), ['delete', 'table', ...table.split(' ')]);
  }
  for (const table of ['nat', 'filter', 'raw']) {
    if (before.chains[table].length > 0) continue;
    const rules = dockerRules(table);
    for (const rule of rules.filter((line) => line.startsWith('-A '))) {
      iptables(['-t', table, '-D', ...rule.slice(3).split(' ')]);
    }
    const chains = rules.filter((line) => line.startsWith('-N ')).map((line) => line.slice(3));
    for (const chain of chains) iptables(['-t', table, '-F', chain]);
    for (const chain of chains) iptables(['-t', table, '-X', chain]);
  }
  if (before.chains.filter.length === 0) iptables(['-P', 'FORWARD', before.forwardPolicy]);
  if (before.ipForward === '0') writeFileSync(forwardSwitch, '0');
}
