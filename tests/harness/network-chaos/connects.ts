/** Connections between containers by chance: those that must succeed, and those that must not. */
import { label } from '../../../agent/runtime/types.ts';
import type { Endpoints, Task } from '../../../api-schemas/index.ts';
import type { Lab, LabNode, LabProcess } from '../lab.ts';
import { actIn, peerIn, type Truth } from '../network-truth/index.ts';
import { isLive } from '../network-truth/objects.ts';
import type { Chance } from './random.ts';

interface Place {
  readonly node: LabNode;
  readonly task: Task;
  readonly pid: number;
  /** What the page of its container says at the end. */
  readonly host: string;
}

function placesOf(lab: Lab, { objects, readings }: Truth): readonly Place[] {
  return lab.nodes.flatMap((node) =>
    (readings.get(node.name)?.containers ?? []).flatMap(({ id, pid, labels }) => {
      const task = objects.tasks.find(({ metadata }) => metadata.uid === labels[label.taskUID]);
      return pid > 0 && task !== undefined && isLive(task)
        ? [{ node, task, pid, host: id.slice(0, 12) }]
        : [];
    }),
  );
}

const networksOn = ({ task }: Place): readonly string[] => task.spec.networks ?? [];
const addressOn = ({ task }: Place, network: string): string =>
  task.status?.addresses?.find((one) => one.network === network)?.ip ?? '';

/** What went wrong, one line each. */
export async function connectByChance(lab: Lab, truth: Truth, chance: Chance): Promise<readonly string[]> {
  const places = placesOf(lab, truth);
  const problems: string[] = [];
  for (let i = 0; i < 3; i++) {
    const from = chance.pick(places);
    const to = chance.pick(places);
    if (from !== undefined && to !== undefined) problems.push(...(await connect(from, to, places, truth)));
  }
  return problems;
}

async function connect(
  from: Place,
  to: Place,
  places: readonly Place[],
  truth: Truth,
): Promise<readonly string[]> {
  const shared = networksOn(from).find((network) => networksOn(to).includes(network));
  const service = truth.objects.endpoints.find(({ metadata }) => metadata.name === to.task.spec.service);
  const ready = (service?.endpoints ?? []).flatMap(({ task }) => places.find((place) => place.task.metadata.name === task) ?? []); // prettier-ignore
  if (shared !== undefined && service !== undefined && ready.includes(to))
    return reach(from, to, shared, service, ready);
  const foreign = networksOn(to).filter((network) => !networksOn(from).includes(network));
  return shared === undefined
    ? fail(
        from,
        to,
        foreign.map((network) => addressOn(to, network)),
      )
    : [];
}

async function reach(
  from: Place,
  to: Place,
  network: string,
  service: Endpoints,
  ready: readonly Place[],
): Promise<readonly string[]> {
  const ip = addressOn(to, network);
  const vip =
    service.mode === 'dnsrr'
      ? undefined
      : service.networks?.find((one) => one.network === network)?.virtualIP;
  const name = `${service.metadata.name}.default.orc.internal`;
  const hosts = [ip, name, ...(vip === undefined ? [] : [vip])].map((host) => ({ host }));
  const servers = await Promise.all(ready.map(serve));
  try {
    const { tcp, udp, ping } = await actIn(from.node, from.pid, { tcp: hosts, udp: hosts, ping: hosts });
    const all = ready.map(({ host }) => host);
    return hosts.flatMap(({ host }, i) => {
      const may = host === ip ? [to.host] : all;
      const isRight = (said = ''): boolean => may.some((each) => said.endsWith(each));
      return [
        ...(isRight(tcp[i]) ? [] : [`TCP ${tcp[i]}`]),
        ...(isRight(udp[i]) ? [] : [`UDP ${udp[i]}`]),
        ...(ping[i] === 'pong' ? [] : [`ping ${ping[i]}`]),
      ].map(
        (what) =>
          `${where(from)} to ${host} (${where(to)}, ${network}): ${what}, and should be ${may.join(' or ')}`,
      );
    });
  } finally {
    await Promise.all(servers.map(end));
  }
}

async function fail(from: Place, to: Place, ips: readonly string[]): Promise<readonly string[]> {
  const hosts = ips.map((host) => ({ host }));
  const { tcp, ping } = await actIn(from.node, from.pid, { tcp: hosts, ping: hosts });
  return ips.flatMap((ip, i) =>
    (tcp[i] ?? '').includes('hello') || ping[i] === 'pong'
      ? [
          `${where(from)} reaches ${ip} (${where(to)}), and shares no network with it: TCP ${tcp[i]}, ping ${ping[i]}`,
        ]
      : [],
  );
}

const where = ({ node, task }: Place): string => `${task.metadata.name} on ${node.name}`;

/** Has the container answer datagrams for as long as it takes. */
async function serve({ node, pid, host }: Place): Promise<LabProcess> {
  const server = node.spawn(peerIn(pid, 'serve', host), { stdio: ['pipe', 'pipe', 'ignore'] });
  await Promise.race([new Promise((resolve) => server.child.stdout?.once('data', resolve)), server.exited]);
  return server;
}

async function end(server: LabProcess): Promise<void> {
  server.child.stdin?.end();
  await server.exited;
}
