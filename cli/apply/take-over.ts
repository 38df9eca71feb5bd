/** Applies one object; what `orc scale` had set is taken over from it, as both are the same user's words. */
import type { Obj } from '../../api-schemas/index.ts';
import type { Client } from '../../client/index.ts';
import { ApiError, type Cause } from '../../kit/errors.ts';
import type { Item } from '../manifest/load.ts';

/** The field manager of `orc apply`. */
const applyManager = 'orc';
/** The field manager of `orc scale`: not that of apply, so that a manifest without replicas leaves them alone. */
export const scaleManager = 'orc-scale';

export interface TakenOver {
  readonly object: Obj;
  /** `orc scale` had set another number, and the manifest's holds again. */
  readonly tookScale: boolean;
}

export interface TakeOverOptions {
  readonly force: boolean;
  readonly dryRun?: boolean;
  readonly signal: AbortSignal;
}

/**
 * Server-side apply. A conflict with `orc scale` alone is no error: the newer word of the user wins. A conflict
 * with any other manager is thrown, and names only the others.
 */
export async function applyOver(client: Client, object: Obj, options: TakeOverOptions): Promise<TakenOver> {
  const ask = { ...options, fieldManager: applyManager };
  try {
    return { object: await client.apply(object, ask), tookScale: false };
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    const causes = error.details?.causes ?? [];
    const others = causes.filter((cause) => !isOfScale(cause));
    if (others.length === causes.length) throw error;
    if (others.length > 0) throw new ApiError(error.code, error.message, { details: { causes: others } });
    return { object: await client.apply(object, { ...ask, force: true }), tookScale: true };
  }
}

const isOfScale = ({ reason, message }: Cause): boolean =>
  reason === 'FieldManagerConflict' && message.startsWith(`conflict with ${JSON.stringify(scaleManager)} `);

/** What a user should know of a take-over. */
export function scaleWarning({ label }: Item, live: Obj | undefined, after: Obj): string {
  const replicas = (object: Obj | undefined): string =>
    String((object as { spec?: { replicas?: number } } | undefined)?.spec?.replicas ?? 1);
  return `warning: ${label}: replicas ${replicas(live)} of \`orc scale\` become ${replicas(after)} as the manifest says; leave replicas out of it to keep what \`orc scale\` sets`;
}
