import { describe, expect, test } from '@jest/globals';
import { ApiError } from '../../kit/errors.ts';
import { CliError } from '../errors.ts';
import { resolveKind } from '../kinds.ts';
import { golden } from '../testing.ts';
import { condition, event, node, now, service, stack, task } from '../testobjects.ts';
import { viewAlone, viewStack, type TargetView } from '../wait/observe.ts';
import { parseDuration } from './age.ts';
import { bar } from './bar.ts';
import { colors, plain, stableColor } from './color.ts';
import { renderDescription } from './describe.ts';
import { diagnose } from './diagnose.ts';
import { unifiedDiff } from './diff.ts';
import { renderError } from './errors.ts';
import { renderChanges, renderProgress } from './progress.ts';
import { sortByPath, valueAt } from './rows.ts';
import { renderTable, tableWriter } from './table.ts';
import { oneLine, truncate, width, wrap } from './text.ts';
import { toYaml, withoutManagedFields } from './yaml.ts';

const frame = { columns: 100, rows: 40, elapsedMs: 12_000, palette: plain };
const page = { now, columns: 100, palette: plain };

describe('tables', () => {
  test('have three spaces between columns and at least six characters a column, as kubectl’s', () => {
    expect(renderTable(['NAME', 'A', 'AGE'], [['web', '1', '5m']])).toEqual([
      'NAME   A     AGE',
      'web    1     5m',
    ]);
  });

  test('never get narrower while a watch goes on', () => {
    const writer = tableWriter();
    writer.rows([['a-long-name', 'x']]);
    expect(writer.rows([['a', 'y']])).toEqual(['a             y']);
  });

  test('show the first line of a cell, and no control characters', () => {
    expect(renderTable(undefined, [['a\nb', '\u001b[31mred']])).toEqual(['a...   ^[[31mred']);
  });
});

describe('text', () => {
  test('is measured in columns, without colours', () => {
    expect(width(colors.red('日本'))).toBe(4);
  });
  test('is cut to a width, and colours are closed', () => {
    expect(truncate('abcdef', 4)).toBe('abc…');
    expect(truncate(colors.red('abcdef'), 4)).toBe('\u001b[31mabc…\u001b[0m');
  });
  test('wraps at spaces', () => {
    expect(wrap('one two three', 7)).toEqual(['one two', 'three']);
  });
  test('of one line says that there was more', () => {
    expect(oneLine('first\nsecond')).toBe('first...');
  });
  test('a task keeps its colour', () => {
    expect(stableColor('web-1')('x')).toBe(stableColor('web-1')('x'));
  });
});

test('durations of flags are read', () => {
  expect(['30', '1m30s', '250ms', '1d', 'soon', ''].map(parseDuration)).toEqual([
    30_000,
    90_000,
    250,
    86_400_000,
    undefined,
    undefined,
  ]);
});

test('fields are found by kubectl’s paths, and sorting puts what lacks them first', () => {
  expect(valueAt({ a: { b: [{ c: 1 }] } }, '{.a.b[0].c}')).toBe(1);
  expect(sortByPath([{ n: 10 }, { n: 9 }, {}], '.n', (x) => x)).toEqual([{}, { n: 9 }, { n: 10 }]);
});

test('YAML has sorted keys and no managed fields', () => {
  const object = { metadata: { name: 'a', managedFields: [] }, kind: 'X', apiVersion: 'v1' };
  expect(toYaml(withoutManagedFields(object))).toBe('apiVersion: v1\nkind: X\nmetadata:\n  name: a\n');
});

test('a bar has a step for each state up to Running', () => {
  expect([undefined, 'New', 'Preparing', 'Running', 'Failed'].map((s) => bar(s as 'New'))).toEqual([
    '[        ]',
    '[>       ]',
    '[====>   ]',
    '[========]',
    '          ',
  ]);
});

describe('errors', () => {
  const render = (error: unknown): string => renderError(error, plain).join('\n');

  test('of one field are one line, of several a list, as kubectl prints them', () => {
    const details = (...fields: string[]) => ({
      name: 'web',
      kind: 'Service',
      causes: fields.map((field) => ({
        reason: 'FieldValueInvalid',
        field,
        message: 'Invalid value: -1: must be 0 or more',
      })),
    });
    const error = (...fields: string[]) => new ApiError(422, 'long text', { details: details(...fields) });
    expect(render(error('spec.replicas'))).toBe(
      'error: The Service "web" is invalid: spec.replicas: Invalid value: -1: must be 0 or more',
    );
    expect(render(error('a', 'b')).split('\n')).toEqual([
      'error: The Service "web" is invalid:',
      '  * a: Invalid value: -1: must be 0 or more',
      '  * b: Invalid value: -1: must be 0 or more',
    ]);
  });

  test('of field managers name the other one and the ways out', () => {
    const causes = [
      {
        reason: 'FieldManagerConflict',
        field: '.spec.replicas',
        message: 'conflict with "kubectl" using orc.dev/v1',
      },
    ];
    const text = render(new ApiError(409, 'x', { details: { causes } }));
    expect(text).toContain('"kubectl"');
    expect(text).toContain('.spec.replicas');
    expect(text).toContain('--force-conflicts');
  });

  test('never show a stack unless asked', () => {
    expect(render(new TypeError('boom'))).toBe('error: boom');
    expect(renderError(new TypeError('boom'), plain, true).length).toBeGreaterThan(1);
  });

  test('of the CLI carry their remedy', () => {
    expect(render(new CliError('no', { remedy: 'do' }))).toBe('error: no\nhint: do');
  });
});

