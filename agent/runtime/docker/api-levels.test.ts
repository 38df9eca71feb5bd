import { describe, expect, test } from '@jest/globals';
import { compareAPI, tooNew, tooNewMessage } from './api-levels.ts';
import { negotiate } from './connect.ts';
import { runtimeError } from './errors.ts';

const template = {
  image: 'i',
  healthcheck: { startInterval: '1s' },
  mounts: [
    { type: 'bind', source: '/a', target: '/a', bind: { createSource: true, recursive: 'readonly' } },
    { type: 'volume', source: 'v', target: '/v', volume: { subpath: 'x' } },
    { type: 'tmpfs', target: '/t', tmpfs: { options: ['exec'] } },
  ],
} as const;

describe('a field that the engine is too old for', () => {
  test('is named with the version that it needs', () => {
    expect(tooNew(template, '1.41').map(({ path, needs }) => `${path} ${needs}`)).toEqual([
      'healthcheck.startInterval 1.44',
      'mounts[0].bind.createSource 1.42',
      'mounts[0].bind.recursive 1.44',
      'mounts[1].volume.subpath 1.45',
      'mounts[2].tmpfs.options 1.46',
    ]);
    expect(tooNew(template, '1.45').map(({ path }) => path)).toEqual(['mounts[2].tmpfs.options']);
    expect(tooNew(template, '1.51')).toEqual([]);
  });

  test('is refused in words that say what to do', () => {
    expect(tooNewMessage(tooNew(template, '1.45'), '1.45')).toBe(
      "mounts[2].tmpfs.options needs API 1.46 (Engine 27.0); this node's engine speaks API 1.45. Update the engine, place the service on a newer node, or leave the field out.",
    );
  });
});

describe('the version spoken', () => {
  test('is the highest that both sides know', () => {
    expect(negotiate('1.41', '1.12', '20.10')).toBe('1.41');
    expect(negotiate('1.60', '1.44', '30')).toBe('1.51');
    expect(compareAPI('1.9', '1.41')).toBeLessThan(0);
  });

  test('is refused when there is none', () => {
    expect(() => negotiate('1.40', '1.12', '19.03')).toThrow(/19\.03 speaks API 1\.40; orc needs 1\.41/);
    expect(() => negotiate('1.70', '1.60', '35')).toThrow(/Update orc/);
  });
});

test.each([
  [409, 'driver failed programming external connectivity on endpoint x: Bind for 0.0.0.0:80 failed: port is already allocated', 'PortTaken', 'PortTaken'], // prettier-ignore
  [
    400,
    'invalid mount config for type "bind": bind source path does not exist: /nowhere',
    'Rejected',
    'BadMount',
  ],
  [404, 'No such image: x:1', 'ImagePullFailed', 'ImageNotFound'],
  [400, 'unknown or invalid runtime name: runsc', 'Rejected', 'UnknownRuntime'],
  [500, 'write /x: no space left on device', 'Failed', 'DiskFull'],
  [400, 'OCI runtime create failed: exec: "nope": executable file not found in $PATH: unknown', 'Rejected', 'CommandNotFound'], // prettier-ignore
  [400, 'something new', 'Rejected', 'RefusedByEngine'],
  [500, 'something new', 'Failed', 'EngineError'],
])('the engine answering %i "%s" is %s', (statusCode, message, kind, reason) => {
  const error = runtimeError(Object.assign(new Error('x'), { statusCode, json: { message } }), 'doing');
  expect(error).toMatchObject({ kind, reason });
});

test('an engine that is not there is unavailable', () => {
  const error = Object.assign(new Error('connect ENOENT /x'), { code: 'ENOENT' });
  expect(runtimeError(error, 'doing').kind).toBe('EngineUnavailable');
});
