import { describe, expect, test } from '@jest/globals';
import type { Network, Service, Stack } from '../../api-schemas/index.ts';
import { aCondition, testNow } from '../runtime/testing.ts';
import { expand, expandNetworks, plan, type Step } from './plan.ts';
import { summarize } from './status.ts';

const aStack = (
  services: Stack['spec']['services'],
  more: Partial<Stack['metadata']> = {},
  networks?: Stack['spec']['networks'],
): Stack => ({
  apiVersion: 'orc.dev/v1',
  kind: 'Stack',
  metadata: { name: 'shop', namespace: 'default', uid: 'uid-shop', generation: 1, ...more },
  spec: { services, ...(networks === undefined ? {} : { networks }) },
});
const stack = aStack({ web: { image: 'web:1', labels: { tier: 'front' } }, db: { image: 'db:1' } });
const asStored = <T extends Service | Network>(object: T): T => ({
  ...object,
  metadata: { ...object.metadata, uid: `uid-${object.metadata.name}`, generation: 1 },
});
const [web, db] = expand(stack).map(asStored) as [Service, Service];
const byName = <T extends Service | Network>(objects: readonly T[]): ReadonlyMap<string, T> =>
  new Map(objects.map((object) => [object.metadata.name, object]));
/** With the stack's networks as they are to be, unless said otherwise. */
const look = (
  of: Stack,
  owned: readonly Service[],
  standing: readonly Service[] = owned,
  ownedNetworks: readonly Network[] = expandNetworks(of).map(asStored),
  standingNetworks: readonly Network[] = ownedNetworks,
) => ({
  stack: of,
  owned,
  standing: byName(standing),
  ownedNetworks,
  standingNetworks: byName(standingNetworks),
});
const say = (step: Step): string => {
  if (step.kind === 'TakeFinalizer') return step.kind;
  return `${step.kind} ${('network' in step ? step.network : step.service).metadata.name}`;
};

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
    expect(result.conflicts).toEqual(['service web: the name shop-web belongs to Stack other']);
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
    expect(plan(look(ending, [], [], [])).steps.map(say)).toEqual(['TakeFinalizer']);
  });

  test('deletes its networks after its services, and waits for them', () => {
    const ending = aStack(stack.spec.services, { deletionTimestamp: testNow, finalizers: ['orc.dev/stack'] });
    expect(plan(look(ending, [])).steps.map(say)).toEqual(['DeleteNetwork shop-default']);
    const [net] = expandNetworks(ending).map(asStored) as [Network];
    const held = { ...net, metadata: { ...net.metadata, deletionTimestamp: testNow } };
    const waiting = plan(look(ending, [], [], [held]));
    expect(waiting).toEqual({ steps: [], conflicts: [], waiting: ['shop-default'] });
    expect(summarize(ending, [], new Map(), waiting).conditions[0]?.message).toContain('shop-default');
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

describe('the networks of a stack', () => {
  const services: Stack['spec']['services'] = {
    web: { image: 'i', networks: [{ name: 'front' }, { name: 'back', aliases: ['w'] }] },
    db: { image: 'i', networks: [{ name: 'back' }, { name: 'other-default' }] },
    job: { image: 'i' },
    agent: { image: 'i', networkMode: 'host' },
  };
  const networks = { front: {}, back: { internal: true } };
  const shop = aStack(services, {}, networks);
  const stored = expand(shop).map(asStored);

  test('are made first, `default` among them, each with the stack as its owner and held while in use', () => {
    const steps = plan(look(shop, [], [], [])).steps.map(say);
    expect(steps.slice(0, 4)).toEqual([
      'CreateNetwork shop-default',
      'CreateNetwork shop-front',
      'CreateNetwork shop-back',
      'CreateService shop-web',
    ]);
    expect(expandNetworks(shop)[2]).toMatchObject({
      metadata: { ownerReferences: [{ uid: 'uid-shop' }], finalizers: ['orc.dev/network'] },
      spec: { internal: true },
    });
  });

  test('are named in its services by their objects; what the stack does not have is the namespace’s', () => {
    expect(stored.map(({ spec }) => spec.networks)).toEqual([
      [{ name: 'shop-front' }, { name: 'shop-back', aliases: ['w'] }],
      [{ name: 'shop-back' }, { name: 'other-default' }],
      [{ name: 'shop-default' }],
      undefined,
    ]);
  });

  test('are deleted when they leave the manifest, and made again once they are gone', () => {
    const without = aStack({ job: { image: 'i' } }, {}, { front: {} });
    const owned = expandNetworks(shop).map(asStored);
    const left = expand(without).map(asStored);
    expect(plan(look(without, left, left, owned)).steps.map(say)).toEqual(['DeleteNetwork shop-back']);
    const going = owned.map((network) =>
      network.metadata.name === 'shop-back'
        ? { ...network, metadata: { ...network.metadata, deletionTimestamp: testNow } }
        : network,
    );
    const waiting = plan(look(shop, stored, stored, going));
    expect(waiting).toEqual({ steps: [], conflicts: [], waiting: ['shop-back'] });
    const ready = stored.map((service) => ({
      ...service,
      status: { observedGeneration: 1, conditions: [aCondition('Ready')] },
    }));
    const names = ready.map(({ metadata }) => metadata.name);
    expect(summarize(shop, names, byName(ready), waiting).conditions[0]?.message).toBe(
      'network back: the one of that name is still being deleted',
    );
  });

  test('keep services off what is another’s by its name', () => {
    const foreign = {
      ...aNet('shop-back'),
      metadata: { ...aNet('shop-back').metadata, ownerReferences: [] },
    };
    const own = expandNetworks(shop)
      .map(asStored)
      .filter(({ metadata }) => metadata.name !== 'shop-back');
    const result = plan(look(shop, [], [], own, [...own, foreign]));
    expect(result.steps.map(say)).toEqual(['CreateService shop-job', 'CreateService shop-agent']);
    expect(result.conflicts).toEqual([
      'network back: the name shop-back belongs to Network/default/shop-back, which no stack owns',
    ]);
  });

  function aNet(name: string): Network {
    return { apiVersion: 'orc.dev/v1', kind: 'Network', metadata: { name, namespace: 'default' }, spec: {} };
  }
});
