import type { Node } from '../../api-schemas/index.ts';
import type { Refusal } from './pool.ts';

export const encryptionUnavailable = 'EncryptionUnavailable';

/**
 * Why a node cannot be in an encrypted network; undefined when it can. One whose agent says nothing of it would send in
 * clear, as it knows of no other way. One that was in it keeps what it has: its own agent sees to it that nothing leaves.
 */
export function encryptionObstacle({ metadata, status }: Node): Refusal | undefined {
  const { method, error } = status?.encryption ?? {};
  if (method !== undefined) return undefined;
  const why =
    error ?? 'its agent knows nothing of encrypted networks: bring it to the version of the managers';
  return {
    reason: encryptionUnavailable,
    message: `node ${metadata.name} can encrypt nothing, and so has no part in the network: ${why}; or keep the tasks of the network off the node`,
  };
}
