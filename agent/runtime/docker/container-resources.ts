import type { Resources, TaskTemplate, ThrottleDevice } from '../../../api-schemas/index.ts';
import { parseBytes, parseCpus, parseDuration } from '../../../api-schemas/units.ts';

/** Limits, block I/O, devices and ulimits of a template as fields of the Engine API's HostConfig. */
export function resourceConfig(t: TaskTemplate): Readonly<Record<string, unknown>> {
  const r: Resources = t.resources ?? {};
  const size = (quantity: string | undefined): number | undefined =>
    quantity === undefined ? undefined : quantity === '-1' ? -1 : parseBytes(quantity);
  const micros = (duration: string | undefined): number | undefined =>
    duration === undefined ? undefined : parseDuration(duration) * 1000;
  return {
    NanoCpus: r.limits?.cpus === undefined ? undefined : Math.round(parseCpus(r.limits.cpus) * 1e9),
    Memory: size(r.limits?.memory),
    PidsLimit: r.limits?.pids,
    MemoryReservation: size(r.reservations?.memory),
    MemorySwap: size(r.memorySwap),
    MemorySwappiness: r.memorySwappiness,
    CpuShares: r.cpuShares,
    CpusetCpus: r.cpusetCpus,
    CpusetMems: r.cpusetMems,
    CpuRealtimePeriod: micros(r.cpuRealtimePeriod),
    CpuRealtimeRuntime: micros(r.cpuRealtimeRuntime),
    OomKillDisable: r.oomKillDisable,
    BlkioWeight: r.blkio?.weight,
    BlkioWeightDevice: r.blkio?.weightDevice?.map(({ path, weight }) => ({ Path: path, Weight: weight })),
    BlkioDeviceReadBps: r.blkio?.deviceReadBps?.map(throttle),
    BlkioDeviceWriteBps: r.blkio?.deviceWriteBps?.map(throttle),
    BlkioDeviceReadIOps: r.blkio?.deviceReadIOps?.map(throttle),
    BlkioDeviceWriteIOps: r.blkio?.deviceWriteIOps?.map(throttle),
    Ulimits: t.ulimits?.map(({ name, soft, hard }) => ({ Name: name, Soft: soft, Hard: hard })),
    Devices: t.devices?.map(({ source, target, permissions }) => ({
      PathOnHost: source,
      PathInContainer: target ?? source,
      CgroupPermissions: permissions ?? 'rwm',
    })),
    DeviceCgroupRules: t.deviceCgroupRules,
  };
}

const throttle = ({ path, rate }: ThrottleDevice): { Path: string; Rate: number } => ({
  Path: path,
  Rate: rate,
});
