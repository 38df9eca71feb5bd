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

  test('without a context says so', async () => {
    const { code, err } = await orc(['get', 'services'], { env });
    expect(code).toBe(1);
    expect(err).toMatch(/^error: no cluster is configured \(\/nonexistent\/config\)/);
  });

  test('suggests only what is near', () => {
    expect(nearest('prots', ['ports', 'image'])).toBe('ports');
    expect(nearest('x', ['ports', 'image'])).toBeUndefined();
  });
});

describe('a wrong value', () => {
  test.each([
    [['logs', 'web', '--tail', 'ten'], '--tail must be a whole number, 0 or more, and not "ten"'],
    [['logs', 'web', '--tail='], '--tail must be a whole number'],
    [['logs', 'web', '--tail', '-3'], '--tail must be a whole number'],
    [['logs', 'web', '--tail', '1', '--tail', '2'], '--tail can be given only once'],
    [['logs', 'web', '--since', 'soon'], '--since: "soon" is not a duration'],
    [['logs', 'web', '--since', '2030-99-99'], '--since: "2030-99-99" is not a time'],
    [['get', 'services', '--sort-by', '.spec.replcas'], 'services have no field ".spec.replcas"'],
    [['get', 'services', '--sort-by', '.spec.replcas'], 'did you mean "replicas"?'],
    [['get', 'services,tasks', '--sort-by='], 'services, tasks have no field ""'],
    [['get', 'services', '--sort-by', '.metadata.name', '-w'], 'exclude each other'],
    [['events', '--types', 'Normal,Error'], '--types: no event is of type "error"'],
    [['events', '--types='], '--types: no event is of type ""'],
    [['events', '--for', 'web'], '"web" is not KIND/NAME'],
    [['events', '--for', 'servce/web'], 'no kind "servce"'],
    [['wait', '--for=ready', 'service/web'], '--for=ready is not understood'],
    [['wait', '--for=condition=', 'service/web'], '--for=condition= is not understood'],
    [['wait', '--for=condition=Ready=Yes', 'service/web'], 'a condition is never "Yes"'],
    [['wait', '--for=delete', 'service/web', '--timeout', 'long'], '--timeout: "long" is not a duration'],
    [['scale', 'web=1', '--timeout', 'long'], '--timeout: "long" is not a duration'],
  ])('is refused before a server is asked: orc %j', async (args, said) => {
    const { code, out, err } = await orc(args, { env });
    expect([code, out]).toEqual([2, '']);
    expect(err).toContain(said);
  });

  test.each([
    [['logs', 'web', '--tail', '-1']],
    [['logs', 'web', '--tail', '0', '--since', '10m']],
    [['get', 'services,tasks', '--sort-by', '{.spec.slot}']],
    [['get', 'svc', '--sort-by', '.status.conditions[0].type']],
    [['get', 'svc', '--sort-by', '.metadata.labels.app']],
    [['events', '--types', 'warning, Normal', '--for', 'service/web']],
    [['wait', '--for=condition=Ready=false', 'service/web']],
  ])('is told from a right one: orc %j', async (args) => {
    expect((await orc(args, { env })).err).toMatch(/no cluster is configured/);
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
  expect(await complete('net', '')).toEqual(expect.arrayContaining(['check', 'rotate-keys']));
  expect(await complete('net', 'check', '--')).toEqual(
    expect.arrayContaining(['--network', '--node', '--output']),
  );
});

test('version needs no server with --client', async () => {
  const { code, out } = await orc(['version', '--client', '-o', 'json'], { env });
  expect(code).toBe(0);
  expect(JSON.parse(out)).toHaveProperty('clientVersion.gitVersion');
});
