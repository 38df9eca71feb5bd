import type { ObjectMeta } from './types.ts';

/** Any stored object. */
export interface Obj {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: ObjectMeta;
}