const failing = [
  task('hello-web', 1, { state: 'Running' }),
  task('hello-web', 2, {
    state: 'Preparing',
    reason: 'ImagePullFailed',
    message: 'manifest for web:2 not found: manifest unknown',
  }),
];
const web = service(
  'hello-web',
  { replicas: 3 },
  { desired: 3, ready: 1, updated: 2, replicas: 2, currentRevision: 'hello-web-1' },
  'hello',
);
const hello = stack('hello', { web: { image: 'web:1', replicas: 3 }, api: { image: 'api:1' } });

describe('progress', () => {
  test('of a stack shows the whole, each slot, and the reason beside it', () => {
    const text = renderProgress([viewStack(hello, [web], failing)], frame).join('\n');
    expect(text).toBe(golden('progress-stack.txt', text));
  });

  test('of many slots is summed up, with the first problems', () => {
    const tasks = Array.from({ length: 30 }, (_, i) =>
      task(
        'web',
        i + 1,
        i < 20
          ? { state: 'Running' }
          : { state: 'Pending', reason: 'NoNodeFits', message: 'node-a: too little memory' },
      ),
    );
    const view = viewAlone(
      service('web', { replicas: 30 }, { desired: 30, ready: 20, updated: 30, replicas: 30 }),
      tasks,
    );
    const text = renderProgress([view], frame).join('\n');
    expect(text).toBe(golden('progress-many.txt', text));
  });

  test('never is higher or wider than the terminal', () => {
    const lines = renderProgress([viewStack(hello, [web], failing)], { ...frame, rows: 4, columns: 30 });
    expect(lines.length).toBeLessThan(4);
    expect(Math.max(...lines.map(width))).toBeLessThanOrEqual(30);
  });

  test('for a log is only what changed', () => {
    const before: TargetView[] = [viewStack(hello, [web], failing)];
    expect(renderChanges([], before)).toEqual([
      'stack/hello web 1/3 running',
      'stack/hello web slot 2 preparing: ImagePullFailed: manifest for web:2 not found: manifest unknown',
      'stack/hello api 0/1 running',
    ]);
    expect(renderChanges(before, before)).toEqual([]);
  });
});

describe('describe', () => {
  const serviceDef = resolveKind('service');

  test('leads with what is wrong and what to do', () => {
    const object = {
      ...web,
      status: {
        ...web.status,
        conditions: [
          condition(
            'Ready',
            'False',
            'ImagePullFailed',
            '1 of 3 ready: task hello-web-2-0abc: ImagePullFailed',
          ),
        ],
      },
    };
    const text = renderDescription(
      {
        def: serviceDef,
        object,
        diagnosis: diagnose(object, { tasks: failing, services: [] }),
        related: [{ def: resolveKind('task'), objects: failing }],
        events: [
          event('hello-web', 'Late', 'came last', {
            lastTimestamp: '2030-01-01T00:59:00Z',
            count: 3,
            type: 'Warning',
          }),
          event('hello-web', 'Created', 'made task hello-web-1'),
        ],
      },
      page,
    ).join('\n');
    expect(text).toBe(golden('describe-service.txt', text));
  });

  test('gives every node its own line when nothing fits', () => {
    const message = 'no node fits: node-a: too little memory; node-b: is draining';
    const pending = task('web', 1, {
      state: 'Pending',
      reason: 'NoNodeFits',
      message,
      conditions: [condition('Scheduled', 'False', 'NoNodeFits', message)],
    });
    const text = renderDescription(
      {
        def: resolveKind('task'),
        object: pending,
        diagnosis: diagnose(pending, { tasks: [], services: [] }),
        related: [],
        events: [],
      },
      page,
    ).join('\n');
    expect(text).toBe(golden('describe-task.txt', text));
  });

  test('of a healthy object has nothing to lead with', () => {
    const fine = service(
      'web',
      { replicas: 1 },
      { desired: 1, ready: 1, updated: 1, replicas: 1, conditions: [condition('Ready', 'True')] },
    );
    expect(diagnose(fine, { tasks: [], services: [] })).toBeUndefined();
  });

  test('of a cordoned node says how to undo it', () => {
    expect(
      diagnose(node('node-a', { availability: 'pause' }, [condition('Ready', 'True')]), {
        tasks: [],
        services: [],
      })?.next[0],
    ).toContain('orc uncordon node-a');
  });
});

test('a diff shows changed lines with three around them', () => {
  const before = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i'].join('\n');
  expect(unifiedDiff(before, before.replace('e', 'E'), ['x', 'y'], plain)).toEqual([
    '--- x',
    '+++ y',
    '@@ -2,7 +2,7 @@',
    ' b',
    ' c',
    ' d',
    '-e',
    '+E',
    ' f',
    ' g',
    ' h',
  ]);
  expect(unifiedDiff(before, before, ['x', 'y'], plain)).toEqual([]);
});
