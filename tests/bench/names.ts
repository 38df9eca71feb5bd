/**
 * Names and virtual IPs: what a node's DNS server answers beside the one of the engine, how soon a task that has become
 * ready is served on every node by name, virtual IP and published port, and what a node takes to program many services.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import type { Endpoints, Task } from '../../api-schemas/index.ts';
import { DnsServer } from '../../agent/dns/index.ts';
import { run as command } from '../../agent/network/commands.ts';
import { dnsInput, virtualIPs } from '../../agent/network/inputs.ts';
import { VirtualIPs } from '../../agent/network/vip/index.ts';
import { systemClock } from '../../kit/clock.ts';
import { silentLogger } from '../../kit/log.ts';
import { startTimeOf } from '../../kit/process.ts';
import { option, quantile } from '../harness/figures.ts';
import { openLabClient, type LabClient } from '../harness/lab-client.ts';
import { engineCall, settled } from '../harness/lab-world.ts';
import { startLab, type Lab, type LabNode } from '../harness/lab.ts';
import { root } from '../lab/state.ts';

const peer = join(root, 'tests/harness/net-peer.mjs');
const published = 18_080;
const many = { services: 1_000, endpoints: 10 };

const manifest = `
apiVersion: orc.dev/v1
kind: Stack
metadata: { name: bench }
spec:
  services:
    asker: { image: orc.local/hello:1, pullPolicy: never, mode: global, stopGracePeriod: 1s, command: [sleep, '100000'] }
    web: { image: orc.local/hello:1, pullPolicy: never, replicas: 1, stopGracePeriod: 1s, ports: [{ published: ${published}, target: 80 }] }
`;

interface Answers {
  readonly per_s: number;
  readonly lost: number;
  readonly p50_ms: number;
  readonly p99_ms: number;
}

interface Result {
  readonly dns: Answers;
  /** Docker's own server in each container, asked for a container of a network of its own. */
  readonly engine_dns: Answers;
  readonly rounds: number;
  /** From the start of the container to the first answer, on the slowest of the nodes. */
  readonly name_p50_ms: number;
  readonly name_p99_ms: number;
  readonly virtual_ip_p50_ms: number;
  readonly virtual_ip_p99_ms: number;
  readonly published_p50_ms: number;
  readonly published_p99_ms: number;
  /** 1,000 services with 10 endpoints each: names and the rules of one container. */
  readonly program_ms: number;
  readonly change_p50_ms: number;
  readonly change_p99_ms: number;
}

export async function run(log: (line: string) => void, args: readonly string[]): Promise<Result> {
  const rounds = Number(option(args, '--rounds') ?? 30);
  const programmed = await programming();
  log(`programming: ${JSON.stringify(programmed)}`);
  const lab = await startLab({ nodes: 3, managers: 1, engines: ['host'] });
  try {
    const client = await openLabClient(lab);
    const file = join(lab.dir, 'bench.yml');
    writeFileSync(file, manifest);
    await lab.node(1).must(['orc', 'apply', '-f', file, '--wait', '--timeout', '3m']);
    await settled(lab, client);
    const world = await openWorld(lab, client);
    const seconds = option(args, '--seconds') ?? '5';
    const dns = await answersOf(world, seconds);
    const engine = await engineAnswersOf(world, seconds);
    log(`dns: ${JSON.stringify(dns)}, the engine's: ${JSON.stringify(engine)}`);
    const times: Served[] = [];
    for (let round = 1; round <= rounds; round++) {
      times.push(await untilServed(lab, client, world));
      log(`round ${round}: ${JSON.stringify(times.at(-1))}`);
    }
    client.close();
    const of = (key: keyof Served, q: number): number => quantile(q, times.map((each) => each[key])); // prettier-ignore
    return {
      dns,
      engine_dns: engine,
      rounds,
      name_p50_ms: of('name', 0.5),
      name_p99_ms: of('name', 0.99),
      virtual_ip_p50_ms: of('virtualIP', 0.5),
      virtual_ip_p99_ms: of('virtualIP', 0.99),
      published_p50_ms: of('published', 0.5),
      published_p99_ms: of('published', 0.99),
      ...programmed,
    };
  } finally {
    await lab.close();
  }
}

