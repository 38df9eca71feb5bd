import type { Fence, Registry } from '../../store/types.ts';

/** Returns a registry whose every write commits only while this process leads. */
export const fencedRegistry = (registry: Registry, fence: Fence): Registry => ({
  cache: registry.cache,
  create: (object, options) => registry.create(object, { ...options, fence }),
  update: (object, options) => registry.update(object, { ...options, fence }),
  modify: (ref, change, options) => registry.modify(ref, change, { ...options, fence }),
  remove: (ref, options) => registry.remove(ref, { ...options, fence }),
});
