/** The parts of a service that make its revisions. */
import type { Schema } from './dialect.ts';
import { canonicalJson } from './hash.ts';
import { taskTemplateProperties } from './task-template/schema.ts';
import type { NetworkAttachment, Port, ServiceSpec, TaskTemplate } from './types.ts';
import { fieldSchema, isObject, schemaOf } from './walk.ts';

const templateKeys = Object.keys(taskTemplateProperties).sort();

/** A copy without undefined and without what equals its default, keys in order; maps keep all their entries. */
function sparse(value: unknown, declared: Schema): unknown {
  const schema = schemaOf(declared, value) ?? declared;
  if (Array.isArray(value)) {
    const { items } = schema;
    return items === undefined ? value : value.map((item) => sparse(item, items));
  }
  if (!isObject(value)) return value;
  const kept: Record<string, unknown> = {};
  for (const key of Object.keys(value).sort()) {
    const child = value[key];
    const below = fieldSchema(schema, key);
    if (child === undefined) continue;
    if (below?.default !== undefined && canonicalJson(child) === canonicalJson(below.default)) continue;
    kept[key] = below === undefined ? child : sparse(child, below);
  }
  return kept;
}

/**
 * The task template in a service's spec: only its fields, in a stable order, without what equals a default.
 * So a spec and the same spec with defaults filled in give the same template and the same hash.
 */
export function templateOf(spec: ServiceSpec): TaskTemplate {
  const template: Record<string, unknown> = {};
  for (const key of templateKeys) {
    const schema = taskTemplateProperties[key];
    const value = (spec as unknown as Record<string, unknown>)[key];
    if (value === undefined || schema === undefined) continue;
    if (schema.default !== undefined && canonicalJson(value) === canonicalJson(schema.default)) continue;
    template[key] = sparse(value, schema);
  }
  return template as unknown as TaskTemplate;
}

/** The network of a service that names none. In a stack the stack's own of that name: `<stack>-default`. */
export const defaultNetwork = 'default';

const onDefault: readonly NetworkAttachment[] = [{ name: defaultNetwork }];

/** The networks of a template by names of Network objects, the one of the default route first; none with `networkMode`. */
export const networksOf = ({
  networks,
  networkMode,
}: Pick<TaskTemplate, 'networks' | 'networkMode'>): readonly NetworkAttachment[] =>
  networkMode === undefined ? (networks ?? onDefault) : [];

/** Each port of a range by itself; one that is none, as it is. */
export function portsIn({ endPort, ...port }: Port): readonly Port[] {
  const { published = 0 } = port;
  if (endPort === undefined || published === 0) return [port];
  return Array.from({ length: Math.max(0, endPort - published + 1) }, (_, i) => ({
    ...port,
    published: published + i,
    target: port.target + i,
  }));
}

/** Ports of mode `host`, which belong to the container; protocol and published filled in. */
export const hostPortsOf = (spec: ServiceSpec): readonly Port[] =>
  (spec.ports ?? [])
    .filter((port) => port.mode === 'host')
    .flatMap(portsIn)
    .map((port) => ({ ...port, published: port.published ?? 0, protocol: port.protocol ?? 'tcp' }));

/** Ports of the modes `ingress` and `local`, each of one service in the cluster; protocol, mode and published filled in. */
export const ingressPortsOf = (spec: ServiceSpec): readonly Port[] =>
  (spec.ports ?? [])
    .filter((port) => port.mode !== 'host')
    .flatMap(portsIn)
    .map((port) => ({
      ...port,
      mode: port.mode ?? 'ingress',
      published: port.published ?? 0,
      protocol: port.protocol ?? 'tcp',
    }));
