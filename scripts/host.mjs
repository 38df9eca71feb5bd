// What a Docker Engine changes on its host outside its own folder, and how to take it back.
// What has an owner goes by its owner's name (bridges, and rules that name them). What all engines of a host share
// (chains, policy, forwarding) goes with the last of them, and only what was not there before the first.
import { spawnSync } from 'node:child_process';
import {
  existsSync,
  readFileSync,
  readlinkSync,
  readdirSync,
  rmSync,
  rmdirSync,
  writeFileSync,
} from 'node:fs';
import { which } from './setup.mjs';

const forwardSwitch = '/proc/sys/net/ipv4/ip_forward';
const families = ['iptables', 'ip6tables'];
const tables = ['nat', 'filter', 'raw'];
const engineChains = /^DOCKER(-USER|-FORWARD|-BRIDGE|-CT|-INTERNAL|-INGRESS|-ISOLATION-STAGE-[12])?$/;
/** Made by dockerd whatever its folders are; a folder goes only when it is empty. */
const enginePaths = [
  '/etc/docker/key.json',
  '/etc/docker',
  '/run/docker/plugins',
  '/run/docker',
  '/run/containerd/s',
  '/run/containerd',
];

/** Pids of Docker Engines that program the rules of our network namespace. */
export function enginesHere() {
  const own = readlinkSync('/proc/self/ns/net');
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => {
      try {
        return (
          readFileSync(`/proc/${pid}/comm`, 'utf8').trim() === 'dockerd' &&
          !/\0(--version|-v|--help|--validate)\0/.test(readFileSync(`/proc/${pid}/cmdline`, 'utf8')) &&
          readlinkSync(`/proc/${pid}/ns/net`) === own
        );
      } catch {
        return false; // gone meanwhile
      }
    })
    .map(Number);
}

/** What engines share, as it is before one starts. */
export const hostState = () => ({
  chains: eachTable().flatMap(({ family, table }) =>
    chainsOf(family, table).map((c) => `${family} ${table} ${c}`),
  ),
  policy: Object.fromEntries(families.map((family) => [family, forwardPolicy(family)])),
  ipForward: readFileSync(forwardSwitch, 'utf8').trim(),
  paths: enginePaths.filter((path) => existsSync(path)),
  nft: nftTables(),
});

/** Removes the bridges and each rule that names one of them. Others' are not touched. */
export function removeBridges(bridges) {
  const own = new Set(bridges);
  for (const { family, table } of eachTable())
    for (const rule of rulesOf(family, table))
      if (rule.some((word) => own.has(word))) iptables(family, table, '-D', ...rule);
  for (const bridge of own)
    if (existsSync(`/sys/class/net/${bridge}/bridge`)) spawnSync(which('ip'), ['link', 'del', bridge]);
}

/** Puts back what engines share, unless another engine of this host needs it. */
export function restoreHost(before) {
  if (enginesHere().length > 0) return;
  for (const { family, table } of eachTable()) {
    const rules = rulesOf(family, table);
    const chains = chainsOf(family, table).filter(
      (chain) =>
        !before.chains.includes(`${family} ${table} ${chain}`) &&
        !(chain === 'DOCKER-USER' && holdsOthers(rules)),
    );
    for (const rule of rules)
      if (chains.includes(rule[rule.indexOf('-j') + 1])) iptables(family, table, '-D', ...rule);
    for (const chain of chains) iptables(family, table, '-F', chain);
    for (const chain of chains) iptables(family, table, '-X', chain);
  }
  for (const family of families)
    if (before.policy[family] === 'ACCEPT' && forwardPolicy(family) === 'DROP')
      iptables(family, 'filter', '-P', 'FORWARD', 'ACCEPT');
  if (before.ipForward === '0') writeFileSync(forwardSwitch, '0');
  for (const path of enginePaths.filter((each) => !before.paths.includes(each))) removePath(path);
  for (const table of nftTables().filter((each) => !before.nft.includes(each))) removeIfUnused(table);
}

/** A chain for the administrator's rules: what is neither Docker's own RETURN nor orc's is somebody's. */
const holdsOthers = (rules) =>
  rules.some(
    (rule) =>
      rule[0] === 'DOCKER-USER' && rule.join(' ') !== 'DOCKER-USER -j RETURN' && !rule.includes('connmark'),
  );

const eachTable = () =>
  families
    .filter((family) => which(family) !== undefined)
    .flatMap((family) => tables.map((table) => ({ family, table })));

function iptables(family, table, ...args) {
  const program = which(family);
  if (program === undefined) return '';
  return spawnSync(program, ['-w', '-t', table, ...args], { encoding: 'utf8' }).stdout ?? '';
}

const listing = (family, table) => iptables(family, table, '-S').split('\n');
const chainsOf = (family, table) =>
  listing(family, table)
    .filter((line) => line.startsWith('-N '))
    .map((line) => line.slice(3))
    .filter((chain) => engineChains.test(chain));
/** Each rule as its words, the chain first: what `-D` takes. */
const rulesOf = (family, table) =>
  listing(family, table)
    .filter((line) => line.startsWith('-A '))
    .map((line) => (line.slice(3).match(/"[^"]*"|\S+/g) ?? []).map((word) => word.replace(/^"(.*)"$/, '$1')));
const forwardPolicy = (family) =>
  /^-P FORWARD (\w+)$/m.exec(iptables(family, 'filter', '-S', 'FORWARD'))?.[1] ?? 'ACCEPT';

const nft = (...args) => spawnSync(which('nft'), args, { encoding: 'utf8' }).stdout ?? '';
/** As `ip filter`: those that iptables makes, when it is the one on top of nftables. */
const nftTables = () =>
  nft('list', 'tables')
    .split('\n')
    .map((line) => line.replace(/^table /, ''))
    .filter((table) => /^ip6? (nat|filter|raw)$/.test(table));

/** iptables leaves its tables behind: one of built-in chains alone, without a rule, that accept everything, does nothing. */
function removeIfUnused(table) {
  const list = nft('list', 'table', ...table.split(' '));
  const builtIn = /^\s*chain \w+ \{\n\s*type [^\n]* policy accept;\n\s*\}\n/gm;
  if (/^table [^\n]*\{\s*\}\s*$/.test(list.replace(builtIn, ''))) nft('delete', 'table', ...table.split(' '));
}

function removePath(path) {
  try {
    if (path.endsWith('.json')) rmSync(path, { force: true });
    else rmdirSync(path);
  } catch {
    // not there, or somebody uses it
  }
}
