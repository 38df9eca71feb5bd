import type { DeviceRequest, Healthcheck, Port, TaskTemplate } from '../../../api-schemas/index.ts';
import { parseBytes, parseDuration } from '../../../api-schemas/units.ts';
import type { ContainerNetwork, ContainerSpec } from '../types.ts';
import { defined, type Body } from './body.ts';
import { resourceConfig } from './container-resources.ts';
import { mountConfig } from './mounts.ts';

/**
 * Maps a container spec to the body of `POST /containers/create`. Pure. Every field of the template has its place here;
 * what is absent is left out, so the engine's own default holds. `api` is the negotiated version, e.g. `1.41`.
 */
export function containerConfig(spec: ContainerSpec, api: string): Body {
  const t = spec.template;
  return defined({
    Image: t.image,
    Entrypoint: t.entrypoint,
    Cmd: t.command,
    Env: t.env?.map(({ name, value }) => (value === undefined ? name : `${name}=${value}`)),
    WorkingDir: t.workingDir,
    User: t.user,
    Hostname: t.hostname,
    Domainname: t.domainname,
    Labels: { ...t.containerLabels, ...spec.labels },
    Tty: t.tty,
    OpenStdin: t.stdinOpen,
    StopSignal: t.stopSignal,
    // The engine's own stop (at its shutdown) keeps the grace, too. Whole seconds, as the API has it.
    StopTimeout:
      t.stopGracePeriod === undefined ? undefined : Math.ceil(parseDuration(t.stopGracePeriod) / 1000),
    MacAddress: t.macAddress,
    Healthcheck: healthConfig(t.healthcheck),
    ExposedPorts: exposed(spec.hostPorts),
    HostConfig: hostConfig(spec),
    NetworkingConfig: networking(spec, api),
  });
}

function hostConfig(spec: ContainerSpec): Body {
  const t = spec.template;
  return defined({
    // The agent replaces tasks; the engine must never restart or remove one behind its back.
    RestartPolicy: { Name: 'no' },
    AutoRemove: false,
    NetworkMode: t.networkMode ?? spec.networks[0]?.id,
    PortBindings: bindings(spec.hostPorts),
    ...resourceConfig(t),
    ExtraHosts: t.extraHosts,
    Dns: t.dns ?? spec.dns?.servers,
    DnsSearch: t.dnsSearch ?? spec.dns?.search,
    // Without any, the engine takes the host's, and an `ndots` among them keeps names from being asked for.
    DnsOptions: t.dnsOptions ?? (spec.dns === undefined ? undefined : ['timeout:3']),
    GroupAdd: t.groups,
    Init: t.init,
    ReadonlyRootfs: t.readOnly,
    CapAdd: t.capAdd,
    CapDrop: t.capDrop,
    Privileged: t.privileged,
    SecurityOpt: securityOpt(t),
    Isolation: t.isolation,
    Sysctls: t.sysctls,
    OomScoreAdj: t.oomScoreAdj,
    PidMode: t.pid,
    IpcMode: t.ipc,
    UTSMode: t.uts,
    UsernsMode: t.userns,
    CgroupnsMode: t.cgroupns,
    CgroupParent: t.cgroupParent,
    Runtime: t.runtime,
    ShmSize: t.shmSize === undefined ? undefined : parseBytes(t.shmSize),
    StorageOpt: t.storageOpt,
    DeviceRequests: deviceRequests(t),
    MaskedPaths: t.maskedPaths,
    ReadonlyPaths: t.readonlyPaths,
    LogConfig:
      t.logging === undefined
        ? undefined
        : { Type: t.logging.driver ?? '', Config: { ...t.logging.options } },
    Mounts: t.mounts?.map(mountConfig),
  });
}

/** Whether the engine takes several networks, and a MAC for each, when a container is made. */
export const takesAllNetworks = (api: string): boolean => Number(api.split('.')[1]) >= 44;

