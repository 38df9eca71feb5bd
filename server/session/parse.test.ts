import { describe, expect, test } from '@jest/globals';
import { FakeClock } from '../../kit/clock.ts';
import { parseExecQuery, statusOfEnd } from './exec.ts';
import { parseLogQuery } from './log.ts';
import { parseFrame } from './parse.ts';

const frame = (value: unknown): Buffer => Buffer.from(JSON.stringify(value));

describe('a frame of an agent', () => {
  test('says of a node only what a node may say', () => {
    const node = { hostname: 'h', session: { server: 'x' }, conditions: [{ type: 'Ready' }], role: 7 };
    expect(parseFrame(frame({ type: 'register', node, labels: { a: 'b', c: 1 } }))).toEqual({
      type: 'register',
      node: { hostname: 'h' },
      labels: { a: 'b' },
    });
  });

  test('keeps what is known of a report, and cuts what is too long', () => {
    const status = {
      state: 'Failed',
      exitCode: 1,
      message: 'x'.repeat(5_000),
      evil: {},
      conditions: [{ type: 1 }],
    };
    const parsed = parseFrame(
      frame({ type: 'report', tasks: [{ namespace: 'd', name: 't', uid: 'u', status }] }),
    );
    expect(parsed).toEqual({
      type: 'report',
      tasks: [
        {
          namespace: 'd',
          name: 't',
          uid: 'u',
          status: { state: 'Failed', exitCode: 1, message: 'x'.repeat(2_000) },
        },
      ],
      events: [],
    });
  });

  test.each([
    [Buffer.from('{'), /JSON/],
    [frame([]), /must be an object/],
    [frame({ type: 'nonsense' }), /unknown/],
    [frame({ type: 'report', tasks: {} }), /must be a list/],
    [
      frame({ type: 'report', tasks: [{ namespace: 'd', name: 't', uid: 'u', status: { state: 'Fine' } }] }),
      /state "Fine" is unknown/,
    ],
    [frame({ type: 'report', tasks: [{ name: 't' }] }), /namespace must be a string/],
  ])('that makes no sense is refused with the reason: %s', (data, message) => {
    expect(() => parseFrame(data)).toThrow(message);
  });
});

describe('the query of a log', () => {
  const clock = new FakeClock(Date.parse('2030-01-01T00:01:00Z'));
  const parse = (query: string): unknown => parseLogQuery(new URLSearchParams(query), clock);

  test('is that of Kubernetes', () => {
    expect(parse('')).toEqual({ kind: 'logs', follow: false, timestamps: false });
    expect(parse('follow=true&tailLines=3&sinceSeconds=60&timestamps=1&container=x')).toEqual({
      kind: 'logs',
      follow: true,
      timestamps: true,
      tail: 3,
      since: '2030-01-01T00:00:00.000Z',
    });
  });

  test.each([
    'follow=maybe',
    'tailLines=-1',
    'sinceTime=yesterday',
    'sinceSeconds=1&sinceTime=2030-01-01T00:00:00Z',
    'previous=true',
  ])('is refused where it makes no sense: %s', (query) =>
    expect(() => parse(query)).toThrow(/query parameter/),
  );
});

describe('exec', () => {
  test('takes a command, and needs one', () => {
    expect(parseExecQuery(new URLSearchParams('command=ls&command=-l&stdin=true&tty=false&user=1'))).toEqual({
      kind: 'exec',
      command: ['ls', '-l'],
      stdin: true,
      tty: false,
      user: '1',
    });
    expect(() => parseExecQuery(new URLSearchParams('stdin=true'))).toThrow(/command/);
    expect(() => parseExecQuery(new URLSearchParams('command=a&env=B'))).toThrow(/NAME=value/);
  });

  test('ends as kubectl expects it', () => {
    expect(statusOfEnd({ exitCode: 0 }).status).toBe('Success');
    expect(statusOfEnd({ exitCode: 3 })).toMatchObject({
      reason: 'NonZeroExitCode',
      details: { causes: [{ reason: 'ExitCode', message: '3' }] },
    });
    expect(statusOfEnd({ error: 'no such file' })).toMatchObject({
      status: 'Failure',
      message: 'no such file',
    });
  });
});
