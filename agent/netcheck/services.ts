/** Which services are tried from which container, and what the outcome says. Pure. */
import { isIPv6 } from 'node:net';
import type { Endpoints, NetCheckFailure } from '../../api-schemas/index.ts';
import { domain } from '../dns/names.ts';
import { networkKeys } from '../network/names.ts';
import type { Attached } from '../network/inputs.ts';
import type { Connected, Looked, ProgramInput, ProgramOutput } from './program.ts';

export interface Limits {
  /** Of one node. */
  readonly services: number;
  /** Of one service. */
  readonly endpoints: number;
}

export const defaultLimits: Limits = { services: 200, endpoints: 16 };

/** What one container tries. */
export interface ServicePlan {
  readonly container: Attached;
  readonly names: readonly NameTarget[];
  readonly connects: readonly ConnectTarget[];
}

export interface NameTarget {
  readonly service: string;
  readonly network: string;
  readonly name: string;
  /** Each of these is right. */
  readonly ips: readonly string[];
}

export interface ConnectTarget {
  readonly step: 'virtualIP' | 'endpoint';
  readonly service: string;
  readonly network: string;
  readonly ip: string;
  readonly port: number;
  readonly protocol: 'tcp' | 'udp';
  /** The service says that it listens there: to be refused is a failure. */
  readonly isDeclared: boolean;
  readonly task?: string;
  readonly node?: string;
}

/** Nobody listens there, so that a refusal says that the packet came and went. */
const discard = 9;

/**
 * One running container for each network, and from it each service on that network once: its name, its virtual IP, its
 * endpoints. What is more than the limits is left out, and counted in words.
 */
export function planServices(
  attached: readonly Attached[],
  endpoints: readonly Endpoints[],
  networks: ReadonlySet<string>,
  limits: Limits = defaultLimits,
): { readonly plans: readonly ServicePlan[]; readonly skipped: readonly string[] } {
  const from = new Map<string, Attached>();
  for (const one of attached) {
    if (one.container.status !== 'running' || (one.container.pid ?? 0) === 0) continue;
    for (const key of networkKeys(one.task))
      if (networks.has(key) && !from.has(key) && one.addresses.some(({ network }) => network === key))
        from.set(key, one);
  }
  const byContainer = new Map<Attached, { names: NameTarget[]; connects: ConnectTarget[] }>();
  let left = limits.services;
  let services = 0;
  let more = 0;
  for (const object of endpoints) {
    const { namespace = 'default', name } = object.metadata;
    for (const { network, virtualIP } of object.networks ?? []) {
      const key = `${namespace}/${network}`;
      const container = from.get(key);
      if (container === undefined) continue;
      if (left === 0) {
        services += 1;
        continue;
      }
      left -= 1;
      const own = byContainer.get(container) ?? { names: [], connects: [] };
      byContainer.set(container, own);
      const isDual = container.addresses.some((one) => one.network === key && isIPv6(one.ip));
      const targets = targetsOf(object, network, virtualIP, { most: limits.endpoints, isDual });
      own.connects.push(...targets.connects);
      more += targets.more;
      // One name, several networks: whichever both are on.
      const shared = (object.networks ?? []).filter((one) =>
        networkKeys(container.task).includes(`${namespace}/${one.network}`),
      );
      if (shared[0]?.network === network)
        own.names.push({
          ...{ service: `${namespace}/${name}`, network: key, name: `${name}.${namespace}.${domain}` },
          ips: shared.flatMap((one) =>
            one.virtualIP === undefined || object.mode === 'dnsrr'
              ? ipsOf(object, one.network)
              : [one.virtualIP],
          ),
        });
    }
  }
  return {
    plans: [...byContainer].map(([container, own]) => ({ container, ...own })),
    skipped: [
      ...(services === 0 ? [] : [`${String(services)} services beyond the first ${String(limits.services)}`]),
      ...(more === 0
        ? []
        : [`${String(more)} endpoints beyond the first ${String(limits.endpoints)} of their services`]),
    ],
  };
}

const ipsOf = ({ endpoints = [] }: Endpoints, network: string): readonly string[] =>
  endpoints.flatMap(({ addresses = [] }) =>
    addresses.filter((one) => one.network === network).map(({ ip }) => ip),
  );

