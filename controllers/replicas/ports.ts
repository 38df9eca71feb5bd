import type { Node, Service, Task } from '../../api-schemas/index.ts';
import { findCondition, type NewCondition } from '../runtime/conditions.ts';
import { isLive } from '../runtime/tasks.ts';

/**
 * Says which published ports of a service do not answer, and where; undefined when all that is known is well.
 * The nodes' agents say so on their tasks, all of a node in the same words; `endpoints` has said before who
 * holds a port that was not given. That a node does not have the address that a port is published on is no trouble where
 * another one has it. Pure.
 */
export function portTrouble(
  service: Service,
  tasks: readonly Task[],
  nodes: ReadonlyMap<string, Node>,
): NewCondition | undefined {
  const known = new Set([...nodes.values()].flatMap(({ status }) => status?.addresses ?? []));
  const areKnown = (service.spec.ports ?? []).every(
    ({ hostIP }) => hostIP === undefined || known.has(hostIP),
  );
  const byNode = new Map<string, { readonly reason: string; readonly message: string }>();
  for (const task of tasks) {
    const { nodeName } = task.spec;
    const published = findCondition(task.status?.conditions, 'PortsPublished');
    if (nodeName === undefined || published?.status !== 'False' || !isLive(task)) continue;
    if (areKnown && published.reason === 'NoSuchAddress') continue;
    byNode.set(nodeName, published);
  }
  const troubled = [...byNode].sort(([a], [b]) => (a < b ? -1 : 1));
  const [first] = troubled;
  if (first !== undefined) {
    const message = troubled.map(([node, { message }]) => `on node ${node}: ${message}`).join('; ');
    return { type: 'PortsPublished', status: 'False', reason: first[1].reason, message };
  }
  const allocated = findCondition(service.status?.conditions, 'PortsAllocated');
  if (allocated?.status !== 'False') return undefined;
  return { type: 'PortsPublished', status: 'False', reason: allocated.reason, message: allocated.message };
}
