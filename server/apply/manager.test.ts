import { describe, expect, test } from '@jest/globals';
import { kindByName, type AnyKindDef } from '../../api-schemas/index.ts';
import { ApiError } from '../../kit/errors.ts';
import { FakeClock } from '../../kit/clock.ts';
import { writeBy } from '../resources/managed.ts';
import { lastAppliedAnnotation } from './last-applied.ts';
import { ownedPaths, trackApply, trackUpdate } from './manager.ts';
import { isObject, own, type JsonObject } from './value.ts';

const def = kindByName('Service') as unknown as AnyKindDef;
const clock = new FakeClock();
const by = (manager: string, subresource = ''): ReturnType<typeof writeBy> =>
  writeBy(def, manager, subresource, clock);
const service = (spec: JsonObject, metadata: JsonObject = {}): JsonObject => ({
  apiVersion: 'orc.dev/v1',
  kind: 'Service',
  metadata: { name: 'web', ...metadata },
  spec,
});
const entries = (object: JsonObject): readonly JsonObject[] => {
  const metadata = own(object, 'metadata');
  return (isObject(metadata) ? metadata['managedFields'] : []) as unknown as readonly JsonObject[];
};
const refusal = (work: () => unknown): ApiError => {
  try {
    work();
  } catch (error) {
    if (error instanceof ApiError) return error;
    throw error;
  }
  throw new Error('was not refused');
};

