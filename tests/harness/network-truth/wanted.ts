/**
 * What a node's kernel and engine must have, as decision 13 and docs/networks.md say it, from the objects of the API
 * alone. None of the agent's code is used: this is the other opinion. Each thing is one line of text.
 */
import type { Network, Node, Port, Task } from '../../../api-schemas/index.ts';
import { ipOn, isLive, keyOf, keysOf, type Objects } from './objects.ts';

const macOf = (ip: string): string => `02:42:${ip.split('.').map((byte) => Number(byte).toString(16).padStart(2, '0')).join(':')}`; // prettier-ignore
const prefixOf = (subnet: string): string => subnet.split('/')[1] ?? '';
const mtuOf = ({ spec }: Network): number => spec.mtu ?? 1450;
const on = (node: string, tasks: readonly Task[]): readonly Task[] =>
  tasks.filter(({ spec }) => spec.nodeName === node);

/** Networks that a node may or may not have a bridge of: only tasks that have ended, and are kept, were on them. */
export function optionalOn(node: string, { tasks }: Objects): ReadonlySet<string> {
  const here = on(node, tasks);
  const needed = new Set(here.filter(isLive).flatMap(keysOf));
  return new Set(here.flatMap(keysOf).filter((key) => !needed.has(key)));
}

/** `bridged`: those of the optional ones that have a bridge. */
export function wantedOn(node: Node, objects: Objects, bridged: ReadonlySet<string>): readonly string[] {
  const { name } = node.metadata;
  const live = on(name, objects.tasks).filter(isLive);
  const ofNetworks = objects.networks.flatMap((network) => networkFacts(node, network, objects, bridged));
  return [
    ...ofNetworks,
    ...(ofNetworks.length > 0 ? ['others are kept out of networks'] : []),
    ...live.flatMap((task) => containerFacts(task, objects)),
    ...ingressFacts(name, objects),
  ];
}

function networkFacts(
  node: Node,
  network: Network,
  objects: Objects,
  bridged: ReadonlySet<string>,
): readonly string[] {
  const { name } = node.metadata;
  const key = keyOf(network);
  const { vni = 0, subnet = '', nodes = {} } = network.status ?? {};
  const own = nodes[name];
  if (own === undefined) return [];
  const { gateway } = own;
  const isUsed = on(name, objects.tasks).some((task) => isLive(task) && keysOf(task).includes(key));
  const isBridged = isUsed || bridged.has(key);
  const address = `${gateway}/${prefixOf(subnet)}`;
  const local = node.status?.addresses?.[0] ?? '';
  const remote = objects.nodes.flatMap((other) => {
    const member = nodes[other.metadata.name];
    const at = other.status?.addresses?.[0];
    if (other.metadata.name === name || member === undefined || at === undefined) return [];
    const ips = on(other.metadata.name, objects.tasks)
      .filter(isLive)
      .flatMap((task) => ipOn(task, network) ?? []);
    return [member.gateway, ...ips].map((ip) => ({ ip, at }));
  });
  const tunnel = [`${key}: tunnel vni ${vni} local ${local} port 4789 mtu ${mtuOf(network)} up`];
  const entries = remote.flatMap(({ ip, at }) => [
    `${key}: ${macOf(ip)} is behind ${at}`,
    `${key}: neighbour ${ip} is ${macOf(ip)}`,
  ]);
  if (!isBridged)
    return [
      ...tunnel,
      ...entries,
      `${key}: tunnel alone, ${macOf(gateway)}, ${address}`,
      `${key}: route ${subnet}`,
    ];
  return [
    `${key}: engine network ${subnet} gateway ${gateway} internal ${network.spec.internal === true} mtu ${mtuOf(network)}`,
    `${key}: bridge ${macOf(gateway)}, ${address}`,
    `${key}: route ${subnet}`,
    ...(isLocalnet(name, network, objects) ? [`${key}: 127.0.0.1 leads to it`] : []),
    ...(remote.length === 0
      ? []
      : [...tunnel, ...entries, `${key}: tunnel a port of the bridge, quiet`, ...remote.map(({ ip }) => `${key}: ${macOf(ip)} is in the tunnel`)]), // prettier-ignore
  ];
}

const isIngress = ({ mode = 'ingress' }: Port): boolean => mode !== 'host';

/** A published port answers on 127.0.0.1, too. */
const isLocalnet = (node: string, network: Network, { endpoints }: Objects): boolean =>
  endpoints.some(
    ({ metadata, ports = [], networks = [], endpoints: ready = [] }) =>
      metadata.namespace === network.metadata.namespace &&
      networks[0]?.network === network.metadata.name &&
      ports.some(isIngress) &&
      ready.some(({ nodeName }) => nodeName === node),
  );

function containerFacts(task: Task, { networks, endpoints }: Objects): readonly string[] {
  const { name, namespace } = task.metadata;
  const own = keysOf(task).flatMap((key) => networks.find((network) => keyOf(network) === key) ?? []);
  const [first] = own;
  const gateway = first?.status?.nodes?.[task.spec.nodeName ?? '']?.gateway;
  const addresses = own.map((network) => {
    const ip = ipOn(task, network) ?? 'none';
    return `${name}: address ${ip}/${prefixOf(network.status?.subnet ?? '')} ${macOf(ip)} mtu ${mtuOf(network)}`;
  });
  const vips = own.flatMap((network) =>
    endpoints.flatMap((object) => {
      if (object.metadata.namespace !== namespace) return [];
      const vip = object.networks?.find((one) => one.network === network.metadata.name)?.virtualIP;
      if (vip === undefined) return [];
      const behind = (object.endpoints ?? []).flatMap(({ addresses: all = [] }) =>
        all.filter((one) => one.network === network.metadata.name).map(({ ip }) => ip),
      );
      const how = object.sessionAffinity === undefined || behind.length < 2 ? '' : ', by client';
      return [
        `${name}: virtual IP ${vip} leads to ${behind.length === 0 ? 'nobody' : behind.sort().join(' ')}${how}`,
      ];
    }),
  );
  return [
    `${name}: runs`,
    ...addresses,
    ...(gateway === undefined || first?.spec.internal === true
      ? []
      : [`${name}: default route by ${gateway}`]),
    ...vips,
  ];
}

function ingressFacts(node: string, { endpoints, networks }: Objects): readonly string[] {
  const remote = new Set<string>();
  const ports = endpoints.flatMap(
    ({ metadata, ports: all = [], endpoints: ready = [], networks: own = [] }) =>
      all.filter(isIngress).flatMap(({ published = 0, target, protocol = 'tcp', mode }) => {
        const behind = ready.filter(({ nodeName }) => mode !== 'local' || nodeName === node);
        // Nor can one on an internal network answer anybody but the node.
        const isInternal = networks.some((one) => one.metadata.namespace === metadata.namespace && one.metadata.name === own[0]?.network && one.spec.internal === true); // prettier-ignore
        for (const { nodeName, ip } of behind) if (nodeName !== node || isInternal) remote.add(ip);
        // A port that refuses looks as one that is not there.
        return behind.length === 0 ? [] : [`port ${published}/${protocol} leads to ${behind.map(({ ip }) => ip).sort().join(' ')} : ${target}`]; // prettier-ignore
      }),
  );
  if (ports.length === 0) return [];
  return [
    ...ports,
    'forwarding of published ports is accepted',
    ...[...remote].map((ip) => `answers of ${ip} come back by this node`),
  ];
}
