import { describe, expect, test } from '@jest/globals';
import { entries } from './registry.ts';
import { nearest, splitCommand } from './parse.ts';
import { orc } from './testing.ts';

const env = { ORC_CONFIG: '/nonexistent/config' };

describe('the command line', () => {
  test('without arguments shows all commands, by purpose', async () => {
    const { code, out } = await orc([]);
    expect(code).toBe(0);
    for (const { name, summary } of entries.filter((e) => e.summary !== ''))
      expect(out).toContain(`${name} `.trim() && summary);
  });

  test('refuses unknown commands with a suggestion and exit code 2', async () => {
    expect(await orc(['aply'])).toEqual({
      code: 2,
      out: '',
      err: 'error: unknown command "aply"\nhint: did you mean `orc apply`?\n',
    });
  });

  test('refuses unknown flags with a suggestion and exit code 2', async () => {
    const { code, err } = await orc(['get', 'services', '--sortby', 'x']);
    expect(code).toBe(2);
    expect(err).toBe('error: unknown flag --sortby of `orc get`\nhint: did you mean --sort-by?\n');
  });

  test('says what is missing', async () => {
    expect((await orc(['drain'])).err).toBe(
      'error: `orc drain` needs <node>\nhint: see `orc drain --help`\n',
    );
    expect((await orc(['wait', 'svc'])).err).toContain('`orc wait` needs --for');
  });

  test('takes global flags before the command', () => {
    expect(splitCommand(['-n', 'shop', 'get', 'tasks'])).toEqual({
      name: 'get',
      rest: ['-n', 'shop', 'tasks'],
      help: false,
    });
    expect(splitCommand(['help', 'get'])).toEqual({ name: 'get', rest: [], help: true });
    expect(splitCommand(['exec', 'web', '--', 'sh', '--help']).help).toBe(false);
  });

  test('has help with examples for every command', async () => {
    for (const { name, summary } of entries) {
      if (summary === '') continue;
      const { code, out } = await orc([name, '--help']);
      expect(code).toBe(0);
      expect(out).toMatch(new RegExp(`^Usage: orc ${name}`));
      expect(out).toContain('Examples:');
    }
  });

  test('without a cluster says how to start one', async () => {
    const { code, err } = await orc(['get', 'services'], { env });
    expect(code).toBe(1);
    expect(err).toMatch(/^error: no cluster is configured .*`orc up`/);
  });

  test('suggests only what is near', () => {
    expect(nearest('prots', ['ports', 'image'])).toBe('ports');
    expect(nearest('x', ['ports', 'image'])).toBeUndefined();
  });
});

test('explain shows fields, and suggests for those that are not there', async () => {
  expect((await orc(['explain', 'service.spec.ports'])).out).toContain('published  <integer>');
  const { code, err } = await orc(['explain', 'service.spec.prots']);
  expect(code).toBe(1);
  expect(err).toContain('did you mean "ports"?');
});

test('completion knows commands, flags and kinds', async () => {
  const complete = async (...words: string[]): Promise<string[]> =>
    (await orc(['__complete', '--', ...words], { env })).out.split('\n');
  expect(await complete('')).toEqual(expect.arrayContaining(['apply', 'get']));
  expect(await complete('get', '--so')).toContain('--sort-by');
  expect(await complete('get', '')).toEqual(expect.arrayContaining(['services', 'service/']));
});

test('version needs no server with --client', async () => {
  const { code, out } = await orc(['version', '--client', '-o', 'json'], { env });
  expect(code).toBe(0);
  expect(JSON.parse(out)).toHaveProperty('clientVersion.gitVersion');
});
