// What a demo owns outside its folder, and its removal by the marks that orc gives it: the cluster's label in an
// engine, and the agent's nft table. What others made meanwhile has other marks, and stays.
import { spawnSync } from 'node:child_process';
import { createHash, X509Certificate } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { call, idsWithLabel } from '../engine-api.mjs';
import { helloImage } from '../hello-image.mjs';
import { engineAnswers, which } from '../setup.mjs';

const recordOf = (dir) => join(dir, 'demo.json');

/** Marks the folder as a demo's, and keeps what a later run must know to clear it. */
export const remember = (dir, { socket, madeImage = false }) =>
  writeFileSync(recordOf(dir), JSON.stringify({ socket, madeImage }));

export const isDemoFolder = (dir) => existsSync(recordOf(dir));

/**
 * Removes the demo's containers, networks and image from an engine that is not its own, and its published ports from
 * the kernel. Its processes have ended before. Returns what could not be removed, in words.
 */
export async function removeOwned(dir) {
  if (!isDemoFolder(dir)) return [];
  removeTable(join(dir, 'data/agent'));
  const { socket, madeImage } = JSON.parse(readFileSync(recordOf(dir), 'utf8'));
  // An engine of the demo's own goes whole, with all that is in it.
  if (socket === undefined || socket.startsWith(`${dir}/`)) return [];
  const label = clusterLabel(join(dir, 'data/pki/ca.crt'));
  if (label === undefined && !madeImage) return [];
  if (!(await engineAnswers(socket)))
    return [`the engine at ${socket} does not answer: what has the label ${label} stays in it`];
  if (label !== undefined) {
    for (const id of await idsWithLabel(socket, 'containers', label))
      await call(socket, 'DELETE', `/containers/${id}?force=1&v=1`);
    for (const id of await idsWithLabel(socket, 'networks', label))
      await call(socket, 'DELETE', `/networks/${id}`);
  }
  // Not by force: somebody may have started a container of it.
  if (madeImage) await call(socket, 'DELETE', `/images/${encodeURIComponent(helloImage)}`);
  return [];
}

/** As orc labels what it makes: with a digest of the cluster's CA. */
function clusterLabel(caFile) {
  if (!existsSync(caFile)) return undefined;
  const digest = new X509Certificate(readFileSync(caFile)).fingerprint256.replaceAll(':', '');
  return `dev.orc.cluster=${digest.slice(0, 16).toLowerCase()}`;
}

/** The agent's own table; and the rule that all agents of a host share, when this was the last of them. */
function removeTable(agentDir) {
  const nft = which('nft');
  if (nft === undefined) return;
  const name = `orc_ingress_${createHash('sha256').update(agentDir).digest('hex').slice(0, 8)}`;
  const list = () => spawnSync(nft, ['list', 'tables'], { encoding: 'utf8' }).stdout ?? '';
  if (!list().includes(name)) return;
  for (const family of ['ip', 'ip6']) spawnSync(nft, ['delete', 'table', family, name], { stdio: 'ignore' });
  if (list().includes(' orc_ingress')) return;
  const rule = ['DOCKER-USER', '-m', 'connmark', '--mark', '0x4f000000/0xff000000', '-j', 'ACCEPT'];
  for (const program of ['iptables', 'ip6tables'].map(which).filter((path) => path !== undefined))
    for (
      let i = 0;
      i < 8 && spawnSync(program, ['-w', '-D', ...rule], { stdio: 'ignore' }).status === 0;
      i++
    );
}
