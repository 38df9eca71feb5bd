/** A node may be told to become a manager only while one can. */
import type { Node, Obj } from '../../api-schemas/index.ts';
import type { AnyKindDef } from '../../api-schemas/kinds.ts';
import type { Cache } from '../../store/types.ts';
import { whyNoManager } from '../cluster/rotation.ts';
import { forbidden } from '../resources/errors.ts';

/**
 * Throws 403 when the change asks for another manager while the CA is replaced. A wish that is there already waits on
 * the node; to write it down again, or of a node that is a manager, changes nothing.
 */
export function checkNodeRole(cache: Cache, def: AnyKindDef, live: Obj, object: Obj): void {
  if (def.kind !== 'Node') return;
  const [was, is] = [live as Node, object as Node];
  if (is.spec.role !== 'manager' || was.spec.role === 'manager' || was.status?.role === 'manager') return;
  const why = whyNoManager(cache);
  if (why !== undefined) throw forbidden(def, live.metadata.name, `spec.role: ${why}`);
}
