import type { Cause } from '../../kit/errors.ts';
import * as problem from '../problems.ts';
import type { Resources } from '../types.ts';
import { parseBytes, parseCpus, parseDuration } from '../units.ts';

const minMemory = 4 * 1024 * 1024;

/** Rules of resources: the engine's minimums, and reservations within limits. */
export function validateResources(resources: Resources | undefined, field: string): readonly Cause[] {
  if (resources === undefined) return [];
  const { limits, reservations, memorySwap } = resources;
  const causes: Cause[] = [];
  for (const [name, part] of [
    ['limits', limits],
    ['reservations', reservations],
  ] as const) {
    if (part?.cpus !== undefined && parseCpus(part.cpus) < 0.001)
      causes.push(problem.invalid(`${field}.${name}.cpus`, part.cpus, 'must be at least 0.001 (1m)'));
    if (part?.memory !== undefined && parseBytes(part.memory) < minMemory)
      causes.push(problem.invalid(`${field}.${name}.memory`, part.memory, 'must be at least 4Mi'));
  }
  if (limits?.pids === 0)
    causes.push(problem.invalid(`${field}.limits.pids`, 0, 'must be -1 (no limit) or at least 1'));
  if (
    limits?.cpus !== undefined &&
    reservations?.cpus !== undefined &&
    parseCpus(reservations.cpus) > parseCpus(limits.cpus)
  )
    causes.push(
      problem.invalid(
        `${field}.reservations.cpus`,
        reservations.cpus,
        `must be at most the limit, ${limits.cpus}`,
      ),
    );
  if (
    limits?.memory !== undefined &&
    reservations?.memory !== undefined &&
    parseBytes(reservations.memory) > parseBytes(limits.memory)
  )
    causes.push(
      problem.invalid(
        `${field}.reservations.memory`,
        reservations.memory,
        `must be at most the limit, ${limits.memory}`,
      ),
    );
  if (memorySwap !== undefined) {
    if (limits?.memory === undefined)
      causes.push(problem.required(`${field}.limits.memory`, 'memorySwap needs it'));
    else if (memorySwap !== '-1' && parseBytes(memorySwap) < parseBytes(limits.memory))
      causes.push(
        problem.invalid(
          `${field}.memorySwap`,
          memorySwap,
          `is memory and swap together: at least limits.memory, ${limits.memory}`,
        ),
      );
  }
  if (resources.oomKillDisable === true && limits?.memory === undefined)
    causes.push(
      problem.required(
        `${field}.limits.memory`,
        'oomKillDisable without it would let one container stop the node',
      ),
    );
  const { cpuRealtimePeriod: period, cpuRealtimeRuntime: runtime } = resources;
  if (period !== undefined && runtime !== undefined && parseDuration(runtime) > parseDuration(period))
    causes.push(
      problem.invalid(`${field}.cpuRealtimeRuntime`, runtime, `must be at most cpuRealtimePeriod, ${period}`),
    );
  return causes;
}
