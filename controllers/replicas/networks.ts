import type { Service } from '../../api-schemas/index.ts';
import { findCondition } from '../runtime/conditions.ts';
import type { Cause } from './cause.ts';

/** Type of the condition that the controller `network` sets on a service that waits for something of its networks. */
export const networksCondition = 'NetworksAllocated';

/** What the service's networks have not got for it, in words; undefined when nothing is missing. Pure. */
export function networkTrouble(service: Service): Cause | undefined {
  const allocated = findCondition(service.status?.conditions, networksCondition);
  return allocated?.status === 'False' ? { reason: allocated.reason, message: allocated.message } : undefined;
}