describe('managedFields', () => {
  test('what identifies an object is owned by nobody', () => {
    const made = trackUpdate(undefined, service({ image: 'a' }, { uid: 'u', labels: { x: 'y' } }), by('m'));
    expect(entries(made)[0]?.['fieldsV1']).toEqual({
      'f:metadata': { 'f:labels': { '.': {}, 'f:x': {} } },
      'f:spec': { '.': {}, 'f:image': {} },
    });
  });

  test('an update takes what it changes; the time moves only then', () => {
    const made = trackUpdate(undefined, service({ image: 'a', replicas: 1 }), by('one'));
    clock.advance(5000);
    const changed = trackUpdate(made, { ...made, spec: { image: 'b', replicas: 1 } }, by('two'));
    expect(ownedPaths(changed, 'two')).toEqual(['f:spec/f:image']);
    expect(ownedPaths(changed, 'one')).not.toContain('f:spec/f:image');
    const times = entries(changed).map((entry) => entry['time']);
    expect(times[0]).not.toBe(times[1]);
    const same = trackUpdate(changed, changed, by('three'));
    expect(entries(same)).toEqual(entries(changed));
  });

  test('a no-op apply changes nothing, not even a time', () => {
    const first = trackApply(undefined, service({ image: 'a' }), by('m'), false);
    clock.advance(5000);
    expect(trackApply(first, service({ image: 'a' }), by('m'), false)).toEqual(first);
  });

  test('a field dropped from the configuration leaves the object, unless another has it', () => {
    const one = trackApply(undefined, service({ image: 'a', hostname: 'h', user: 'u' }), by('one'), false);
    const two = trackApply(one, service({ image: 'a', user: 'u' }), by('two'), false);
    const less = trackApply(two, service({ image: 'a' }), by('one'), false);
    expect(less['spec']).toEqual({ image: 'a', user: 'u' });
  });

  test('a conflict names manager and fields; update managers with their version', () => {
    const live = trackUpdate(undefined, service({ image: 'a', replicas: 1 }), by('kubectl-edit'));
    const error = refusal(() => trackApply(live, service({ image: 'b', replicas: 2 }), by('ci'), false));
    expect(error).toMatchObject({
      code: 409,
      message:
        'Apply failed with 2 conflicts: conflicts with "kubectl-edit" using orc.dev/v1:\n- .spec.image\n- .spec.replicas',
    });
    expect(error.details?.causes).toHaveLength(2);
    expect(trackApply(live, service({ image: 'b', replicas: 2 }), by('ci'), true)['spec']).toEqual({
      image: 'b',
      replicas: 2,
    });
  });

  test('lists are merged by key, with the key completed from the defaults', () => {
    const one = trackApply(undefined, service({ image: 'a', ports: [{ target: 80 }] }), by('one'), false);
    const two = trackApply(
      one,
      service({ image: 'a', ports: [{ target: 81, protocol: 'udp' }] }),
      by('two'),
      false,
    );
    expect(two['spec']).toMatchObject({
      ports: expect.arrayContaining([{ target: 80 }, { target: 81, protocol: 'udp' }]),
    });
  });

  test('what nobody tracks yet belongs to before-first-apply', () => {
    const live = service({ image: 'a', replicas: 3 });
    expect(entries(trackUpdate(live, { ...live, spec: { image: 'b' } }, by('m'))) ?? []).toEqual([]);
    const error = refusal(() => trackApply(live, service({ image: 'b' }), by('m'), false));
    expect(error.message).toContain('conflict with "before-first-apply"');
  });

  test('kubectl takes over what its client-side apply had set', () => {
    const manifest = service({ image: 'a' });
    const annotated = service(
      { image: 'a' },
      { annotations: { [lastAppliedAnnotation]: JSON.stringify(manifest) } },
    );
    const live = trackUpdate(undefined, annotated, by('kubectl-client-side-apply'));
    const applied = trackApply(live, service({ image: 'b' }), by('kubectl'), false);
    expect(applied['spec']).toEqual({ image: 'b' });
    expect(JSON.stringify(applied)).toContain('\\"image\\":\\"b\\"');
    expect(refusal(() => trackApply(live, service({ image: 'b' }), by('other'), false)).code).toBe(409);
    const broken = trackUpdate(
      undefined,
      service({ image: 'a' }, { annotations: { [lastAppliedAnnotation]: `${'['.repeat(1000)}` } }),
      by('x'),
    );
    expect(refusal(() => trackApply(broken, service({ image: 'b' }), by('kubectl'), false)).code).toBe(409);
  });

  test('of more than ten update managers the oldest are merged', () => {
    let live = trackUpdate(undefined, service({ image: 'a' }), by('m0'));
    for (let i = 1; i <= 15; i++) {
      clock.advance(1000);
      const labels = Object.fromEntries(Array.from({ length: i }, (_, n) => [`l${n}`, 'x']));
      live = trackUpdate(
        live,
        { ...live, metadata: { ...(live['metadata'] as JsonObject), labels } },
        by(`m${i}`),
      );
    }
    const managers = entries(live).map((entry) => entry['manager']);
    expect(managers).toHaveLength(10);
    expect(managers).toContain('ancient-changes');
    expect(managers).toContain('m15');
  });

  test('status and the rest do not own each other', () => {
    const live = trackUpdate(undefined, service({ image: 'a' }), by('m'));
    const reported = trackUpdate(live, { ...live, status: { ready: 1 } }, by('ctl', 'status'));
    expect(ownedPaths(reported, 'ctl')).toEqual(['f:status', 'f:status/f:ready']);
    expect(ownedPaths(trackUpdate(live, { ...live, status: { ready: 1 } }, by('n')), 'n')).toEqual([]);
  });

  test('a request may reset the managers', () => {
    const live = trackUpdate(undefined, service({ image: 'a' }), by('m'));
    const reset = trackUpdate(live, service({ image: 'a' }, { managedFields: [] }), by('m'));
    expect(entries(reset)).toBeUndefined();
  });

  test('items that cannot be told apart are refused with their path', () => {
    const error = refusal(() =>
      trackApply(
        undefined,
        service({ image: 'a', ports: [{ published: 1 }, { target: 1 }, { target: 1 }] }),
        by('m'),
        false,
      ),
    );
    expect(error.code).toBe(422);
  });
});