function targetsOf(
  object: Endpoints,
  network: string,
  virtualIP: string | undefined,
  { most, isDual }: { readonly most: number; readonly isDual: boolean },
): { readonly connects: readonly ConnectTarget[]; readonly more: number } {
  const { namespace = 'default', name } = object.metadata;
  const base = { service: `${namespace}/${name}`, network: `${namespace}/${network}` };
  const declared = (object.ports ?? []).flatMap(({ target, protocol = 'tcp' }) =>
    protocol === 'sctp' ? [] : [{ port: target, protocol, isDeclared: true }],
  );
  const ports =
    declared.length > 0 ? declared : [{ port: discard, protocol: 'tcp' as const, isDeclared: false }];
  const all = (object.endpoints ?? []).flatMap(({ task, nodeName: node, addresses = [] }) =>
    addresses
      .filter((one) => one.network === network && (isDual || !isIPv6(one.ip)))
      .map(({ ip }) => ({ task, node, ip })),
  );
  const tried = all.slice(0, most);
  const unique = [...new Map(ports.map((port) => [`${String(port.port)}/${port.protocol}`, port])).values()];
  return {
    connects: unique.flatMap((port): ConnectTarget[] => [
      // With nothing ready it is refused, as it should be.
      ...(virtualIP === undefined || object.mode === 'dnsrr' || all.length === 0
        ? []
        : [{ step: 'virtualIP' as const, ...base, ip: virtualIP, ...port }]),
      ...tried.map((endpoint) => ({ step: 'endpoint' as const, ...base, ...endpoint, ...port })),
    ]),
    more: all.length - tried.length,
  };
}

export const programInput = ({ names, connects }: ServicePlan): ProgramInput => ({
  names: names.map(({ name }) => name),
  connects: connects.map(({ ip, port, protocol }) => ({ ip, port, protocol })),
  parallel: 32,
  waitMs: 2_000,
});

/** What failed of a plan. A virtual IP that fails as an endpoint of it does is that endpoint's failure. */
export function judge(plan: ServicePlan, output: ProgramOutput): readonly NetCheckFailure[] {
  const from = plan.container.task.metadata.name;
  const names = plan.names.flatMap(({ service, network, name, ips }, i): NetCheckFailure[] => {
    const message = nameTrouble(output.names[i], ips);
    return message === undefined ? [] : [{ step: 'name', service, network, target: name, from, message }];
  });
  const connects = plan.connects.flatMap((target, i): NetCheckFailure[] => {
    const message = connectTrouble(output.connects[i], target);
    if (message === undefined) return [];
    const { step, service, network, ip, port, protocol, task, node } = target;
    return [
      {
        ...{ step, service, network, target: `${ip}:${String(port)}/${protocol}`, from, message },
        ...(task === undefined ? {} : { task }),
        ...(node === undefined ? {} : { node }),
      },
    ];
  });
  const hasBadEndpoint = new Set(
    connects
      .filter(({ step }) => step === 'endpoint')
      .map(({ service, network }) => `${service} ${network ?? ''}`),
  );
  return [
    ...names,
    ...connects.filter(
      ({ step, service, network }) =>
        step === 'endpoint' || !hasBadEndpoint.has(`${service} ${network ?? ''}`),
    ),
  ];
}

function nameTrouble(looked: Looked | undefined, ips: readonly string[]): string | undefined {
  if (looked === undefined) return 'it was not tried';
  // Without records there is nothing to be asked for: a service that has nothing ready.
  if ('code' in looked)
    return ips.length === 0 && looked.code === 'ENODATA'
      ? undefined
      : `no answer from the name server: ${looked.code}`;
  const wrong = looked.ips.filter((ip) => !ips.includes(ip));
  return wrong.length === 0
    ? undefined
    : `the answer is ${wrong.join(', ')}, not ${ips.join(', ') || 'empty'}`;
}

function connectTrouble(
  connected: Connected | undefined,
  { isDeclared, protocol }: ConnectTarget,
): string | undefined {
  switch (connected) {
    case 'open':
    case 'mute':
      return undefined;
    case 'refused':
      if (!isDeclared) return undefined;
      return protocol === 'udp'
        ? 'nothing listens there'
        : 'the connection is refused: nothing listens there';
    case 'silent':
      return 'no answer';
    case undefined:
      return 'it was not tried';
    default:
      return `the kernel says ${connected.code}`;
  }
}
