/** Random sequences of applies and updates over a schema that has every kind of list and map. */
import type { JsonObject, Json } from '../../server/apply/value.ts';

const string = { type: 'string' };
const env = {
  type: 'array',
  'x-kubernetes-list-type': 'map',
  'x-kubernetes-list-map-keys': ['name'],
  items: { type: 'object', properties: { name: string, value: string } },
};
const set = { type: 'array', 'x-kubernetes-list-type': 'set', items: string };

/** As `schema.yaml`. */
export const schema: JsonObject = {
  type: 'object',
  properties: {
    title: string,
    labels: { type: 'object', additionalProperties: string },
    spec: {
      type: 'object',
      properties: {
        replicas: { type: 'integer' },
        image: string,
        privileged: { type: 'boolean' },
        command: { type: 'array', items: string },
        finalizers: set,
        ports: {
          type: 'array',
          'x-kubernetes-list-type': 'map',
          'x-kubernetes-list-map-keys': ['target', 'protocol'],
          items: {
            type: 'object',
            properties: {
              target: { type: 'integer' },
              protocol: { type: 'string', default: 'tcp' },
              published: { type: 'integer' },
              options: { type: 'object', additionalProperties: string },
            },
          },
        },
        env,
        limits: { type: 'object', additionalProperties: string, 'x-kubernetes-map-type': 'atomic' },
        services: {
          type: 'object',
          additionalProperties: { type: 'object', properties: { image: string, groups: set, env } },
        },
        free: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true },
      },
    },
  },
};

export interface Step {
  readonly op: 'apply' | 'update';
  readonly manager: string;
  readonly force: boolean;
  readonly object: JsonObject;
}

/** Numbers in [0, 1) from a seed (mulberry32). */
export function randomFrom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

export function randomSequence(random: () => number, length: number): readonly Step[] {
  return Array.from({ length }, () => ({
    op: random() < 0.6 ? 'apply' : 'update',
    manager: pick(random, ['a', 'b', 'c']),
    force: random() < 0.4,
    object: randomRoot(random),
  }));
}

const pick = <const T>(random: () => number, from: readonly [T, ...T[]]): T =>
  from[Math.floor(random() * from.length)] ?? from[0];

/** Leaves each field out half of the time; some are null. */
function some(random: () => number, fields: Record<string, () => Json>): JsonObject {
  const out: Record<string, Json> = {};
  for (const [name, make] of Object.entries(fields)) {
    if (random() < 0.5) continue;
    out[name] = random() < 0.06 ? null : make();
  }
  return out;
}

const word = (random: () => number): string => pick(random, ['x', 'y', 'z']);

function subset(random: () => number, from: readonly string[]): readonly string[] {
  const chosen = from.filter(() => random() < 0.5);
  return chosen.sort(() => random() - 0.5);
}

const mapFrom = (random: () => number): JsonObject =>
  Object.fromEntries(subset(random, ['p', 'q', 'r']).map((key) => [key, word(random)]));

const envFrom = (random: () => number): Json =>
  subset(random, ['A', 'B', 'C']).map((name) => ({ name, ...some(random, { value: () => word(random) }) }));

function portsFrom(random: () => number): Json {
  return subset(random, ['80tcp', '80udp', '443tcp', '443']).flatMap((port, _index, all) => {
    const target = Number.parseInt(port, 10);
    const protocol = port.replace(/^\d+/, '');
    // `443` and `443tcp` are the same key through the default.
    if (protocol === '' && all.includes(`${target}tcp`)) return [];
    return [
      {
        target,
        ...(protocol === '' ? {} : { protocol }),
        ...some(random, { published: () => pick(random, [1, 2]), options: () => mapFrom(random) }),
      },
    ];
  });
}

/** A free-form value; the same field may hold another type, or null, in the next step. */
function freeFrom(random: () => number, depth = 0): Json {
  const map = (): Json =>
    depth > 2
      ? {}
      : some(random, {
          m: () => freeFrom(random, depth + 1),
          n: () => freeFrom(random, depth + 1),
        });
  if (depth === 0) return map();
  switch (pick(random, ['string', 'number', 'list', 'map'])) {
    case 'string':
      return word(random);
    case 'number':
      return pick(random, [1, 2]);
    case 'list':
      return [...subset(random, ['x', 'y'])];
    case 'map':
      return map();
  }
}

function randomRoot(random: () => number): JsonObject {
  const inner = (): JsonObject =>
    some(random, {
      image: () => word(random),
      groups: () => [...subset(random, ['g', 'h'])],
      env: () => envFrom(random),
    });
  return some(random, {
    title: () => word(random),
    labels: () => mapFrom(random),
    spec: () =>
      some(random, {
        replicas: () => pick(random, [1, 2, 3]),
        image: () => word(random),
        privileged: () => random() < 0.5,
        command: () => [...subset(random, ['run', 'fast', 'now'])],
        finalizers: () => [...subset(random, ['f', 'g', 'h'])],
        ports: () => portsFrom(random),
        env: () => envFrom(random),
        limits: () => mapFrom(random),
        services: () => Object.fromEntries(subset(random, ['web', 'db']).map((name) => [name, inner()])),
        free: () => freeFrom(random),
      }),
  });
}
