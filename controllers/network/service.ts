/** What a service waits for that its networks have not got. Pure. */
import { networksOf, type Network, type Service } from '../../api-schemas/index.ts';
import { findCondition, type NewCondition } from '../runtime/conditions.ts';
import { encryptionUnavailable } from './encryption.ts';
import type { Refusal } from './pool.ts';

/** Type of the condition on services; there only while something is missing. */
export const serviceCondition = 'NetworksAllocated';

/**
 * The first thing that is missing, in words; undefined when all is there, or the network is so new that nobody has
 * looked at it yet. `find` gives a network of the service's namespace.
 */
export function networkTrouble(
  service: Service,
  find: (name: string) => Network | undefined,
): NewCondition | undefined {
  for (const { name } of networksOf(service.spec)) {
    const trouble = troubleWith(service, name, find(name));
    if (trouble !== undefined) return { type: serviceCondition, status: 'False', ...trouble };
  }
  return undefined;
}

function troubleWith(service: Service, name: string, network: Network | undefined): Refusal | undefined {
  const { namespace = '' } = service.metadata;
  if (network === undefined) {
    return {
      reason: 'NetworkNotFound',
      message: `there is no network ${name} in namespace ${namespace}: make it, or correct the name in \`networks\``,
    };
  }
  const allocated = findCondition(network.status?.conditions, 'Allocated');
  if (allocated?.status === 'False')
    return { reason: allocated.reason, message: `network ${name}: ${allocated.message}` };
  if (allocated === undefined || network.spec.external !== undefined) return undefined;
  const ready = findCondition(network.status?.conditions, 'Ready');
  if (ready?.status === 'False' && ready.reason === encryptionUnavailable)
    return { reason: ready.reason, message: `network ${name}: ${ready.message}` };
  const isVirtual = (service.spec.endpointMode ?? 'vip') === 'vip';
  const lacks = isVirtual && network.status?.virtualIPs?.[service.metadata.name] === undefined;
  return lacks && ready?.reason === 'NoFreeVirtualIP'
    ? { reason: ready.reason, message: `network ${name}: ${ready.message}` }
    : undefined;
}
