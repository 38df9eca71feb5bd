import { describe, expect, test } from '@jest/globals';
import type { Service, Stack } from '../../api-schemas/index.ts';
import { aCondition, testNow } from '../runtime/testing.ts';
import { expand, plan, type Step } from './plan.ts';
import { summarize } from './status.ts';

const aStack = (services: Stack['spec']['services'], more: Partial<Stack['metadata']> = {}): Stack => ({
  apiVersion: 'orc.dev/v1',
  kind: 'Stack',
  metadata: { name: 'shop', namespace: 'default', uid: 'uid-shop', generation: 1, ...more },
  spec: { services },
});
const stack = aStack({ web: { image: 'web:1', labels: { tier: 'front' } }, db: { image: 'db:1' } });
const asStored = (service: Service): Service => ({
  ...service,
  metadata: { ...service.metadata, uid: `uid-${service.metadata.name}`, generation: 1 },
});
const [web, db] = expand(stack).map(asStored) as [Service, Service];
const look = (of: Stack, owned: readonly Service[], standing: readonly Service[] = owned) => ({
  stack: of,
  owned,
  standing: new Map(standing.map((s) => [s.metadata.name, s])),
});
const say = (step: Step): string =>
  step.kind === 'TakeFinalizer' ? step.kind : `${step.kind} ${step.service.metadata.name}`;

describe('the stack plan', () => {
  test('expands to services with the stack as their owner', () => {
    expect(plan(look(stack, [])).steps.map(say)).toEqual(['CreateService shop-web', 'CreateService shop-db']);
    expect(web).toMatchObject({
      metadata: {
        labels: { tier: 'front', 'orc.dev/stack': 'shop' },
        ownerReferences: [{ uid: 'uid-shop' }],
      },
      spec: { image: 'web:1' },
    });
    expect(web.spec).not.toHaveProperty('labels');
  });

  test('has nothing to do once that is done', () => {
    expect(plan(look(stack, [web, db]))).toEqual({ steps: [], conflicts: [], waiting: [] });
  });

  test('leaves a scaled service alone until its part of the manifest changes', () => {
    const scaled = { ...web, spec: { ...web.spec, replicas: 9 } };
    expect(plan(look(stack, [scaled, db])).steps).toEqual([]);
    const changed = aStack({ web: { image: 'web:2', labels: { tier: 'front' } }, db: { image: 'db:1' } });
    expect(plan(look(changed, [scaled, db])).steps.map(say)).toEqual(['UpdateService shop-web']);
  });

  test('prunes what left the manifest', () => {
    const fewer = aStack({ web: { image: 'web:1', labels: { tier: 'front' } } });
    expect(plan(look(fewer, [web, db])).steps.map(say)).toEqual(['DeleteService shop-db']);
  });

  test('leaves what something else owns alone, and names the owner', () => {
    const foreign = {
      ...web,
      metadata: {
        ...web.metadata,
        ownerReferences: [
          { apiVersion: 'orc.dev/v1', kind: 'Stack', name: 'other', uid: 'u', controller: true },
        ],
      },
    };
    const result = plan(look(stack, [db], [foreign, db]));
    expect(result.steps).toEqual([]);
    expect(result.conflicts).toEqual([{ service: 'shop-web', owner: 'Stack other' }]);
    const { conditions } = summarize(stack, ['shop-web', 'shop-db'], new Map(), result);
    expect(conditions.find((c) => c.type === 'Conflict')?.message).toContain(
      'shop-web belongs to Stack other',
    );
  });

  test('waits for a predecessor that is still going', () => {
    const going = { ...web, metadata: { ...web.metadata, deletionTimestamp: testNow } };
    const result = plan(look(stack, [going, db]));
    expect(result).toEqual({ steps: [], conflicts: [], waiting: ['shop-web'] });
    const { conditions } = summarize(stack, ['shop-web'], new Map([['shop-web', going]]), result);
    expect(conditions[0]?.message).toBe('service web: the one of that name is still being deleted');
  });

  test('deletes its services before it goes', () => {
    const ending = aStack(stack.spec.services, { deletionTimestamp: testNow, finalizers: ['orc.dev/stack'] });
    expect(plan(look(ending, [web])).steps.map(say)).toEqual(['DeleteService shop-web']);
    const going = { ...web, metadata: { ...web.metadata, deletionTimestamp: testNow } };
    expect(plan(look(ending, [going])).steps).toEqual([]);
    expect(plan(look(ending, [])).steps.map(say)).toEqual(['TakeFinalizer']);
  });

  test('rolls up the first cause in words', () => {
    const message = '2 of 3 ready: task web-3-x: ImagePullFailed: no such image';
    const bad = {
      ...web,
      status: { observedGeneration: 1, conditions: [aCondition('Ready', 'False', { message })] },
    };
    const good = { ...db, status: { observedGeneration: 1, conditions: [aCondition('Ready')] } };
    const services = new Map([bad, good].map((s) => [s.metadata.name, s as Service]));
    const names = [...services.keys()];
    const { status, conditions } = summarize(stack, names, services, { conflicts: [], waiting: [] });
    expect(status).toMatchObject({ services: 2, readyServices: 1 });
    expect(conditions[0]).toMatchObject({ status: 'False', message: `service web: ${message}` });
  });
});
