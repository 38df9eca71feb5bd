import { describe, expect, test } from '@jest/globals';
import type { Schema } from './dialect.ts';
import { kindByName, kindByPlural, kinds, resolveResource } from './kinds.ts';
import type { AnyObj } from './types.ts';

function nodes(schema: Schema, path: string): readonly (readonly [string, Schema])[] {
  return [
    [path, schema],
    ...Object.entries(schema.properties ?? {}).flatMap(([key, below]) => nodes(below, `${path}.${key}`)),
    ...(schema.items === undefined ? [] : nodes(schema.items, `${path}[]`)),
    ...(schema.additionalProperties === undefined ? [] : nodes(schema.additionalProperties, `${path}{}`)),
    ...(schema.anyOf ?? []).flatMap((below, index) => nodes(below, `${path}|${index}`)),
  ];
}

describe.each(kinds.map((def) => [def.kind, def] as const))('%s', (_, def) => {
  test('has a structural, described schema', () => {
    for (const [path, schema] of nodes(def.schema, def.kind)) {
      expect([path, schema.description.length > 1]).toEqual([path, true]);
      expect([path, schema.type !== undefined || schema.anyOf !== undefined]).toEqual([path, true]);
      const keys = schema['x-kubernetes-list-map-keys'] ?? [];
      expect([path, keys.filter((key) => schema.items?.properties?.[key] === undefined)]).toEqual([path, []]);
    }
  });
  test('prints a row for an object that has nothing yet', () => {
    const bare = {
      apiVersion: def.apiVersion,
      kind: def.kind,
      metadata: { name: 'x' },
      spec: { image: 'x', services: {}, template: { image: 'x' } },
      involvedObject: {},
    } as unknown as AnyObj;
    const cells = def.columns.map((column) => column.cell(bare, 0));
    expect(cells.every((cell) => typeof cell === 'number' || cell !== '')).toBe(true);
  });
  test('is found by its names', () => {
    for (const word of [
      def.plural,
      def.singular,
      def.kind,
      `${def.plural}.${def.group}`,
      def.plural.toUpperCase(),
      ...def.shortNames,
    ])
      expect(resolveResource(word)?.kind).toBe(def.kind);
    expect(kindByPlural(def.group, def.plural)).toBe(def);
    expect(kindByName(def.kind)).toBe(def);
  });
});

test('names do not clash, and are not those of Kubernetes for other things', () => {
  const words = kinds.flatMap((def) => [...new Set([def.plural, def.singular, ...def.shortNames])]);
  expect(new Set(words).size).toBe(words.length);
  for (const taken of ['svc', 'po', 'no', 'ep', 'deploy']) expect(resolveResource(taken)).toBeUndefined();
  expect(resolveResource('toString')).toBeUndefined();
  expect(kindByName('constructor')).toBeUndefined();
});

test('a title is of one schema, as each is compiled once', () => {
  const byTitle = new Map<string, Schema>();
  for (const def of kinds)
    for (const [path, schema] of nodes(def.schema, def.kind)) {
      if (schema.title === undefined) continue;
      expect([path, byTitle.get(schema.title) ?? schema]).toEqual([path, schema]);
      byTitle.set(schema.title, schema);
    }
});