/** On one node: a container that asks, the DNS server that it has, and how to enter its network namespace. */
interface Asker {
  readonly node: LabNode;
  readonly server: string;
  readonly enter: readonly string[];
}

interface World {
  readonly askers: readonly Asker[];
  readonly virtualIP: string;
}

const entering = async (node: LabNode, id: string): Promise<readonly string[]> => {
  const { State } = await engineCall<{ State: { Pid: number } }>(node, `/containers/${id}/json`);
  return ['nsenter', `--net=/proc/${State.Pid}/ns/net`];
};

async function openWorld(lab: Lab, client: LabClient): Promise<World> {
  const tasks = (await client.list('Task')).items.filter(({ spec }) => spec.service === 'bench-asker');
  const { status } = await client.get('Network', { name: 'bench-default', namespace: 'default' });
  const endpoints = await client.get('Endpoints', { name: 'bench-web', namespace: 'default' });
  const askers = tasks.map(async ({ spec, status: own }: Task): Promise<Asker> => {
    const node = lab.node(spec.nodeName ?? '');
    const server = status?.nodes?.[node.name]?.gateway ?? '';
    return { node, server, enter: await entering(node, own?.containerID ?? '') };
  });
  return { askers: await Promise.all(askers), virtualIP: endpoints.networks?.[0]?.virtualIP ?? '' };
}

async function ask(node: LabNode, enter: readonly string[], ...words: readonly string[]): Promise<Answers> {
  const text = await node.must([...enter, 'node', peer, 'dns', ...words, '64']);
  const { per_s, lost, p50, p99 } = JSON.parse(text) as { per_s: number; lost: number; p50: number; p99: number }; // prettier-ignore
  const round = (value: number): number => Math.round(value * 1000) / 1000;
  return { per_s: Math.round(per_s), lost, p50_ms: round(p50), p99_ms: round(p99) };
}

async function answersOf({ askers: [asker] }: World, seconds: string): Promise<Answers> {
  if (asker === undefined) throw new Error('no container asks');
  return ask(asker.node, asker.enter, asker.server, 'web.bench.default.orc.internal', seconds);
}

async function engineAnswersOf({ askers: [asker] }: World, seconds: string): Promise<Answers> {
  if (asker === undefined) throw new Error('no container asks');
  const { node } = asker;
  const start = ['docker', 'run', '-d', '--network', 'floor', 'orc.local/hello:1', 'sleep', '100000'];
  await node.must(['docker', 'network', 'create', 'floor']);
  await node.must([...start.slice(0, 3), '--name', 'floor-web', ...start.slice(3)]);
  const id = (await node.must(start)).trim();
  const answers = await ask(node, await entering(node, id), '127.0.0.11', 'floor-web', seconds);
  await node.must(['docker', 'rm', '-f', 'floor-web', id]);
  await node.must(['docker', 'network', 'rm', 'floor']);
  return answers;
}

interface Served {
  readonly name: number;
  readonly virtualIP: number;
  readonly published: number;
}

