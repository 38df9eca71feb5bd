/**
 * What each path between containers carries, beside the bare path between the same two nodes: throughput, small
 * datagrams, and the time of a request. Every round goes through all paths, and ratios are those of a round, since a
 * machine's speed changes while it is measured. Client, server and all nodes share the machine's processors.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { once } from 'node:events';
import type { Task } from '../../api-schemas/index.ts';
import { option, quantile } from '../harness/figures.ts';
import { openLabClient, type LabClient } from '../harness/lab-client.ts';
import { settled } from '../harness/lab-world.ts';
import { startLab, type Lab, type LabNode, type LabProcess } from '../harness/lab.ts';
import { root } from '../lab/state.ts';

const peer = join(root, 'tests/harness/net-peer.mjs');
const [iperfPort, echoPort, iperfPublished, echoPublished] = [5201, 7000, 15_201, 17_000];

/** Where a client and a server stand, and what the client calls the server. */
interface Path {
  readonly name: string;
  readonly from: Place;
  readonly to: Place;
  readonly host: string;
  readonly isPublished?: boolean;
}

/** The network namespace of a node, or of one of its containers. */
interface Place {
  readonly node: LabNode;
  readonly enter: readonly string[];
}

interface Figures {
  readonly tcp1_gbps: number;
  readonly tcp4_gbps: number;
  /** Datagrams of 64 bytes that arrive. */
  readonly kpps: number;
  /** A connection, a request and its answer. */
  readonly connect_p50_us: number;
  readonly connect_p99_us: number;
  /** A request and its answer on an open connection. */
  readonly echo_p50_us: number;
  readonly echo_p99_us: number;
}

type Key = keyof Figures;

interface Result {
  readonly rounds: number;
  readonly paths: Readonly<Record<string, Figures>>;
  /** Medians of each round's own ratio; of times, the inverse, so that 1 is as good and less is worse. */
  readonly ratios: Readonly<Record<string, Readonly<Record<Key, number>>>>;
}

/** Left out with `--no-encrypted`, for machines on which no encryption works. */
const sealed = `
    sealed-client: { ${at('n1')}, networks: [{ name: sealed }] }
    sealed-far: { ${at('n2')}, networks: [{ name: sealed }] }`;
const manifest = (isSealed: boolean): string => `
apiVersion: orc.dev/v1
kind: Stack
metadata: { name: bench }
spec:
  ${isSealed ? 'networks: { sealed: { encrypted: true } }' : ''}
  services:
    client: { ${at('n1')} }
    near: { ${at('n1')} }
    far:
      <<: { ${at('n2')} }
      ports: [{ published: ${iperfPublished}, target: ${iperfPort} }, { published: ${iperfPublished}, target: ${iperfPort}, protocol: udp }, { published: ${echoPublished}, target: ${echoPort} }]${isSealed ? sealed : ''}
`;

function at(node: string): string {
  return `image: orc.local/hello:1, pullPolicy: never, stopGracePeriod: 1s, placement: { constraints: [node.id == ${node}] }, command: [sleep, '100000']`;
}

export async function run(log: (line: string) => void, args: readonly string[]): Promise<Result> {
  const rounds = Number(option(args, '--rounds') ?? 3);
  const seconds = Number(option(args, '--seconds') ?? 3);
  const lab = await startLab({ nodes: 3, managers: 1, engines: ['host'] });
  try {
    const client = await openLabClient(lab);
    const paths = await pathsOf(lab, client, !args.includes('--no-encrypted'));
    client.close();
    const servers = await Promise.all(serversOf(paths));
    const measured: Record<string, Figures>[] = [];
    for (let round = 1; round <= rounds; round++) {
      const figures: Record<string, Figures> = {};
      for (const path of paths) {
        figures[path.name] = await measure(path, seconds);
        log(`round ${round}, ${path.name}: ${JSON.stringify(figures[path.name])}`);
      }
      measured.push(figures);
    }
    for (const server of servers.flat()) server.signal('SIGKILL');
    return summary(measured);
  } finally {
    await lab.close();
  }
}

async function pathsOf(lab: Lab, client: LabClient, isSealed: boolean): Promise<readonly Path[]> {
  const file = join(lab.dir, 'bench.yml');
  writeFileSync(file, manifest(isSealed));
  const [n1, n2, n3] = [lab.node(1), lab.node(2), lab.node(3)];
  await n1.must(['orc', 'apply', '-f', file, '--wait', '--timeout', '3m']);
  await settled(lab, client);
  const tasks = (await client.list('Task')).items;
  const taskOf = (service: string): Task => {
    const found = tasks.find(({ spec, status }) => spec.service === service && status?.state === 'Running');
    if (found === undefined) throw new Error(`${service} does not run`);
    return found;
  };
  const within = async (node: LabNode, service: string): Promise<Place> => {
    const id = taskOf(service).status?.containerID ?? '';
    const pid = (await node.must(['docker', 'inspect', '-f', '{{.State.Pid}}', id])).trim();
    return { node, enter: ['nsenter', `--net=/proc/${pid}/ns/net`] };
  };
  const ipOf = (service: string): string => taskOf(service).status?.addresses?.[0]?.ip ?? '';
  const on = (node: LabNode): Place => ({ node, enter: [] });
  const [from, near, far] = [await within(n1, 'bench-client'), await within(n1, 'bench-near'), await within(n2, 'bench-far')]; // prettier-ignore
  const endpoints = await client.get('Endpoints', { name: 'bench-far', namespace: 'default' });
  const paths: Path[] = [
    { name: 'bare', from: on(n1), to: on(n2), host: n2.address },
    { name: 'same_node', from, to: near, host: ipOf('bench-near') },
    { name: 'cross_node', from, to: far, host: ipOf('bench-far') },
    { name: 'virtual_ip', from, to: far, host: endpoints.networks?.[0]?.virtualIP ?? '' },
    { name: 'ingress', from: on(n3), to: far, host: n1.address, isPublished: true },
  ];
  if (isSealed)
    paths.push({
      name: 'encrypted',
      from: await within(n1, 'bench-sealed-client'),
      to: await within(n2, 'bench-sealed-far'),
      host: ipOf('bench-sealed-far'),
    });
  return paths;
}

