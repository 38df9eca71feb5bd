import type { Op } from './types.ts';

/** What the kernel lacks, or has otherwise, in words; nothing when there is nothing to be changed. Pure. */
export function differencesOf(ops: readonly Op[]): readonly string[] {
  const missing = ops.flatMap((op) => (op.kind === 'addTunnel' ? [op] : []));
  const made = new Set(missing.map(({ device }) => device));
  const others = ops.filter((op) => op.kind !== 'addTunnel' && !('device' in op && made.has(op.device)));
  const devices = [...new Set(others.flatMap((op) => ('device' in op ? [op.device] : [])))];
  return [
    ...missing.map(({ device, vni }) => `the tunnel ${device} (VNI ${String(vni)}) is not there`),
    ...(missing.length > 0 || others.length === 0
      ? []
      : [
          `${String(others.length)} entries or settings of ${devices.slice(0, 3).join(', ')} are other than wanted`,
        ]),
  ];
}
