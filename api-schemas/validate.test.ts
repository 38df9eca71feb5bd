import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { kinds, pruneUnknown, unknownFields, validate, type Obj } from './index.ts';

const service = (spec: object, metadata: object = { name: 'web' }): Obj =>
  ({
    apiVersion: 'orc.dev/v1',
    kind: 'Service',
    metadata,
    spec: { image: 'nginx', ...spec },
  }) as unknown as Obj;
const stack = (name: string, services: object): Obj =>
  ({ apiVersion: 'orc.dev/v1', kind: 'Stack', metadata: { name }, spec: { services } }) as unknown as Obj;
/** `field reason` of each problem. */
const found = (object: unknown): string[] =>
  validate(object).map(({ field, reason }) => `${field ?? ''} ${reason.replace('FieldValue', '')}`);

/** One spec and what is wrong with it, each a rule. */
const rules: readonly (readonly [string, object, readonly string[]])[] = [
  ['nothing', {}, []],
  ['type', { replicas: '3' }, ['spec.replicas TypeInvalid']],
  ['empty', { env: null }, ['spec.env TypeInvalid']],
  ['range', { ports: [{ target: 0 }] }, ['spec.ports[0].target Invalid']],
  ['missing', { ports: [{}] }, ['spec.ports[0].target Required']],
  ['enum', { pullPolicy: 'Always' }, ['spec.pullPolicy NotSupported']],
  ['image', { image: 'A B' }, ['spec.image Invalid']],
  ['duration', { stopGracePeriod: '10' }, ['spec.stopGracePeriod Invalid']],
  ['global with replicas', { mode: 'global', replicas: 2 }, ['spec.replicas Forbidden']],
  [
    'same port',
    {
      ports: [
        { target: 1, published: 9 },
        { target: 2, published: 9 },
      ],
    },
    ['spec.ports[1] Duplicate'],
  ],
  [
    'same port, other protocol',
    {
      ports: [
        { target: 1, published: 9 },
        { target: 1, published: 9, protocol: 'udp' },
      ],
    },
    [],
  ],
  [
    'same port, other address',
    {
      ports: [
        { target: 1, published: 9, hostIP: '127.0.0.1' },
        { target: 1, published: 9, hostIP: '10.0.0.1' },
      ],
    },
    [],
  ],
  [
    'same port, all addresses',
    {
      ports: [
        { target: 1, published: 9, hostIP: '127.0.0.1' },
        { target: 1, published: 9 },
      ],
    },
    ['spec.ports[1] Duplicate'],
  ],
  ['hostIP', { ports: [{ target: 1, hostIP: 'localhost' }] }, ['spec.ports[0].hostIP Invalid']],
  [
    'hostIP with sctp',
    { ports: [{ target: 1, hostIP: '127.0.0.1', protocol: 'sctp' }] },
    ['spec.ports[0].hostIP Forbidden'],
  ],
  [
    'start-first with a host port',
    { ports: [{ target: 1, published: 9, mode: 'host' }], update: { order: 'start-first' } },
    ['spec.update.order Invalid'],
  ],
  ['same variable', { env: [{ name: 'A' }, { name: 'A' }] }, ['spec.env[1] Duplicate']],
  ['variable with =', { env: [{ name: 'A=b' }] }, ['spec.env[0].name Invalid']],
  [
    'same target',
    {
      mounts: [
        { type: 'tmpfs', target: '/a' },
        { type: 'tmpfs', target: '/a/' },
      ],
    },
    ['spec.mounts[1] Duplicate'],
  ],
  ['relative target', { mounts: [{ type: 'tmpfs', target: 'a' }] }, ['spec.mounts[0].target Invalid']],
  ['bind without source', { mounts: [{ type: 'bind', target: '/a' }] }, ['spec.mounts[0].source Required']],
  [
    'path as volume',
    { mounts: [{ type: 'volume', source: './a', target: '/a' }] },
    ['spec.mounts[0].source Invalid'],
  ],
  [
    'options of another type',
    { mounts: [{ type: 'tmpfs', target: '/a', bind: {} }] },
    ['spec.mounts[0].bind Forbidden'],
  ],
  [
    'reserved label',
    { containerLabels: { 'dev.orc.task': 'x' } },
    ['spec.containerLabels[dev.orc.task] Forbidden'],
  ],
  ['ulimit', { ulimits: [{ name: 'nofile', soft: 2, hard: 1 }] }, ['spec.ulimits[0].soft Invalid']],
  ['memory', { resources: { limits: { memory: '1Mi' } } }, ['spec.resources.limits.memory Invalid']],
  [
    'reservation over limit',
    { resources: { limits: { cpus: '1' }, reservations: { cpus: '1500m' } } },
    ['spec.resources.reservations.cpus Invalid'],
  ],
  ['swap without memory', { resources: { memorySwap: '1Gi' } }, ['spec.resources.limits.memory Required']],
  [
    'health disabled and set',
    { healthcheck: { disable: true, interval: '1s' } },
    ['spec.healthcheck.interval Forbidden'],
  ],
  ['health test', { healthcheck: { test: ['curl', 'x'] } }, ['spec.healthcheck.test[0] NotSupported']],
  ['health interval', { healthcheck: { interval: '10us' } }, ['spec.healthcheck.interval Invalid']],
  [
    'constraint',
    { placement: { constraints: ['node.role = worker'] } },
    ['spec.placement.constraints[0] Invalid'],
  ],
  [
    'spread',
    { placement: { preferences: [{ spread: 'node.role' }] } },
    ['spec.placement.preferences[0].spread Invalid'],
  ],
  ['gpus', { gpus: 'some' }, ['spec.gpus TypeInvalid']],
  ['gpus well', { gpus: { driver: 'nvidia', capabilities: [['gpu']] } }, []],
  ['an unknown field of gpus', { gpus: { drivers: 'x' } }, ['spec.gpus.drivers Invalid']],
];