/** One task comes where there was none; all nodes ask for it all the time. */
async function untilServed(lab: Lab, client: LabClient, { askers, virtualIP }: World): Promise<Served> {
  const web = { name: 'bench-web', namespace: 'default' };
  await client.setScale('Service', web, 0);
  await settled(lab, client);
  await delay(1_000); // what the end of the last one left to do is over
  const polls = await Promise.all(
    askers.flatMap(({ node, server, enter }) => {
      const dns = { server, name: 'tasks.web.bench.default.orc.internal' };
      const within = { dns, tcp: [{ host: virtualIP, port: 80 }], timeoutMs: 60_000 };
      const outside = { tcp: [{ host: node.address, port: published }], timeoutMs: 60_000 };
      return [poll(node, enter, within), poll(node, [], outside)];
    }),
  );
  await client.setScale('Service', web, 1);
  const polled = await Promise.all(polls.map(({ result }) => result));
  const [task] = (await client.list('Task')).items.filter(
    ({ spec, status }) => spec.service === 'bench-web' && status?.state === 'Running',
  );
  if (task === undefined) throw new Error('the service does not run');
  const { State } = await engineCall<{ State: { StartedAt: string } }>(
    lab.node(task.spec.nodeName ?? ''),
    `/containers/${task.status?.containerID ?? ''}/json`,
  );
  const started = Date.parse(State.StartedAt);
  const slowest = (values: readonly (number | null | undefined)[]): number =>
    Math.max(...values.map((at) => (at ?? NaN) - started));
  const [inside, outside] = [polled.filter((_, i) => i % 2 === 0), polled.filter((_, i) => i % 2 === 1)];
  return {
    name: slowest(inside.map(({ name }) => name)),
    virtualIP: slowest(inside.map(({ paths }) => paths[0])),
    published: slowest(outside.map(({ paths }) => paths[0])),
  };
}

interface Polled {
  readonly name?: number | null;
  readonly paths: readonly (number | null)[];
}

/** Resolves when it asks; its result is there once everything was answered. */
async function poll(
  node: LabNode,
  enter: readonly string[],
  what: unknown,
): Promise<{ result: Promise<Polled> }> {
  const { child } = node.spawn([...enter, 'node', peer, 'until', JSON.stringify(what)]);
  if (child.stdout === null) throw new Error('no output');
  const lines = createInterface({ input: child.stdout });
  await once(lines, 'line');
  return { result: once(lines, 'line').then(([line]) => JSON.parse(String(line)) as Polled) };
}

/** Names and rules of one container, as a node's agent makes them of what it was sent. */
async function programming(): Promise<Pick<Result, 'program_ms' | 'change_p50_ms' | 'change_p99_ms'>> {
  const child = spawn('unshare', ['-n', 'sh', '-c', 'echo; exec cat'], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  await once(child.stdout, 'data');
  const { pid = 0 } = child;
  const container = { pid, startTime: startTimeOf(pid) ?? '' };
  const options = { run: command, clock: systemClock, logger: silentLogger };
  const [vips, dns] = [
    new VirtualIPs(options),
    new DnsServer({ ...options, ready: () => Promise.resolve() }),
  ];
  const program = async (endpoints: readonly Endpoints[]): Promise<number> => {
    const began = performance.now();
    dns.update(dnsInput([], endpoints, []));
    await vips.set('container', container, virtualIPs(endpoints, new Set(['default/net'])));
    return performance.now() - began;
  };
  const all = Array.from({ length: many.services }, (_, i) => endpointsOf(i, many.endpoints));
  const program_ms = await program(all);
  const changes: number[] = [];
  for (let i = 0; i < 40; i++) {
    // Out and in again: of what goes, open flows of datagrams are looked for, too.
    all[i >> 1] = endpointsOf(i >> 1, many.endpoints - (i % 2 === 0 ? 1 : 0));
    changes.push(await program([...all]));
  }
  await vips.close();
  child.stdin.end();
  return {
    program_ms: Math.round(program_ms),
    change_p50_ms: quantile(0.5, changes),
    change_p99_ms: quantile(0.99, changes),
  };
}

function endpointsOf(service: number, count: number): Endpoints {
  const ip = (base: number, n: number): string => `10.${base}.${n >> 8}.${n & 255}`;
  return {
    apiVersion: 'orc.dev/v1',
    kind: 'Endpoints',
    metadata: { name: `s${service}`, namespace: 'default' },
    ports: [],
    networks: [{ network: 'net', virtualIP: ip(64, service), aliases: [] }],
    endpoints: Array.from({ length: count }, (_, i) => {
      const address = ip(65, service * many.endpoints + i);
      const addresses = [{ network: 'net', ip: address }];
      return { task: `s${service}-${i}`, slot: i + 1, nodeName: 'n1', ip: address, addresses };
    }),
  };
}
