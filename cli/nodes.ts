/** Cordon and drain: changes of a node's availability. */
import type { Node, NodeSpec } from '../api-schemas/index.ts';
import type { Client } from '../client/index.ts';

export type Availability = NonNullable<NodeSpec['availability']>;

/** Sets the availability; false when it was so already. Throws NotFound. */
export async function setAvailability(
  client: Client,
  name: string,
  availability: Availability,
  signal: AbortSignal,
): Promise<boolean> {
  const node: Node = await client.get('Node', { name }, signal);
  if ((node.spec.availability ?? 'active') === availability) return false;
  await client.patch('Node', { name }, 'merge', { spec: { availability } }, { fieldManager: 'orc', signal });
  return true;
}
