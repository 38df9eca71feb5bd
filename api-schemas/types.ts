/** Objects of the API as they travel and are stored. The types are generated from the schemas (`npm run generate`). */
import type { Cluster } from './cluster/types.ts';
import type { Endpoints } from './endpoints/types.ts';
import type { Event } from './event/types.ts';
import type { Lease } from './lease/types.ts';
import type { Namespace } from './namespace/types.ts';
import type { Network } from './network/types.ts';
import type { Node } from './node/types.ts';
import type { Revision } from './revision/types.ts';
import type { Service } from './service/types.ts';
import type { Stack } from './stack/types.ts';
import type { Task } from './task/types.ts';

export type * from './metadata/object.ts';
export type * from './metadata/types.ts';
export type * from './task-template/types.ts';
export type * from './service/types.ts';
export type * from './stack/types.ts';
export type * from './network/types.ts';
export type * from './revision/types.ts';
export type * from './task/types.ts';
export type * from './node/types.ts';
export type * from './namespace/types.ts';
export type * from './event/types.ts';
export type * from './endpoints/types.ts';
export type * from './lease/types.ts';
export type * from './cluster/types.ts';
export { taskStates } from './task/states.ts';

export type AnyObj =
  Stack | Service | Revision | Task | Node | Endpoints | Namespace | Event | Lease | Cluster | Network;
export type KindName = AnyObj['kind'];

export type ObjOf<K extends KindName> = Extract<AnyObj, { kind: K }>;
