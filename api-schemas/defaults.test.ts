import { describe, expect, test } from '@jest/globals';
import {
  contentHash,
  hostPortsOf,
  ingressPortsOf,
  templateOf,
  withDefaults,
  type Service,
  type ServiceSpec,
  type Stack,
} from './index.ts';

const service = (spec: Partial<ServiceSpec>): Service => ({
  apiVersion: 'orc.dev/v1',
  kind: 'Service',
  metadata: { name: 'web' },
  spec: { image: 'nginx', ...spec },
});

describe('defaults', () => {
  test('fill nested objects and lists', () => {
    const { spec } = withDefaults(service({ ports: [{ target: 80 }] }));
    expect(spec.ports).toEqual([{ target: 80, published: 0, protocol: 'tcp', mode: 'ingress' }]);
    expect(spec.restart).toEqual({
      condition: 'any',
      delay: '1s',
      maxDelay: '1m',
      maxAttempts: 0,
      window: '1m',
    });
    expect(spec).toMatchObject({
      mode: 'replicated',
      replicas: 1,
      update: { order: 'start-first', parallelism: 1 },
      stopGracePeriod: '10s',
    });
  });
  test('a global service gets no replicas', () => {
    expect(withDefaults(service({ mode: 'global' })).spec).not.toHaveProperty('replicas');
  });
  test('a host port makes the update stop-first', () => {
    expect(
      withDefaults(service({ ports: [{ target: 80, published: 80, mode: 'host' }] })).spec.update?.order,
    ).toBe('stop-first');
    expect(withDefaults(service({ ports: [{ target: 80, mode: 'host' }] })).spec.update?.order).toBe(
      'start-first',
    );
  });
  test('reach the services of a stack', () => {
    const stack: Stack = {
      apiVersion: 'orc.dev/v1',
      kind: 'Stack',
      metadata: { name: 's' },
      spec: { services: { a: { image: 'x' } } },
    };
    expect(withDefaults(stack).spec.services['a']).toMatchObject({ replicas: 1, pullPolicy: 'missing' });
  });
  test('never change the input, and are remembered for a frozen one', () => {
    const input = service({ ports: [{ target: 80 }] });
    const before = JSON.stringify(input);
    const once = withDefaults(input);
    expect(JSON.stringify(input)).toBe(before);
    expect(withDefaults(once)).toEqual(once);
    const frozen = Object.freeze(input);
    expect(withDefaults(frozen)).toBe(withDefaults(frozen));
  });
});

describe('templates', () => {
  test('are the same for a spec with and without defaults', () => {
    const plain = service({
      mounts: [{ type: 'bind', source: '/a', target: '/b' }],
      env: [{ name: 'A', value: '1' }],
      replicas: 3,
      gpus: 2,
    });
    expect(templateOf(withDefaults(plain).spec)).toEqual(templateOf(plain.spec));
    expect(templateOf({ ...plain.spec, replicas: 9, stopGracePeriod: '10s' })).toEqual(
      templateOf(plain.spec),
    );
    expect(contentHash(templateOf({ ...plain.spec, stopGracePeriod: '11s' }))).not.toBe(
      contentHash(templateOf(plain.spec)),
    );
  });
  test('ports are split by mode', () => {
    const spec: ServiceSpec = {
      image: 'x',
      ports: [{ target: 1, published: 2, mode: 'host' }, { target: 3 }],
    };
    expect(hostPortsOf(spec)).toEqual([{ target: 1, published: 2, protocol: 'tcp', mode: 'host' }]);
    expect(ingressPortsOf(spec)).toEqual([{ target: 3, published: 0, protocol: 'tcp', mode: 'ingress' }]);
  });
});
