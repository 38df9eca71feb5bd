import type { Node } from '../../api-schemas/index.ts';
import type { Cache } from '../../store/types.ts';

/** All nodes, by name. */
export const nodesByName = (cache: Cache): ReadonlyMap<string, Node> =>
  new Map(cache.list('Node').map((node) => [node.metadata.name, node]));
