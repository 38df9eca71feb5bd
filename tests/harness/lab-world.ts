/** What runs in a lab, as the engines themselves say it, and whether that is what the API says should run. */
import { existsSync, readFileSync } from 'node:fs';
import { request } from 'node:http';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { taskStates, type Service, type Task } from '../../api-schemas/index.ts';
import { label } from '../../agent/runtime/types.ts';
import type { Api } from './lab-client.ts';
import type { Lab, LabNode } from './lab.ts';

/** A container of orc's. */
export interface Running {
  readonly node: string;
  readonly id: string;
  /** Changes when it is started again. */
  readonly startedAt: string;
  readonly task: string;
  readonly service: string;
  readonly slot: string;
  readonly isRunning: boolean;
}

interface Listed {
  readonly Id: string;
  readonly State: string;
  readonly Labels: Readonly<Record<string, string>>;
}

/** Asks a node's engine; throws for any answer but 2xx. */
export async function engineCall<T>(node: LabNode, path: string, method = 'GET'): Promise<T> {
  const text = await engineText(node, path, method);
  return (text === '' ? undefined : JSON.parse(text)) as T;
}

/** The same for an answer that is not one JSON value. */
export function engineText(node: LabNode, path: string, method = 'GET'): Promise<string> {
  return new Promise((resolve, reject) => {
    const call = request({ socketPath: node.socketPath, path, method, timeout: 30_000 }, (answer) => {
      const parts: Buffer[] = [];
      answer.on('data', (part: Buffer) => parts.push(part));
      answer.on('error', reject);
      answer.on('end', () => {
        const text = Buffer.concat(parts).toString('utf8');
        if ((answer.statusCode ?? 500) >= 300)
          return reject(new Error(`${node.name}: ${method} ${path}: ${answer.statusCode} ${text}`));
        resolve(text);
      });
    });
    call.on('error', reject);
    call.on('timeout', () => call.destroy(new Error(`${node.name}: ${path}: no answer in time`)));
    call.end();
  });
}

/** All containers of orc's on a node, those that have ended too. */
export async function containersOn(node: LabNode): Promise<readonly Running[]> {
  const filters = encodeURIComponent(JSON.stringify({ label: [label.node] }));
  const listed = await engineCall<readonly Listed[]>(node, `/containers/json?all=1&filters=${filters}`);
  const read = listed.map(async ({ Id, State, Labels }): Promise<readonly Running[]> => {
    try {
      const { State: state } = await engineCall<{ State: { StartedAt: string } }>(
        node,
        `/containers/${Id}/json`,
      );
      return [
        {
          node: node.name,
          id: Id,
          startedAt: state.StartedAt,
          task: Labels[label.task] ?? '',
          service: Labels[label.service] ?? '',
          slot: Labels[label.slot] ?? node.name,
          isRunning: State === 'running',
        },
      ];
    } catch (error) {
      if (String(error).includes('404')) return []; // removed meanwhile
      throw error;
    }
  });
  return (await Promise.all(read)).flat();
}

/** When a container ended, by its engine; throws while it runs. */
export async function endOf(node: LabNode, id: string): Promise<string> {
  const { State } = await engineCall<{ State: { Running: boolean; FinishedAt: string } }>(
    node,
    `/containers/${id}/json`,
  );
  if (State.Running) throw new Error(`${node.name}: container ${id.slice(0, 12)} runs`);
  return State.FinishedAt;
}

/** The containers that run, on all nodes that are up. */
export async function runningIn(lab: Lab, service?: string): Promise<readonly Running[]> {
  const nodes = lab.nodes.filter((node) => node.isUp());
  const all = (await Promise.all(nodes.map(containersOn))).flat();
  return all.filter((one) => one.isRunning && (service === undefined || one.service === service));
}

/** Each as one word that changes when the container is another one or was started again. */
export const identities = (containers: readonly Running[]): readonly string[] =>
  containers.map(({ node, id, startedAt, task }) => `${node} ${task} ${id.slice(0, 12)} ${startedAt}`).sort();

/** Those of `before` that are not in `after` under the same identity. */
export const missingFrom = (before: readonly Running[], after: readonly Running[]): readonly string[] => {
  const now = new Set(identities(after));
  return identities(before).filter((one) => !now.has(one));
};

/** Slots that have more than one container that runs. */
export function duplicates(containers: readonly Running[]): readonly string[] {
  const bySlot = new Map<string, readonly Running[]>();
  for (const one of containers) {
    const slot = `${one.service} ${one.slot}`;
    bySlot.set(slot, [...(bySlot.get(slot) ?? []), one]);
  }
  return [...bySlot].filter(([, all]) => all.length > 1).map(([slot, all]) => `${slot}: ${identities(all).join(', ')}`); // prettier-ignore
}

