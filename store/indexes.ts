import { networksOf, portsIn, type AnyObj, type Obj } from '../api-schemas/index.ts';
import { SortedList } from './sorted.ts';
import type { IndexName } from './types.ts';

const nothing: readonly never[] = Object.freeze([]);

/** The values under which an object is found. */
const valuesOf: Readonly<Record<IndexName, (object: AnyObj) => readonly string[]>> = {
  uid: ({ metadata }) => (metadata.uid === undefined ? nothing : [metadata.uid]),
  owner: ({ metadata }) => {
    const owner = metadata.ownerReferences?.find((reference) => reference.controller === true);
    return owner === undefined ? nothing : [owner.uid];
  },
  dependent: ({ metadata }) => metadata.ownerReferences?.map((reference) => reference.uid) ?? nothing,
  node: (object) => {
    if (object.kind === 'Task') return object.spec.nodeName === undefined ? nothing : [object.spec.nodeName];
    return object.kind === 'Network' ? Object.keys(object.status?.nodes ?? {}) : nothing;
  },
  network: (object) => {
    const at = (name: string): string => `${object.metadata.namespace ?? ''}/${name}`;
    switch (object.kind) {
      case 'Task':
        return object.spec.networks?.map(at) ?? nothing;
      case 'Service':
        return networksOf(object.spec).map(({ name }) => at(name));
      case 'Endpoints':
        return object.networks?.map(({ network }) => at(network)) ?? nothing;
      default:
        return nothing;
    }
  },
  service: (object) =>
    object.kind === 'Task' || object.kind === 'Revision'
      ? [`${object.metadata.namespace ?? ''}/${object.spec.service}`]
      : nothing,
  port: (object) => {
    if (object.kind !== 'Service') return nothing;
    const ports = [...(object.spec.ports ?? []).flatMap(portsIn), ...(object.status?.ports ?? [])];
    const published = ports.filter((port) => (port.published ?? 0) !== 0);
    return [...new Set(published.map((port) => `${port.protocol ?? 'tcp'}/${port.published ?? 0}`))];
  },
  involved: (object) =>
    object.kind === 'Event' && object.involvedObject.uid !== undefined
      ? [object.involvedObject.uid]
      : nothing,
};

const indexNames = Object.keys(valuesOf) as readonly IndexName[];

/** All indexes over the objects of one kind. */
export class Indexes {
  readonly #buckets = new Map<string, SortedList<Obj>>();

  /** `previous` and `next` are the object before and after a change of `key`. */
  change(key: string, previous: Obj | undefined, next: Obj | undefined): void {
    for (const index of indexNames) {
      const before = previous === undefined ? nothing : valuesOf[index](previous as AnyObj);
      const after = next === undefined ? nothing : valuesOf[index](next as AnyObj);
      for (const value of before) if (!after.includes(value)) this.#remove(index, value, key);
      if (next !== undefined) for (const value of after) this.#bucket(index, value).set(key, next);
    }
  }

  get(index: IndexName, value: string): readonly Obj[] {
    return this.#buckets.get(`${index}=${value}`)?.values() ?? nothing;
  }

  #bucket(index: IndexName, value: string): SortedList<Obj> {
    const id = `${index}=${value}`;
    const known = this.#buckets.get(id);
    if (known !== undefined) return known;
    const bucket = new SortedList<Obj>();
    this.#buckets.set(id, bucket);
    return bucket;
  }

  #remove(index: IndexName, value: string, key: string): void {
    const id = `${index}=${value}`;
    const bucket = this.#buckets.get(id);
    if (bucket === undefined) return;
    bucket.delete(key);
    if (bucket.size === 0) this.#buckets.delete(id);
  }
}
