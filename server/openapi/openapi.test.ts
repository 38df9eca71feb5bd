import type { IncomingMessage } from 'node:http';
import { describe, expect, test } from '@jest/globals';
import { kinds } from '../../api-schemas/index.ts';
import { bytesField, fieldsOf } from '../protobuf/wire.ts';
import { createOpenApi } from './openapi.ts';
import type { Reply } from '../types.ts';

const openapi = createOpenApi('0.0.0');
const ask = (path: string, headers: Record<string, string> = {}, query = ''): Reply | undefined =>
  openapi.answer(path, { headers } as unknown as IncomingMessage, new URLSearchParams(query));
// eslint-disable-next-line @typescript-eslint/no-explicit-any
const json = (reply: Reply | undefined): any => JSON.parse(String(reply?.body));

describe('OpenAPI', () => {
  test('v3 has every kind, its operations with their marks, and can be cached for ever', () => {
    const root = ask('/openapi/v3')?.body as { paths: Record<string, { serverRelativeURL: string }> };
    const url = new URL(root.paths['apis/orc.dev/v1']?.serverRelativeURL ?? '', 'https://x');
    const reply = ask(url.pathname, {}, url.search.slice(1));
    expect(reply?.headers).toMatchObject({ 'Cache-Control': 'public, immutable', ETag: expect.any(String) });
    const { paths, components } = json(reply);
    const patch = paths['/apis/orc.dev/v1/namespaces/{namespace}/services/{name}'].patch;
    expect(patch['x-kubernetes-group-version-kind']).toEqual({
      group: 'orc.dev',
      version: 'v1',
      kind: 'Service',
    });
    expect(patch.parameters.map(({ name }: { name: string }) => name)).toEqual(
      expect.arrayContaining(['dryRun', 'fieldManager', 'fieldValidation', 'force']),
    );
    for (const { kind } of kinds.filter(({ group }) => group === 'orc.dev')) {
      expect(components.schemas[`dev.orc.v1.${kind}`]['x-kubernetes-group-version-kind']).toBeDefined();
    }
    const again = ask(url.pathname, { 'if-none-match': String(reply?.headers?.['ETag']) });
    expect(again?.code).toBe(304);
  });

  test('every reference leads somewhere', () => {
    for (const path of ['/openapi/v2', '/openapi/v3/apis/orc.dev/v1', '/openapi/v3/api/v1']) {
      const document = json(ask(path));
      const known = new Set(Object.keys(document.definitions ?? document.components.schemas));
      const refs = [
        ...JSON.stringify(document).matchAll(/"\$ref":"#\/(?:definitions|components\/schemas)\/([^"]+)"/g),
      ];
      expect(refs.length).toBeGreaterThan(10);
      expect(refs.filter(([, name = '']) => !known.has(name))).toEqual([]);
    }
  });

  test('v2 drops what old clients would trip over', () => {
    const text = JSON.stringify(json(ask('/openapi/v2')).definitions);
    for (const word of ['anyOf', 'oneOf', 'nullable', 'x-orc-']) expect(text).not.toContain(word);
  });

  test('v2 as protobuf holds one definition for each in JSON, under a media type that parses', () => {
    const reply = ask('/openapi/v2', {
      accept: 'application/com.github.proto-openapi.spec.v2@v1.0+protobuf',
    });
    expect(reply?.type).toBe('application/com.github.proto-openapi.spec.v2.v1.0+protobuf');
    const document = [...fieldsOf(reply?.body as Buffer)];
    const definitions = document.find(({ number }) => number === 9)?.value as Buffer;
    expect([...fieldsOf(definitions)]).toHaveLength(Object.keys(json(ask('/openapi/v2')).definitions).length);
    expect(bytesField(1, '2.0').equals((reply?.body as Buffer).subarray(0, 5))).toBe(true);
  });
});
