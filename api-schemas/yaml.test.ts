import { describe, expect, test } from '@jest/globals';
import { maxYamlDepth, parseYaml, YamlError } from './yaml.ts';

describe('YAML of strangers', () => {
  const bombs: Record<string, string> = {
    'open brackets': '['.repeat(50_000),
    'dashes on one line': '- '.repeat(20_000),
    'question marks': '? '.repeat(20_000),
    'maps in maps': '{a: '.repeat(20_000),
    'ever deeper indentation': Array.from({ length: 2000 }, (_, i) => `${' '.repeat(i)}a:`).join('\n'),
  };
  test.each(Object.entries(bombs))('%s are refused without recursion', (_, text) => {
    expect(() => parseYaml(text)).toThrow('is nested too deeply');
  });
  test('ordinary depth is read', () => {
    const depth = maxYamlDepth / 4;
    expect(parseYaml('['.repeat(depth) + ']'.repeat(depth))).toBeInstanceOf(Array);
  });
  test('what is wrong has its place', () => {
    expect(() => parseYaml('a: 1\na: 2\n')).toThrow(new YamlError('key "a" is given twice', 5));
    expect(() => parseYaml('a: 1\n---\nb: 2\n')).toThrow('more than one document');
    expect(() => parseYaml('a: [1')).toThrow(YamlError);
  });
  test('keys named like those of every object stay keys', () => {
    const value = parseYaml('__proto__: { polluted: true }\n') as object;
    expect(Object.keys(value)).toEqual(['__proto__']);
    expect(({} as { polluted?: boolean }).polluted).toBeUndefined();
  });
  test('empty text has no value', () => {
    expect(parseYaml('')).toBeNull();
    expect(parseYaml('# only a comment\n')).toBeNull();
  });
});
