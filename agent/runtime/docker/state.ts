import type { ContainerInspectInfo } from 'dockerode';
import type { Port } from '../../../api-schemas/index.ts';
import { label, type ContainerState } from '../types.ts';

const maxHealthMessage = 200;
/** Go's zero time: "has not happened". */
const never = /^0001-/;

/** What `GET /containers/ID/json` says, as the agent sees it. Pure. */
export function containerState(info: ContainerInspectInfo): ContainerState {
  const { State: state, NetworkSettings: net } = info;
  const labels = info.Config.Labels ?? {};
  const health = state.Health;
  const probe = health?.Log?.filter((entry) => entry.ExitCode !== 0)
    .at(-1)
    ?.Output?.trim();
  const status = statusOfState(state.Status);
  return {
    id: info.Id,
    taskUID: labels[label.taskUID] ?? '',
    labels,
    status,
    health: healthOf(health?.Status),
    ...(probe ? { healthMessage: probe.replace(/\s+/g, ' ').trim().slice(0, maxHealthMessage) } : {}),
    ...(status === 'running' || (status === 'created' && state.ExitCode === 0)
      ? {}
      : { exitCode: state.ExitCode }),
    ...(state.OOMKilled ? { oomKilled: true } : {}),
    ...(state.Error ? { error: state.Error } : {}),
    ...(never.test(state.StartedAt) ? {} : { startedAt: state.StartedAt }),
    ...(never.test(state.FinishedAt) || status === 'running' ? {} : { finishedAt: state.FinishedAt }),
    addresses: Object.entries(net.Networks ?? {}).flatMap(([network, endpoint]) =>
      addressesOf(endpoint, status)
        .filter((ip): ip is string => ip !== undefined && ip !== '')
        .map((ip) => ({ network, ip })),
    ),
    ports: publishedPorts(net.Ports ?? {}),
    ...(state.Pid ? { pid: state.Pid } : {}),
  };
}

/** One that was made with addresses has them from then on, though the engine tells them only once it runs. */
function addressesOf(
  endpoint: {
    readonly IPAddress?: string;
    readonly GlobalIPv6Address?: string;
    readonly IPAMConfig?: unknown;
  },
  status: ContainerState['status'],
): readonly (string | undefined)[] {
  const { IPAddress: ip, GlobalIPv6Address: ip6 } = endpoint;
  if (ip || status !== 'created') return [ip, ip6];
  const made = (endpoint.IPAMConfig ?? {}) as {
    readonly IPv4Address?: string;
    readonly IPv6Address?: string;
  };
  return [made.IPv4Address, made.IPv6Address];
}

function statusOfState(status: string): ContainerState['status'] {
  if (status === 'created') return 'created';
  return status === 'running' || status === 'paused' || status === 'restarting' ? 'running' : 'exited';
}

function healthOf(status: string | undefined): ContainerState['health'] {
  return status === 'starting' || status === 'healthy' || status === 'unhealthy' ? status : 'none';
}

type Bindings = Readonly<
  Record<string, readonly { readonly HostIp: string; readonly HostPort: string }[] | null>
>;

/** One entry per host port: the engine lists IPv4 and IPv6 of "all addresses" apart. */
function publishedPorts(bindings: Bindings): readonly Port[] {
  const found = new Map<string, Port>();
  for (const [key, hosts] of Object.entries(bindings)) {
    const [target, protocol] = key.split('/');
    for (const { HostIp, HostPort } of hosts ?? []) {
      const any = HostIp === '' || HostIp === '0.0.0.0' || HostIp === '::';
      found.set(`${key} ${any ? '' : HostIp} ${HostPort}`, {
        target: Number(target),
        published: Number(HostPort),
        protocol: protocol === 'udp' || protocol === 'sctp' ? protocol : 'tcp',
        mode: 'host',
        ...(any ? {} : { hostIP: HostIp }),
      });
    }
  }
  return [...found.values()];
}
