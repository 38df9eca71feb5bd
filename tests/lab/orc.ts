/** orc on the nodes of a lab: `init` on the first, `join` on the others, and `up` after that. */
import type { ChildProcess } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { capabilities } from '../../cli/cluster/unit.ts';
import { tail } from './engine.ts';
import type { LabNode } from './node.ts';
import { hasEnded } from './run.ts';

const port = 6750;

export type Start = { readonly kind: 'init' | 'up' } | { readonly kind: 'join'; readonly token: string; readonly to: string }; // prettier-ignore

/** Words after `orc`; it stays in the foreground. */
export function orcArgs(
  node: Pick<LabNode, 'name' | 'address' | 'dataDir'>,
  start: Start,
): readonly string[] {
  const here = ['--data-dir', node.dataDir, '--listen', `0.0.0.0:${port}`];
  const engine = ['--docker-host', 'unix:///run/docker.sock'];
  const identity = ['--name', node.name, '--advertise', node.address];
  switch (start.kind) {
    case 'up':
      return ['up', ...here, ...engine];
    case 'init':
      return ['init', ...identity, ...here, ...engine];
    case 'join':
      return ['join', '--token', start.token, ...identity, ...here, ...engine, `${start.to}:${port}`];
  }
}

/** It may do what the systemd unit lets it do, and nothing more. */
const asUnit = [
  ...['setpriv', '--no-new-privs', '--bounding-set'],
  ['-all', ...capabilities(true).map((name) => name.toLowerCase().replace(/^cap_/, '+'))].join(),
];

/** Whether the node has become a member of the cluster, now or before a crash. */
export const isMember = (node: LabNode): boolean => existsSync(join(node.dataDir, 'cluster.json'));

/** Makes one cluster of the nodes: managers one after the other, as each changes the quorum, then the workers at once. */
export async function formCluster(
  nodes: readonly LabNode[],
  managers: number,
  say: (line: string) => void,
): Promise<void> {
  const [first, ...others] = nodes;
  if (first === undefined) return;
  say(`${first.name}: orc init`);
  const process = first.spawnToFile([...asUnit, 'orc', ...orcArgs(first, { kind: 'init' })], first.orcLog);
  await untilReady(first, [first], process);
  const token = async (role: 'manager' | 'worker'): Promise<string> =>
    (await first.must(['orc', 'token', 'show', role, '--quiet'])).trim();
  const join = async (node: LabNode, role: 'manager' | 'worker'): Promise<void> => {
    say(`${node.name}: orc join, as a ${role}`);
    const start = { kind: 'join', token: await token(role), to: first.address } as const;
    await untilReady(
      node,
      [first],
      node.spawnToFile([...asUnit, 'orc', ...orcArgs(node, start)], node.orcLog),
    );
  };
  for (const node of others.slice(0, managers - 1)) await join(node, 'manager');
  await Promise.all(others.slice(managers - 1).map((node) => join(node, 'worker')));
}

/** Starts orc on a node that is a member; waits for it to be Ready when the managers that run are a majority. */
export async function continueOrc(node: LabNode, managers: readonly LabNode[]): Promise<void> {
  const process = node.spawnToFile([...asUnit, 'orc', ...orcArgs(node, { kind: 'up' })], node.orcLog);
  const running = managers.filter((each) => each.isUp());
  if (running.length * 2 > managers.length) await untilReady(node, running, process);
}

/** Asks the managers in turn until one says that the node is Ready; throws when its orc ends before. */
async function untilReady(node: LabNode, managers: readonly LabNode[], process: ChildProcess): Promise<void> {
  for (const end = Date.now() + 120_000; ; await delay(200)) {
    for (const manager of managers) if (await isReady(node.name, manager)) return;
    if (hasEnded(process) || Date.now() > end)
      throw new Error(
        `${node.name}: orc ${hasEnded(process) ? 'ended' : 'is not Ready after 2 minutes'}; the end of ${node.orcLog}:\n${tail(node.orcLog, 12)}`,
      );
  }
}

interface NodeObject {
  readonly metadata: { readonly name: string };
  readonly status?: { readonly conditions?: readonly { readonly type: string; readonly status: string }[] };
}

async function isReady(name: string, manager: LabNode): Promise<boolean> {
  const ran = await manager.exec(['orc', 'get', 'nodes', '-o', 'json'], { timeoutMs: 10_000 });
  if (ran.code !== 0) return false;
  const answer = JSON.parse(ran.stdout) as { items?: NodeObject[] } & NodeObject;
  const object = (answer.items ?? [answer]).find(({ metadata }) => metadata.name === name);
  return (
    object?.status?.conditions?.some(({ type, status }) => type === 'Ready' && status === 'True') === true
  );
}