describe('a service with', () => {
  test.each(rules)('%s', (_, spec, expected) => expect(found(service(spec))).toEqual(expected));
});

describe('what a later version brings is refused by its path', () => {
  const later: readonly (readonly [string, object])[] = [
    ['spec.secrets', { secrets: [] }],
    ['spec.rollback', { rollback: {} }],
    ['spec.mode', { mode: 'replicated-job' }],
    ['spec.update.failureAction', { update: { failureAction: 'pause' } }],
    ['spec.env[0].valueFrom', { env: [{ name: 'A', valueFrom: {} }] }],
    ['spec.env[0].value', { env: [{ name: 'A', value: '{{.Task.Slot}}' }] }],
    ['spec.hostname', { hostname: '{{.Node.Hostname}}' }],
    ['spec.mounts[0].type', { mounts: [{ type: 'cluster', target: '/a' }] }],
    ['spec.mounts[0].source', { mounts: [{ type: 'volume', source: 'a-{{.Task.Slot}}', target: '/a' }] }],
    ['spec.credentialSpec', { credentialSpec: 'config://x' }],
  ];
  test.each(later)('%s', (field, spec) => {
    const causes = validate(service(spec));
    expect(causes).toMatchObject([
      { field, reason: 'FieldValueForbidden', message: expect.stringContaining('not supported yet') },
    ]);
    expect(unknownFields(service(spec))).toEqual([]);
    expect(validate(pruneUnknown(service(spec)))).toEqual(causes);
  });
});

