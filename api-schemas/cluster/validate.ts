import type { Cause } from '../../kit/errors.ts';
import { each } from '../items.ts';
import * as problem from '../problems.ts';
import { parseSubnet6, pool6Bits } from '../ipv6.ts';
import { parseDuration } from '../units.ts';
import { overlaps, parseSubnet, type Subnet } from '../subnet.ts';
import type { NetworkPool } from '../types.ts';

/** A pool holds at least one network of its size, and no two have addresses in common. */
export function validatePools(pools: readonly NetworkPool[] | undefined, at: string): readonly Cause[] {
  const causes: Cause[] = [];
  const seen: Subnet[] = [];
  each(pools, at, ({ cidr, size }, item) => {
    if (cidr === undefined) return;
    const pool = parseSubnet(cidr);
    if (size !== undefined && size < pool.prefix)
      causes.push(
        problem.invalid(`${item}.size`, size, `must be at least ${String(pool.prefix)}, to fit into ${cidr}`),
      );
    if (seen.some((other) => overlaps(other, pool)))
      causes.push(problem.duplicate(`${item}.cidr`, cidr, 'overlaps another pool'));
    seen.push(pool);
  });
  return causes;
}

/** A network's number follows it, so that each network has a prefix of its own. */
export const validatePool6 = (pool: string | undefined, at: string): readonly Cause[] =>
  pool === undefined || parseSubnet6(pool).prefix === pool6Bits
    ? []
    : [problem.invalid(at, pool, `must be a /${String(pool6Bits)}`)];

const shortestMs = 600_000;

/** Each rotation takes a minute or so, and a node that is away for longer than one loses its connections. */
export const validateKeyRotation = (keyRotation: string | undefined, at: string): readonly Cause[] =>
  keyRotation === undefined || parseDuration(keyRotation) >= shortestMs
    ? []
    : [problem.invalid(at, keyRotation, 'must be at least 10m')];
