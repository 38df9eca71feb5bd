import { describe, expect, test } from '@jest/globals';
import { parseJson, parseYamlOrJson } from './body.ts';
import { formOf } from './media.ts';
import { parsePath } from './path.ts';

describe('paths', () => {
  const of = (path: string): unknown => {
    const target = parsePath(path);
    return target.kind === 'other'
      ? target.path
      : [target.def.kind, target.namespace, target.name, target.subresource];
  };
  test.each([
    ['/api/v1/namespaces', ['Namespace', '', '', '']],
    ['/api/v1/namespaces/a', ['Namespace', '', 'a', '']],
    ['/api/v1/namespaces/a/status', ['Namespace', '', 'a', 'status']],
    ['/api/v1/namespaces/a/events', ['Event', 'a', '', '']],
    ['/apis/orc.dev/v1/namespaces/a/services/b/scale', ['Service', 'a', 'b', 'scale']],
    ['/apis/orc.dev/v1/services', ['Service', '', '', '']],
    ['/apis/orc.dev/v1/nodes/n/status', ['Node', '', 'n', 'status']],
    ['/apis/orc.dev/v1/services/b', '/apis/orc.dev/v1/services/b'],
    ['/apis/orc.dev/v1/namespaces/a/nodes', '/apis/orc.dev/v1/namespaces/a/nodes'],
    ['/apis/orc.dev/v2/services', '/apis/orc.dev/v2/services'],
    ['/apis/orc.dev/v1', '/apis/orc.dev/v1'],
    ['/', '/'],
  ])('%s', (path, expected) => {
    expect(of(path)).toEqual(expected);
  });

  test('segments that are no names are refused', () => {
    for (const path of [
      '/api/v1/namespaces/..',
      '/api/v1/namespaces/%2e%2e/events',
      '/a%2fb',
      '/%zz',
      '/a%00',
    ]) {
      expect(() => parsePath(path)).toThrow();
    }
  });
});

describe('the Accept header', () => {
  test('the first form that we have is taken', () => {
    expect(formOf(undefined)).toEqual({ kind: 'object' });
    expect(formOf('application/json;as=Table;v=v1;g=meta.k8s.io,application/json')).toEqual({
      kind: 'table',
      version: 'v1',
    });
    expect(
      formOf(
        'application/json;as=Table;v=v2;g=meta.k8s.io,application/json;as=Table;v=v1beta1;g=meta.k8s.io',
      ),
    ).toEqual({ kind: 'table', version: 'v1beta1' });
    expect(formOf('application/vnd.kubernetes.protobuf,application/json')).toEqual({ kind: 'object' });
    expect(formOf('application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io')).toEqual({
      kind: 'metadata',
    });
    expect(() => formOf('text/html')).toThrow('media types');
  });
});

describe('bodies', () => {
  test('nesting, __proto__ and bad text are refused', () => {
    const json = (text: string): unknown => parseJson(Buffer.from(text));
    expect(json('{"a":[1,null]}')).toEqual({ a: [1, null] });
    expect(() => json('{"a":{"__proto__":1}}')).toThrow('__proto__');
    expect(() => json(`${'['.repeat(200)}${']'.repeat(200)}`)).toThrow('nested');
    expect(() => json('{"a":')).toThrow('not valid JSON');
    expect(() => parseJson(Buffer.from([0xff]))).toThrow('UTF-8');
  });

  test('YAML is read, and its aliases are bounded', () => {
    expect(parseYamlOrJson(Buffer.from('a: 1\nb: [x]\n'))).toEqual({ a: 1, b: ['x'] });
    expect(parseYamlOrJson(Buffer.from('{"a": 1}'))).toEqual({ a: 1 });
    expect(parseYamlOrJson(Buffer.from('{a: 1}'))).toEqual({ a: 1 });
    expect(() => parseYamlOrJson(Buffer.from('a: [\n'))).toThrow('YAML');
    expect(() => parseYamlOrJson(Buffer.alloc(2_000_000, 'a: b\n'))).toThrow('too large');
  });
});
