/** What a cluster of a lab keeps when nothing is asked of it any more: on the engines, in the kernels, in the API, in etcd. */
import { readdirSync, readFileSync } from 'node:fs';
import { eventually } from './cluster.ts';
import { engineCall, engineText, etcdMetric } from './lab-world.ts';
import type { Api } from './lab-client.ts';
import type { Lab, LabNode } from './lab.ts';

/** By what it is of; each value is text that is the same when nothing was added or left. */
export type Remains = Readonly<Record<string, readonly string[]>>;

const kinds = ['Stack', 'Service', 'Revision', 'Task', 'Endpoints', 'Node', 'Lease'] as const;

/** Reads all of it, once. Objects and kernels change while things end: ask again until it is as it should be. */
export async function remainsOf(lab: Lab, api: Api): Promise<Remains> {
  const objects = await Promise.all(
    kinds.map(async (kind) => [kind, (await api.list(kind)).items.map(nameOf).sort()] as const),
  );
  const onNodes = await Promise.all(lab.nodes.map(remainsOn));
  const ofNodes = onNodes.reduce<Remains>((all, one) => ({ ...all, ...one }), {});
  return { ...Object.fromEntries(objects), ...ofNodes, keys: await keysOf(lab, api) };
}

/** What is left when nothing runs and no network is left, which go some time after their last task: to be compared with later. */
export const quietRemains = (lab: Lab, api: Api): Promise<Remains> =>
  eventually('nothing runs, and the networks are gone', async () => {
    const remains = await remainsOf(lab, api);
    return (remains['Task'] ?? []).length === 0 && areNetworksGone(remains) && remains;
  });

/** Whether no network of orc is left on any engine, nor what engines and kernels have for one. */
const areNetworksGone = (now: Remains): boolean =>
  Object.entries(now).every(
    ([of, left]) => !/ (networks|links|rules)$/.test(of) || !left.some((each) => /\b(orc-|orv)/.test(each)),
  );

/** What one has and the other has not, in words; empty when they are the same. */
export function differences(before: Remains, now: Remains): readonly string[] {
  return Object.keys({ ...before, ...now }).flatMap((of) => {
    const [old, fresh] = [before[of] ?? [], now[of] ?? []];
    const more = fresh.filter((each) => !old.includes(each)).map((each) => `${of}: more: ${each}`);
    const less = old.filter((each) => !fresh.includes(each)).map((each) => `${of}: less: ${each}`);
    const counted = fresh.length === old.length ? [] : [`${of}: ${fresh.length} for ${old.length}`];
    return [...more, ...less, ...(more.length + less.length > 0 ? [] : counted)];
  });
}

/** Waits until nothing more, and nothing less, than `before` is there; what still differs when that takes too long. */
export async function leftSince(before: Remains, read: () => Promise<Remains>): Promise<readonly string[]> {
  let left: readonly string[] = [];
  await eventually('nothing is left', async () => {
    left = differences(before, await read());
    return left.length === 0;
  }).catch((error: unknown) => {
    // It could not be looked at.
    if (left.length === 0) throw error;
  });
  return left;
}

const nameOf = ({ metadata }: { metadata: { namespace?: string; name: string } }): string =>
  `${metadata.namespace ?? ''}/${metadata.name}`;

async function remainsOn(node: LabNode): Promise<Remains> {
  const list = <T>(path: string): Promise<T> => engineCall<T>(node, path);
  const [containers, networks, { Volumes }, links, rules] = await Promise.all([
    list<readonly { readonly Names: readonly string[] }[]>('/containers/json?all=1'),
    list<readonly { readonly Name: string }[]>('/networks'),
    list<{ readonly Volumes: readonly { readonly Name: string }[] | null }>('/volumes'),
    node.must(['ip', '-br', 'link']),
    node.must(['nft', '-s', 'list', 'ruleset']),
  ]);
  return {
    [`${node.name} containers`]: containers.map(({ Names }) => Names.join()).sort(),
    [`${node.name} networks`]: networks.map(({ Name }) => Name).sort(),
    [`${node.name} volumes`]: (Volumes ?? []).map(({ Name }) => Name).sort(),
    [`${node.name} links`]: lines(links)
      .map((line) => line.split(/[ @]/)[0] ?? '')
      .sort(),
    // Handles and counters are not told (-s), and a counter of iptables' own is cut.
    [`${node.name} rules`]: lines(rules).map((line) => line.replace(/counter packets \d+ bytes \d+/, 'counter').trim()), // prettier-ignore
    [`${node.name} processes`]: programsOf(node)
      .map(({ program }) => program)
      .sort(),
  };
}

const lines = (text: string): readonly string[] => text.split('\n').filter((line) => line !== '');

/** Keys of etcd that are no Event: those end by age. */
async function keysOf(lab: Lab, api: Api): Promise<readonly string[]> {
  const [node] = lab.managers;
  if (node === undefined) return [];
  // An event that is written between the two answers is counted in one of them.
  const before = (await api.list('Event')).items.length;
  const keys = await etcdMetric(node, 'etcd_debugging_mvcc_keys_total');
  const events = (await api.list('Event')).items.length;
  return [events === before ? String(keys - events) : 'events are being written'];
}

interface Program {
  readonly program: string;
  readonly pid: number;
}

const known = ['orc', 'etcd', 'dockerd', 'containerd', 'containerd-shim-runc-v2', 'docker-proxy'];

/** The lasting programs of a node; those that come and go, as health checks do, are left out. */
function programsOf(node: LabNode): readonly Program[] {
  return node.pids().flatMap((pid) => {
    const program = programOf(wordsOf(pid));
    return known.includes(program) ? [{ program, pid }] : [];
  });
}

/** `orc join` hides its words, as one of them is a token. */
function programOf(words: readonly string[]): string {
  const isOrc = words[0]?.startsWith('orc ') === true || words.some((word) => word.endsWith('/bin/orc'));
  return isOrc ? 'orc' : (words[0]?.split('/').at(-1) ?? '');
}

function wordsOf(pid: number): readonly string[] {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0');
  } catch {
    return []; // it has ended
  }
}

/** Open file descriptors of orc, etcd and the engine, by node and program. */
export function descriptorsOf(lab: Lab): Readonly<Record<string, number>> {
  const counts: Record<string, number> = {};
  for (const node of lab.nodes)
    for (const { program, pid } of programsOf(node)) {
      const name = `${node.name} ${program}`;
      counts[name] = (counts[name] ?? 0) + countOf(pid);
    }
  return counts;
}

function countOf(pid: number): number {
  try {
    return readdirSync(`/proc/${pid}/fd`).length;
  } catch {
    return 0; // it has ended
  }
}

/** Names of the containers that a node's engine started in a span of time (ms since the epoch) that is over. */
export async function startsOn(node: LabNode, fromMs: number, untilMs: number): Promise<readonly string[]> {
  const filters = encodeURIComponent(JSON.stringify({ type: ['container'], event: ['start'] }));
  const [since, until] = [fromMs, untilMs].map((ms) => (ms / 1000).toFixed(3));
  const text = await engineText(node, `/events?since=${since}&until=${until}&filters=${filters}`);
  return lines(text).map((line) => (JSON.parse(line) as StartEvent).Actor.Attributes.name);
}

interface StartEvent {
  readonly Actor: { readonly Attributes: { readonly name: string } };
}
