/**
 * The oracle of networks: whether kernels, engines and names on all nodes are what the objects of the API make them.
 * The difference is told as a whole, one line each, empty when there is none.
 */
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { label } from '../../../agent/runtime/types.ts';
import { root } from '../../lab/state.ts';
import type { Task } from '../../../api-schemas/index.ts';
import type { Api } from '../lab-client.ts';
import type { Lab, LabNode } from '../lab.ts';
import { bridgedIn, foundIn, type Reading } from './found.ts';
import { namesFor } from './names.ts';
import { keyOf, keysOf, objectProblems, readObjects, type Objects } from './objects.ts';
import { optionalOn, wantedOn } from './wanted.ts';

const file = (name: string): string => join(root, 'tests/harness/network-truth', name);

export interface Truth {
  readonly objects: Objects;
  readonly readings: ReadonlyMap<string, Reading>;
  readonly differences: readonly string[];
}

export const read = async (node: LabNode): Promise<Reading> =>
  JSON.parse(await node.must(['node', file('reader.mjs')], { timeoutMs: 60_000 })) as Reading;

/** Looks once. Names are asked for only when all else is as it should be, since they follow from it. */
export async function look(lab: Lab, api: Api): Promise<Truth> {
  const objects = await readObjects(api);
  const readings = new Map<string, Reading>();
  await Promise.all(lab.nodes.map(async (node) => void readings.set(node.name, await read(node))));
  const differences = [
    ...objectProblems(objects),
    ...[...readings].flatMap(([name, reading]) => differencesOn(name, reading, objects)),
  ];
  if (differences.length > 0) return { objects, readings, differences };
  const named = await Promise.all(lab.nodes.map((node) => namesOn(node, readings, objects)));
  return { objects, readings, differences: named.flat() };
}

function differencesOn(name: string, reading: Reading, objects: Objects): readonly string[] {
  const node = objects.nodes.find(({ metadata }) => metadata.name === name);
  if (node === undefined) return [`${name}: the API knows no such node`];
  const optional = optionalOn(name, objects);
  const here = bridgedIn(reading);
  const bridged = new Set([...optional].filter((key) => here.has(key)));
  const uids = objects.tasks
    .filter(({ spec }) => spec.nodeName === name)
    .map(({ metadata }) => metadata.uid ?? '');
  const byVni = new Map(objects.networks.map((network) => [network.status?.vni ?? 0, keyOf(network)]));
  const found = foundIn(reading, byVni, new Set(uids));
  const wanted = wantedOn(node, objects, bridged);
  // Engine 20 gives a container of an internal network a default route, later ones do not; it leads nowhere.
  const ways = objects.tasks.filter((task) => isInternal(task, objects)).map(({ metadata }) => `${metadata.name}: default route`); // prettier-ignore
  const isMine = (fact: string): boolean =>
    ![...[...bridged].map((key) => `${key}: `), ...ways].some((start) => fact.startsWith(start));
  return [
    ...less(wanted, found).map((fact) => `${name}: missing: ${fact}`),
    // A node that has left a network may keep a bridge of it for what has ended there.
    ...less(found, wanted).filter((fact) => isMine(fact) || isIn(name, fact, objects)).map((fact) => `${name}: more: ${fact}`), // prettier-ignore
  ];
}

const isInternal = (task: Task, { networks }: Objects): boolean =>
  networks.some((network) => keyOf(network) === keysOf(task)[0] && network.spec.internal === true);

const isIn = (name: string, fact: string, { networks }: Objects): boolean =>
  networks.some(
    (network) => fact.startsWith(`${keyOf(network)}: `) && network.status?.nodes?.[name] !== undefined,
  );

/** Of the first list, each as often as the second one has it too seldom. */
function less(all: readonly string[], other: readonly string[]): readonly string[] {
  const counts = new Map<string, number>();
  for (const each of other) counts.set(each, (counts.get(each) ?? 0) + 1);
  return all.filter((each) => {
    const left = counts.get(each) ?? 0;
    counts.set(each, left - 1);
    return left <= 0;
  });
}

/** What a peer in a container's network namespace answers to what it is told. */
export interface Outcomes {
  readonly names: readonly string[];
  readonly tcp: readonly string[];
  readonly udp: readonly string[];
  readonly ping: readonly string[];
}

export interface Deeds {
  readonly names?: readonly string[];
  readonly tcp?: readonly { readonly host: string }[];
  readonly udp?: readonly { readonly host: string }[];
  readonly ping?: readonly { readonly host: string }[];
}

/** A program for the network namespace of a container. */
export const peerFile = file('peer.mjs');

export const peerIn = (pid: number, ...words: readonly string[]): readonly string[] =>
  ['nsenter', '-t', String(pid), '-n', 'node', peerFile, ...words]; // prettier-ignore

/** Does things in the network namespace of a container (`pid` as its node counts). */
export const actIn = async (node: LabNode, pid: number, deeds: Deeds): Promise<Outcomes> =>
  JSON.parse(await node.must(peerIn(pid), { input: JSON.stringify(deeds), timeoutMs: 60_000 })) as Outcomes;

async function namesOn(
  node: LabNode,
  readings: ReadonlyMap<string, Reading>,
  objects: Objects,
): Promise<readonly string[]> {
  const containers = (readings.get(node.name)?.containers ?? []).filter(({ pid }) => pid > 0);
  const asked = containers.map(async ({ pid, labels }) => {
    const task = objects.tasks.find(({ metadata }) => metadata.uid === labels[label.taskUID]);
    if (task === undefined) return [];
    const wanted = namesFor(task, objects);
    const { names } = await actIn(node, pid, { names: wanted.map(({ name }) => name) });
    return wanted.flatMap(
      ({ name, answers }, i) =>
      answers.includes(names[i] ?? '') ? [] : [`${node.name}: ${task.metadata.name}: ${name} is ${names[i]}, and should be ${answers.join(' or ')}`], // prettier-ignore
    );
  });
  return (await Promise.all(asked)).flat();
}

/** Looks until nothing differs; throws with all that does when it takes longer. */
export async function agreed(lab: Lab, api: Api, ms: number): Promise<Truth> {
  for (const until = Date.now() + ms; ; await delay(500)) {
    const truth = await look(lab, api).catch((error: unknown) => String(error));
    if (typeof truth !== 'string' && truth.differences.length === 0) return truth;
    if (Date.now() < until) continue;
    const said = typeof truth === 'string' ? [truth] : truth.differences;
    throw new Error(`after ${ms / 1000} s the nodes are not what the API says:\n${said.join('\n')}`);
  }
}