/** One pair of servers for each place that is gone to. */
function serversOf(paths: readonly Path[]): readonly Promise<readonly LabProcess[]>[] {
  const places = new Map(paths.map(({ to }) => [[to.node.name, ...to.enter].join(), to]));
  return [...places.values()].map(async ({ node, enter }) => {
    const echo = node.spawn([...enter, 'node', peer, 'serve', String(echoPort)]);
    const iperf = node.spawn([...enter, 'iperf3', '-s', '-p', String(iperfPort), '--forceflush']);
    await Promise.all([echo, iperf].map(({ child }) => firstLine(child.stdout)));
    return [echo, iperf];
  });
}

async function firstLine(stream: NodeJS.ReadableStream | null): Promise<void> {
  if (stream === null) return;
  await once(createInterface({ input: stream }), 'line');
  stream.resume();
}

interface Iperf {
  readonly end: {
    readonly sum_received?: { readonly bits_per_second: number };
    readonly sum?: { readonly packets: number; readonly lost_packets: number; readonly seconds: number };
  };
}

async function measure(path: Path, seconds: number): Promise<Figures> {
  const { from, host, isPublished } = path;
  const [iperf, echo] = isPublished === true ? [iperfPublished, echoPublished] : [iperfPort, echoPort];
  const json = async <T>(...argv: readonly string[]): Promise<T> =>
    JSON.parse(await from.node.must([...from.enter, ...argv])) as T;
  const iperf3 = async (...more: readonly string[]): Promise<Iperf['end']> =>
    (await json<Iperf>('iperf3', '-J', '-c', host, '-p', String(iperf), '-t', String(seconds), ...more)).end;
  const gbps = ({ sum_received }: Iperf['end']): number => (sum_received?.bits_per_second ?? NaN) / 1e9;
  const [one, four] = [await iperf3(), await iperf3('-P', '4')];
  const { packets, lost_packets, seconds: took } = (await iperf3('-u', '-l', '64', '-b', '0')).sum ?? nothing;
  type Times = Record<'connect' | 'echo', { readonly p50: number; readonly p99: number }>;
  const times = await json<Times>('node', peer, 'ask', host, String(echo), '1000');
  return {
    tcp1_gbps: gbps(one),
    tcp4_gbps: gbps(four),
    kpps: (packets - lost_packets) / took / 1000,
    connect_p50_us: times.connect.p50,
    connect_p99_us: times.connect.p99,
    echo_p50_us: times.echo.p50,
    echo_p99_us: times.echo.p99,
  };
}

const nothing = { packets: NaN, lost_packets: NaN, seconds: NaN };

function summary(measured: readonly Readonly<Record<string, Figures>>[]): Result {
  const names = Object.keys(measured[0] ?? {});
  const median = (values: readonly number[]): number => quantile(0.5, values);
  const each = (value: (key: Key) => number): Figures => ({
    tcp1_gbps: value('tcp1_gbps'),
    tcp4_gbps: value('tcp4_gbps'),
    kpps: value('kpps'),
    connect_p50_us: value('connect_p50_us'),
    connect_p99_us: value('connect_p99_us'),
    echo_p50_us: value('echo_p50_us'),
    echo_p99_us: value('echo_p99_us'),
  });
  const ratio = (name: string, floor: string): Figures =>
    each((key) =>
      median(
        measured.map((figures) => {
          const [one, other] = [figures[name]?.[key] ?? NaN, figures[floor]?.[key] ?? NaN];
          return key.endsWith('_us') ? other / one : one / other;
        }),
      ),
    );
  return {
    rounds: measured.length,
    paths: Object.fromEntries(
      names.map((name) => [
        name,
        each((key) => median(measured.map((figures) => figures[name]?.[key] ?? NaN))),
      ]),
    ),
    ratios: {
      ...Object.fromEntries(
        names.filter((name) => name !== 'bare').map((name) => [`${name}_of_bare`, ratio(name, 'bare')]),
      ),
      virtual_ip_of_cross_node: ratio('virtual_ip', 'cross_node'),
      ingress_of_cross_node: ratio('ingress', 'cross_node'),
    },
  };
}