/** Why what runs is not yet what the services ask for; undefined when it is. */
export async function unsettled(lab: Lab, api: Api): Promise<string | undefined> {
  const [services, tasks] = [(await api.list('Service')).items, (await api.list('Task')).items];
  for (const service of services) {
    const { name, generation } = service.metadata;
    const wanted = service.spec.mode === 'global' ? service.status?.desired : (service.spec.replicas ?? 1);
    if (service.status?.observedGeneration !== generation || service.status?.ready !== wanted)
      return `${name}: ${service.status?.ready} of ${wanted} ready; ${tasks.filter((task) => task.spec.service === name).map(taskText).join('; ')}`; // prettier-ignore
    const live = tasks.filter((task) => task.spec.service === name && isLive(task));
    if (live.length !== wanted) return `${name}: ${live.length} live tasks for ${wanted}`;
  }
  return strays(lab, tasks, services);
}

/** What the engines and the API do not agree upon. */
async function strays(
  lab: Lab,
  tasks: readonly Task[],
  services: readonly Service[],
): Promise<string | undefined> {
  const running = await runningIn(lab);
  const wanted = new Set(tasks.filter(isLive).map((task) => task.status?.containerID));
  const stray = running.find(({ id }) => !wanted.has(id));
  if (stray !== undefined) return `${identities([stray]).join('')} runs, and is no live task's`;
  if (running.length !== wanted.size)
    return `${running.length} containers run for ${wanted.size} live tasks of ${services.length} services`;
  const [double] = duplicates(running);
  return double === undefined ? undefined : `twice: ${double}`;
}

const taskText = ({ metadata, spec, status }: Task): string =>
  `${metadata.name} on ${spec.nodeName ?? 'no node'}: ${status?.state}, to be ${metadata.deletionTimestamp === undefined ? spec.desiredState : 'deleted'}, ${status?.reason ?? ''} ${status?.message ?? ''}`;

const isLive = ({ spec, status, metadata }: Task): boolean =>
  spec.desiredState === 'Running' &&
  metadata.deletionTimestamp === undefined &&
  taskStates.indexOf(status?.state ?? 'New') <= taskStates.indexOf('Running');

/** Containers, running or not, whose task the API does not know. */
export async function orphans(lab: Lab, api: Api): Promise<readonly string[]> {
  const nodes = lab.nodes.filter((node) => node.isUp());
  const all = (await Promise.all(nodes.map(containersOn))).flat();
  const known = new Set((await api.list('Task')).items.map(({ metadata }) => metadata.name));
  return identities(all.filter(({ task }) => !known.has(task)));
}

/** Waits until exactly what the services ask for runs, and returns it. Says at the end what was still amiss. */
export async function settled(lab: Lab, api: Api, ms = 120_000): Promise<readonly Running[]> {
  let amiss: string | undefined = 'nothing was asked';
  for (const until = Date.now() + ms; Date.now() < until; await delay(250)) {
    amiss = await unsettled(lab, api).catch((error: unknown) => String(error));
    if (amiss === undefined) return runningIn(lab);
  }
  throw new Error(`not settled within ${ms / 1000} s: ${amiss}`);
}

/** The manager whose etcd leads, by what the members say of themselves; undefined while there is none. */
export async function leaderOf(managers: readonly LabNode[]): Promise<LabNode | undefined> {
  for (const node of managers) if (node.isUp() && (await leads(node))) return node;
  return undefined;
}

const leads = async (node: LabNode): Promise<boolean> =>
  (await etcdMetric(node, 'etcd_server_is_leader').catch(() => 0)) === 1;

/** One of the figures that a node's etcd tells of itself; throws when it does not answer. */
export async function etcdMetric(node: LabNode, name: string): Promise<number> {
  const { clientPort } = JSON.parse(readFileSync(join(node.dataDir, 'etcd/etcd.json'), 'utf8')) as {
    clientPort: number;
  };
  const pki = (file: string): string => join(node.dataDir, 'pki', file);
  const tls = ['--cacert', pki('ca.crt'), '--cert', pki('etcd-client.crt'), '--key', pki('etcd-client.key')];
  const text = await node.must([
    ...['curl', '-fsS', '--max-time', '5', ...tls, `https://127.0.0.1:${clientPort}/metrics`],
  ]);
  const line = text.split('\n').find((each) => each.startsWith(`${name} `));
  if (line === undefined) throw new Error(`etcd of ${node.name} tells no ${name}`);
  return Number(line.slice(name.length));
}

/** Whether the node's `Ready` condition is True. */
export async function isNodeReady(api: Api, name: string): Promise<boolean> {
  const { status } = await api.get('Node', { name });
  return status?.conditions?.some((each) => each.type === 'Ready' && each.status === 'True') === true;
}

/** Ends orc on a node as a service manager would, and waits until it has ended; containers run on. */
export async function stopOrc(node: LabNode): Promise<void> {
  const lock = join(node.dataDir, 'orc.pid');
  const [pid = ''] = readFileSync(lock, 'utf8').split(' '); // as the node counts
  await node.must(['kill', '-TERM', pid]);
  for (const until = Date.now() + 60_000; existsSync(lock); await delay(100))
    if (Date.now() > until) throw new Error(`${node.name}: orc does not end`);
}

/** A service of the example image. */
export function helloService(name: string, spec: Partial<Service['spec']> = {}): Service {
  return {
    apiVersion: 'orc.dev/v1',
    kind: 'Service',
    metadata: { name, namespace: 'default' },
    spec: { image: 'orc.local/hello:1', pullPolicy: 'never', stopGracePeriod: '1s', ...spec },
  };
}
