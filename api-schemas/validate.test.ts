import { describe, expect, test } from '@jest/globals';
import { pruneUnknown, templateOf, unknownFields, validate, withDefaults, type Service } from './index.ts';

const service = (
  spec: Record<string, unknown>,
  metadata: Record<string, unknown> = { name: 'web' },
): Service =>
  ({
    apiVersion: 'orc.dev/v1',
    kind: 'Service',
    metadata,
    spec: { image: 'nginx', ...spec },
  }) as unknown as Service;

const fields = (object: unknown): string[] =>
  validate(object).map((cause) => `${cause.field ?? ''}: ${cause.message}`);

describe('validation', () => {
  test('a minimal service is valid', () => {
    expect(validate(service({}))).toEqual([]);
  });
  test('smoke', () => {
    console.log(
      fields(
        service({
          ports: [{ target: 70000 }, { target: 80, published: 8080 }, { published: 8080, target: 81 }, {}],
          env: [
            { name: 'A', value: 5 },
            { name: 'A', value: '{{.Task.Slot}}' },
            { name: 'B', valueFrom: {} },
          ],
          enviroment: {},
          replica: 3,
          cap_add: ['x'],
          secrets: [],
          mode: 'replicated-job',
          update: { delay: '1s', order: 'stop-frist' },
          placement: { constraints: ['node.lables.x == y', 'foo'] },
          gpus: [],
          healthcheck: { interval: '10us', test: ['curl'] },
          restart: null,
          mounts: [{ type: 'cluster', target: 'x' }],
        }),
      ).join('\n'),
      JSON.stringify(withDefaults(service({ ports: [{ target: 80 }] })), null, 1),
      templateOf(service({ stopGracePeriod: '10s', command: ['a'] }).spec),
      unknownFields(service({ foo: 1 })),
      pruneUnknown(service({ foo: 1, ports: [{ target: 1, x: 1 }] })),
    );
  });
});