/** Endpoints by network id: names may be ambiguous on 20.10. An older engine is given the others by `laterNetworks`. */
function networking(spec: ContainerSpec, api: string): Body | undefined {
  if (spec.networks.length === 0) return undefined;
  const atOnce = takesAllNetworks(api) ? spec.networks : spec.networks.slice(0, 1);
  const configs = atOnce.map((network, i) => {
    // The template's own is for the first.
    const mac = (i === 0 ? spec.template.macAddress : undefined) ?? network.mac;
    return [network.id, endpointConfig({ ...network, ...(mac === undefined ? {} : { mac }) }, api)];
  });
  return { EndpointsConfig: Object.fromEntries(configs) as Body };
}

/** The MAC belongs to the endpoint from API 1.44 on. */
export const endpointConfig = ({ ip, ip6, mac }: ContainerNetwork, api: string): Body =>
  defined({
    IPAMConfig: ip === undefined ? undefined : defined({ IPv4Address: ip, IPv6Address: ip6 }),
    MacAddress: takesAllNetworks(api) ? mac : undefined,
  });

/** Networks that the container is to be connected to between its creation and its start. */
export const laterNetworks = (spec: ContainerSpec, api: string): readonly ContainerNetwork[] =>
  takesAllNetworks(api) ? [] : spec.networks.slice(1);

/** `disable` is Docker's `NONE`. An absent test with other fields keeps the image's test and changes its timing. */
function healthConfig(h: Healthcheck | undefined): Body | undefined {
  if (h === undefined) return undefined;
  if (h.disable) return { Test: ['NONE'] };
  const time = (duration: string | undefined): number | undefined =>
    duration === undefined ? undefined : Math.round(parseDuration(duration) * 1e6);
  return defined({
    Test: h.test,
    Interval: time(h.interval),
    Timeout: time(h.timeout),
    StartPeriod: time(h.startPeriod),
    StartInterval: time(h.startInterval),
    Retries: h.retries,
  });
}

/** Windows' credential spec travels as a security option, as `docker run --security-opt credentialspec=…`. */
function securityOpt(t: TaskTemplate): readonly string[] | undefined {
  if (t.credentialSpec === undefined) return t.securityOpt;
  return [...(t.securityOpt ?? []), `credentialspec=${t.credentialSpec}`];
}

/** `gpus: all` and `gpus: n` mean what `docker run --gpus` means: capability `gpu`, count -1 is all. */
function deviceRequests(t: TaskTemplate): readonly Body[] | undefined {
  const requests: DeviceRequest[] = [...(t.deviceRequests ?? [])];
  if (t.gpus === 'all') requests.push({ count: -1, capabilities: [['gpu']] });
  else if (typeof t.gpus === 'number') requests.push({ count: t.gpus, capabilities: [['gpu']] });
  else if (t.gpus !== undefined) requests.push({ ...t.gpus, capabilities: t.gpus.capabilities ?? [['gpu']] });
  if (requests.length === 0) return undefined;
  return requests.map((r) =>
    defined({
      Driver: r.driver,
      Count: r.count ?? (r.deviceIDs === undefined ? 1 : undefined),
      DeviceIDs: r.deviceIDs,
      Capabilities: r.capabilities,
      Options: r.options,
    }),
  );
}

const portKey = (port: Port): string => `${port.target}/${port.protocol ?? 'tcp'}`;

function exposed(ports: readonly Port[]): Body | undefined {
  return ports.length === 0 ? undefined : Object.fromEntries(ports.map((port) => [portKey(port), {}]));
}

function bindings(ports: readonly Port[]): Body | undefined {
  if (ports.length === 0) return undefined;
  const byTarget: Record<string, { HostIp: string; HostPort: string }[]> = {};
  for (const port of ports)
    (byTarget[portKey(port)] ??= []).push({
      HostIp: port.hostIP ?? '',
      // An empty port has the engine choose one.
      HostPort: port.published ? String(port.published) : '',
    });
  return byTarget;
}
