import type { ServiceSpec } from '../types.ts';

/** Defaults that hang on other fields: replicas on the mode, the update order on host ports and singletons. */
export function serviceDefaults<T extends ServiceSpec>(spec: T): T {
  const replicas = spec.mode === 'global' ? undefined : (spec.replicas ?? 1);
  const order = spec.update?.order ?? (isOneAtATime(spec) ? 'stop-first' : 'start-first');
  return {
    ...spec,
    ...(replicas === undefined ? {} : { replicas }),
    update: { ...spec.update, order },
  };
}

const isOneAtATime = (spec: ServiceSpec): boolean => spec.singleton === true || bindsHostPort(spec);

/** Two tasks of the service cannot run on one node at a time. */
export const bindsHostPort = (spec: ServiceSpec): boolean =>
  (spec.ports ?? []).some((port) => port?.mode === 'host' && (port.published ?? 0) !== 0);