describe('unknown fields', () => {
  test('come with what was meant', () => {
    const meant: Readonly<Record<string, string>> = {
      replica: 'replicas',
      cap_add: 'capAdd',
      environment: 'env',
      enviroment: 'env',
      volumes: 'mounts',
      'working-dir': 'workingDir',
      Image: 'image',
    };
    for (const [key, word] of Object.entries(meant))
      expect(unknownFields(service({ [key]: 1 }))[0]?.message).toContain(`; did you mean "${word}"?`);
    expect(unknownFields(service({ xyzzy: 1 }))[0]?.message).toBe('unknown field "spec.xyzzy"');
  });
  test('are pruned without changing the rest or the input', () => {
    const object = service({ xyzzy: 1, ports: [{ target: 1, x: 2 }], containerLabels: { any: 'x' } });
    const before = JSON.stringify(object);
    expect(pruneUnknown(object)).toEqual(service({ ports: [{ target: 1 }], containerLabels: { any: 'x' } }));
    expect(JSON.stringify(object)).toBe(before);
  });
  test('named like those of every object are unknown too', () => {
    expect(unknownFields(service({ constructor: 1, toString: 2 }))).toHaveLength(2);
  });
});

describe('names', () => {
  test('of services are DNS labels', () => {
    for (const name of ['Web', 'a_b', '-a', 'a'.repeat(64), 'a.b', ''])
      expect(found(service({}, { name }))).toContain('metadata.name Invalid');
    expect(found(service({}, {}))).toEqual(['metadata.name Required']);
    expect(found(service({}, { generateName: 'web-' }))).toEqual([]);
  });
  test('of a stack and its services fit together', () => {
    expect(found(stack('a'.repeat(40), { ['b'.repeat(30)]: { image: 'x' } }))).toEqual([
      `spec.services.${'b'.repeat(30)} Invalid`,
    ]);
    expect(found(stack('a', { B: { image: 'x' } }))).toEqual(['spec.services Invalid']);
  });
  test('of the cluster have no namespace', () => {
    expect(
      found({ apiVersion: 'orc.dev/v1', kind: 'Node', metadata: { name: 'a', namespace: 'b' } }),
    ).toEqual(['metadata.namespace Forbidden']);
  });
  test('two services of a stack do not publish one port', () => {
    const ports = [{ target: 1, published: 9 }];
    expect(found(stack('a', { b: { image: 'x', ports }, c: { image: 'x', ports } }))).toEqual([
      'spec.services.c.ports[0] Duplicate',
    ]);
  });
});

test('every problem is reported at once, in a stack too', () => {
  expect(
    found(
      stack('s', {
        web: { replica: 1, ports: [{ target: 0 }, { target: 1, published: 5 }, { target: 2, published: 5 }] },
      }),
    ),
  ).toEqual([
    'spec.services.web.replica Invalid',
    'spec.services.web.image Required',
    'spec.services.web.ports[0].target Invalid',
    'spec.services.web.ports[2] Duplicate',
  ]);
});

test('what is too deep or too large is refused early', () => {
  let deep: unknown = 1;
  for (let i = 0; i < 100_000; i++) deep = [deep];
  expect(validate(service({ env: deep }))[0]?.message).toMatch(/nested deeper than 64/);
  expect(validate(service({ env: Array(200_000).fill({}) }))[0]?.message).toMatch(/more than 100000 values/);
  expect(validate(service({ command: ['x'.repeat(2 ** 21)] }))[0]?.message).toMatch(/characters/);
});

test('any JSON gets an answer', () => {
  const def = fc.constantFrom(...kinds);
  fc.assert(
    fc.property(def, fc.jsonValue(), fc.jsonValue(), ({ apiVersion, kind }, metadata, spec) => {
      expect(Array.isArray(validate({ apiVersion, kind, metadata, spec, status: spec }))).toBe(true);
    }),
  );
  for (const value of [null, undefined, 1, 'x', [], {}]) expect(validate(value).length).toBeGreaterThan(0);
});

test('a spec with values of the wrong type at any place gets an answer', () => {
  const keys = Object.keys(
    kinds.find((def) => def.kind === 'Service')?.schema.properties?.['spec']?.properties ?? {},
  );
  fc.assert(
    fc.property(fc.dictionary(fc.constantFrom(...keys), fc.jsonValue()), (spec) =>
      Array.isArray(validate(service(spec))),
    ),
    { numRuns: 300 },
  );
});
