import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { Service } from '../api-schemas/index.ts';
import { openTestRegistry, type TestRegistry } from './testing.ts';

const service = (name: string, spec: Partial<Service['spec']> = {}): Service => ({
  apiVersion: 'orc.dev/v1',
  kind: 'Service',
  metadata: { name, namespace: 'default' },
  spec: { image: 'web', ...spec },
});
const ref = (name: string) => ({ kind: 'Service', namespace: 'default', name }) as const;

describe('the registry', () => {
  let store: TestRegistry;
  beforeAll(async () => {
    store = await openTestRegistry();
  });
  afterAll(() => store.close());

  test('fills what identifies a created object, and shows it at once in the cache', async () => {
    const web = await store.registry.create(service('web'));
    expect(web.metadata).toMatchObject({ name: 'web', generation: 1 });
    expect(web.metadata.uid).toMatch(/^[0-9a-f-]{36}$/);
    expect(web.metadata.resourceVersion).toBe(String(store.cache.revision));
    expect(store.cache.get('Service', 'default', 'web')).toBe(web);
    await expect(store.registry.create(service('web'))).rejects.toMatchObject({
      code: 409,
      reason: 'AlreadyExists',
      message: 'services.orc.dev "web" already exists',
      details: { name: 'web', group: 'orc.dev', kind: 'services' },
    });
  });

  test('raises the generation with the spec, not with the status, and writes nothing when nothing changes', async () => {
    const made = await store.registry.create(service('gen'));
    const scaled = await store.registry.update({ ...made, spec: { ...made.spec, replicas: 3 } });
    expect(scaled.metadata.generation).toBe(2);
    const reported = await store.registry.update({ ...scaled, status: { ready: 1 } });
    expect(reported.metadata).toMatchObject({ generation: 2, uid: made.metadata.uid });
    const same = await store.registry.update({ ...reported, spec: { replicas: 3, image: 'web' } });
    expect(same).toBe(reported);
  });

  test('refuses an update of an old version, or of what is not there', async () => {
    const made = await store.registry.create(service('old'));
    await store.registry.update({ ...made, spec: { image: 'new' } });
    await expect(store.registry.update({ ...made, spec: { image: 'newer' } })).rejects.toMatchObject({
      code: 409,
      reason: 'Conflict',
      message:
        'Operation cannot be fulfilled on services.orc.dev "old": the object has been modified; please apply your changes to the latest version and try again',
    });
    await expect(
      store.registry.update({ ...made, metadata: { ...made.metadata, name: 'none' } }),
    ).rejects.toMatchObject({
      code: 404,
      message: 'services.orc.dev "none" not found',
    });
    await expect(store.registry.update(service('old'))).rejects.toMatchObject({ code: 422 });
  });

  test('loses no change when many modify one object', async () => {
    await store.registry.create(service('count', { replicas: 0 }));
    const add = () =>
      store.registry.modify<Service>(ref('count'), (s) => ({
        ...s,
        spec: { ...s.spec, replicas: (s.spec.replicas ?? 0) + 1 },
      }));
    await Promise.all(Array.from({ length: 5 }, add));
    expect(store.cache.get('Service', 'default', 'count')?.spec.replicas).toBe(5);
  });

  test('keeps a deleted object until its last finalizer is gone', async () => {
    const made = await store.registry.create<Service>({
      ...service('held'),
      metadata: { name: 'held', namespace: 'default', finalizers: ['a', 'b'] },
    });
    const marked = await store.registry.remove(ref('held'));
    expect(marked?.metadata.deletionTimestamp).toBeDefined();
    expect(await store.registry.remove(ref('held'))).toBe(marked);
    await expect(store.registry.create(service('held'))).rejects.toThrow(/being deleted/);
    await expect(
      store.registry.modify<Service>(ref('held'), (s) => ({
        ...s,
        metadata: { ...s.metadata, finalizers: ['c'] },
      })),
    ).rejects.toMatchObject({ code: 422 });
    await store.registry.modify<Service>(ref('held'), (s) => ({
      ...s,
      metadata: { ...s.metadata, finalizers: ['b'] },
    }));
    expect(store.cache.get('Service', 'default', 'held')?.metadata.uid).toBe(made.metadata.uid);
    await store.registry.modify<Service>(ref('held'), (s) => ({
      ...s,
      metadata: { ...s.metadata, finalizers: [] },
    }));
    expect(store.cache.get('Service', 'default', 'held')).toBeUndefined();
  });

  test('deletes only the object that was meant', async () => {
    const made = await store.registry.create(service('meant'));
    await expect(store.registry.remove(ref('meant'), { uid: 'other' })).rejects.toMatchObject({ code: 409 });
    await expect(store.registry.remove(ref('meant'), { resourceVersion: '1' })).rejects.toMatchObject({
      code: 409,
    });
    const uid = made.metadata.uid ?? '';
    const foreground = await store.registry.remove(ref('meant'), { uid, propagation: 'Foreground' });
    expect(foreground?.metadata.finalizers).toEqual(['foregroundDeletion']);
    expect(await store.registry.remove(ref('meant'), { propagation: 'Background' })).toBeUndefined();
    await expect(store.registry.remove(ref('meant'))).rejects.toMatchObject({ code: 404 });
  });

  test('sees what another process wrote before the call', async () => {
    const other = await store.another();
    for (let i = 0; i < 20; i++) {
      await other.registry.create(service(`other-${i}`));
      await store.cache.sync();
      expect(store.cache.get('Service', 'default', `other-${i}`)).toBeDefined();
    }
  });
});
