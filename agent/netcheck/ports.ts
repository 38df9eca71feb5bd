/** The published ports of this node, tried as a client of the node and, behind them, endpoint by endpoint. */
import { connect } from 'node:net';
import type { Endpoints, NetCheckFailure } from '../../api-schemas/index.ts';
import type { IngressPort } from '../network/ingress/ports.ts';
import { Limiter } from '../tasks/limiter.ts';
import type { Connected } from './program.ts';

/** Opens a connection and closes it. */
export type Open = (host: string, port: number) => Promise<Connected>;

export interface PortsOptions {
  /** As loaded. */
  readonly ports: readonly IngressPort[];
  readonly endpoints: readonly Endpoints[];
  /** Where clients reach this node. */
  readonly address: string | undefined;
  readonly open: Open;
  readonly limits: { readonly ports: number; readonly endpoints: number };
}

export interface PortsOutcome {
  readonly failures: readonly NetCheckFailure[];
  readonly tried: number;
  readonly skipped: readonly string[];
}

const atOnce = 32;

/** Each backend from here, as the rules lead a client to it; then the port itself, which must answer if they all do. */
export async function checkPorts({
  ports,
  endpoints,
  address,
  open,
  limits,
}: PortsOptions): Promise<PortsOutcome> {
  const tcp = ports.filter(({ protocol }) => protocol === 'tcp');
  const some = tcp.slice(0, limits.ports);
  const limiter = new Limiter(atOnce);
  const places = placesOf(endpoints);
  const all = some.map(async (port): Promise<readonly NetCheckFailure[]> => {
    const backends = port.backends.filter((ip) => !ip.includes(':')).slice(0, limits.endpoints);
    const outcomes = await Promise.all(backends.map((ip) => limiter.run(() => open(ip, port.target))));
    const base = {
      ...{ step: 'port' as const, service: `${port.namespace}/${port.service}` },
      target: `${String(port.published)}/tcp`,
    };
    const bad = backends.flatMap((ip, i): NetCheckFailure[] => {
      const outcome = outcomes[i];
      if (outcome === undefined || outcome === 'open') return [];
      const place = places.get(ip);
      return [
        {
          ...base,
          ...(place === undefined ? {} : place),
          message: `its backend ${ip}:${String(port.target)} ${saying(outcome)}`,
        },
      ];
    });
    if (bad.length > 0 || backends.length === 0) return bad;
    const host = port.hostIP ?? address;
    if (host === undefined || host.includes(':')) return [];
    const outcome = await limiter.run(() => open(host, port.published));
    if (outcome === 'open') return [];
    const message = `${host}:${String(port.published)} ${saying(outcome)}, though all of its backends answer`;
    return [{ ...base, message }];
  });
  const backendsLeft = some.reduce(
    (sum, { backends }) => sum + Math.max(0, backends.length - limits.endpoints),
    0,
  );
  return {
    failures: (await Promise.all(all)).flat(),
    tried: some.length,
    skipped: [
      ...(some.length === tcp.length ? [] : [`${String(tcp.length - some.length)} published ports`]),
      ...(tcp.length === ports.length
        ? []
        : [
            `${String(ports.length - tcp.length)} published ports of UDP or SCTP: without a client of them nothing can be told`,
          ]),
      ...(backendsLeft === 0 ? [] : [`${String(backendsLeft)} backends of published ports`]),
    ],
  };
}

function placesOf(
  endpoints: readonly Endpoints[],
): ReadonlyMap<string, { readonly task: string; readonly node: string }> {
  return new Map(
    endpoints.flatMap(({ endpoints: all = [] }) =>
      all.map(({ ip, task, nodeName }) => [ip, { task, node: nodeName }] as const),
    ),
  );
}

function saying(outcome: Connected): string {
  if (outcome === 'refused') return 'refuses the connection';
  return typeof outcome === 'object' ? `cannot be reached (${outcome.code})` : 'does not answer';
}

/** As `Open`, with the sockets of this process. */
export const openTCP: Open = (host, port) =>
  new Promise((resolve) => {
    const socket = connect({ host, port, timeout: 2_000 });
    const end = (how: Connected): void => {
      socket.destroy();
      resolve(how);
    };
    socket.once('connect', () => end('open'));
    socket.once('timeout', () => end('silent'));
    socket.once('error', ({ code = 'failed' }: NodeJS.ErrnoException) =>
      end(code === 'ECONNREFUSED' ? 'refused' : code === 'ETIMEDOUT' ? 'silent' : { code }),
    );
  });
