import { describe, expect, test } from '@jest/globals';
import { withContext, type KubeConfig } from './config.ts';
import { withoutContextsOf } from './drop-context.ts';

const context = (name: string, key = `key of ${name}`) => ({
  name,
  endpoints: ['https://h:1'],
  ca: 'CA',
  key,
});
const names = (config: KubeConfig) => ({
  current: config['current-context'],
  contexts: config.contexts?.map(({ name }) => name),
  users: config.users?.map(({ name }) => name),
  clusters: config.clusters?.map(({ name }) => name),
});
const of = (...contexts: readonly string[]): KubeConfig =>
  contexts.reduce<KubeConfig>((config, name) => withContext(config, context(name)), {});

describe('the contexts of a key', () => {
  test('go with their user and their cluster, and the only other one is current then', () => {
    const { config, names: gone } = withoutContextsOf(
      { ...of('a', 'b'), preferences: { colors: true } },
      'key of b',
    );
    expect(gone).toEqual(['b']);
    expect(names(config)).toEqual({ current: 'a', contexts: ['a'], users: ['a'], clusters: ['a'] });
    expect(config['preferences']).toEqual({ colors: true });
  });

  test('leave none current where several others could be meant, or none is left', () => {
    expect(names(withoutContextsOf(of('a', 'b', 'c'), 'key of c').config)).toMatchObject({
      current: undefined,
      contexts: ['a', 'b'],
    });
    expect(names(withoutContextsOf(of('a'), 'key of a').config)).toMatchObject({
      current: undefined,
      contexts: [],
    });
  });

  test('leave what is current alone when it is another one', () => {
    const config = { ...of('a', 'b', 'c'), 'current-context': 'a' };
    expect(names(withoutContextsOf(config, 'key of c').config)).toMatchObject({ current: 'a' });
  });

  test('leave a cluster that others name, and all where the key is another machine’s', () => {
    const shared: KubeConfig = {
      ...of('a', 'b'),
      contexts: [
        { name: 'mine', context: { cluster: 'b', user: 'a' } },
        { name: 'b', context: { cluster: 'b', user: 'b' } },
      ],
    };
    expect(names(withoutContextsOf(shared, 'key of b').config)).toMatchObject({
      contexts: ['mine'],
      clusters: ['a', 'b'],
    });
    expect(withoutContextsOf(shared, 'another').config).toBe(shared);
  });
});
