import { describe, expect, test } from '@jest/globals';
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { formatProblem, maxManifestBytes, parseManifest } from './index.ts';

const problems = (text: string): string[] =>
  parseManifest(text, 'a.yml').problems.map((p) => `${p.line}:${p.column} ${p.path ?? '-'} ${p.message}`);
const namespace = (name: string): string => `apiVersion: v1\nkind: Namespace\nmetadata:\n  name: ${name}\n`;

describe('a manifest', () => {
  test('names line, column, path and the word that was meant', () => {
    const text = `apiVersion: orc.dev/v1\nkind: Service\nmetadata:\n  name: web\nspec:\n  image: nginx\n  replica: 3\n  ports:\n    - target: 99999\n`;
    expect(parseManifest(text, 'a.yml').problems.map(formatProblem).join('\n')).toBe(
      [
        'a.yml:7:3: spec.replica: unknown field; did you mean "replicas"?',
        '  7 |   replica: 3',
        '    |   ^',
        'a.yml:9:15: spec.ports[0].target: Invalid value: 99999: must be between 1 and 65535',
        '  9 |     - target: 99999',
        '    |               ^',
      ].join('\n'),
    );
  });
  test('has many documents, lists and JSON; empty ones are skipped', () => {
    const list = `kind: List\napiVersion: v1\nitems:\n- ${namespace('b').trim().replace(/\n/g, '\n  ')}\n`;
    const { documents, problems: found } = parseManifest(
      `---\n${namespace('a')}---\n# nothing\n---\n${list}---\n{"apiVersion":"v1","kind":"Namespace","metadata":{"name":"c"}}\n`,
      'a.yml',
    );
    expect(found).toEqual([]);
    expect(documents.map(({ object }) => object.metadata.name)).toEqual(['a', 'b', 'c']);
    expect(documents[1]?.locate('metadata.name')).toEqual({ line: 15, column: 11 });
  });
  test('of another kind or version is refused with a suggestion', () => {
    expect(problems('apiVersion: orc.dev/v1\nkind: Stak\n')[0]).toMatch(/^2:7 kind .*did you mean "Stack"/);
    expect(problems('apiVersion: orc/v1\nkind: Stack\n')[0]).toMatch(/^1:13 apiVersion .*"orc\.dev\/v1"/);
    expect(problems('- 1\n')[0]).toMatch(/must be an object/);
    expect(problems('hello\n')[0]).toMatch(/must be an object/);
  });
  test('that is not YAML is refused with the place', () => {
    expect(problems('a: 1\n\tb: 2\n')[0]).toMatch(/^2:1 - tabs are not allowed/);
    expect(problems('a: 1\nb: 2\na: 3\n')[0]).toBe('3:1 - key "a" is given twice in the same map');
    expect(problems('a: [1,\n')[0]).toMatch(/^2:1 - Flow sequence/);
    expect(problems('a: *b\n')[0]).toMatch(/alias/i);
  });
  test('with a bomb inside is refused at once', () => {
    const laughs = `a: &a [${Array(9).fill('x').join()}]\n${[...'bcdefghij']
      .map(
        (c, i) =>
          `${c}: &${c} [${Array(9)
            .fill(`*${'abcdefghi'[i] ?? ''}`)
            .join()}]\n`,
      )
      .join('')}`;
    expect(problems(laughs)[0]).toMatch(/aliases are followed more than 100 times/);
    expect(problems('['.repeat(50_000))[0]).toMatch(/nested too deeply/);
    expect(problems('- '.repeat(20_000))[0]).toMatch(/nested too deeply/);
    expect(problems(`${namespace('a')}x: ${'['.repeat(70)}${']'.repeat(70)}`)[0]).toMatch(
      /nested deeper than 64/,
    );
    expect(problems('x'.repeat(maxManifestBytes + 1))[0]).toMatch(/larger than the limit of 8 MiB/);
  });
  // Time that grows with the square of their number would reach the test's own limit.
  test('with very many keys is read', () => {
    const text = `${namespace('a')}  annotations:\n${Array.from({ length: 40_000 }, (_, i) => `    a${i}: b`).join('\n')}`;
    const { documents, problems: found } = parseManifest(text, 'a.yml');
    expect(documents).toHaveLength(1);
    expect(found.map(({ path }) => path)).toEqual(['metadata.annotations']);
  });
  test('cut off anywhere never throws', () => {
    const text = readFileSync('manifests/examples/hello/stack.yml', 'utf8');
    for (let end = 0; end < text.length; end += 7) parseManifest(text.slice(0, end), 'a.yml');
  });
});

const examples = readdirSync('manifests/examples', { recursive: true, encoding: 'utf8' }).filter((file) =>
  file.endsWith('.yml'),
);
test.each(examples)('the example %s is valid', (file) => {
  const { documents, problems: found } = parseManifest(
    readFileSync(path.join('manifests/examples', file), 'utf8'),
    file,
  );
  expect(found).toEqual([]);
  expect(documents.length).toBeGreaterThan(0);
});
