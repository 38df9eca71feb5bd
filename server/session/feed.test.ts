import { describe, expect, test } from '@jest/globals';
import type { Obj, Revision, Task, ToAgent } from '../../api-schemas/index.ts';
import type { Cache } from '../../store/types.ts';
import { concernsNode, Feed, keyOf } from './feed.ts';

type Assignments = Extract<ToAgent, { type: 'assignments' }>;

/** As much of a cache as a feed reads. */
class Objects {
  readonly #all = new Map<string, Obj>();

  put(...objects: Obj[]): void {
    for (const object of objects) this.#all.set(`${object.kind}/${keyOf(object)}`, object);
  }

  drop(object: Obj): void {
    this.#all.delete(`${object.kind}/${keyOf(object)}`);
  }

  get cache(): Cache {
    const of = (kind: string): Obj[] => [...this.#all.values()].filter((object) => object.kind === kind);
    const cache = {
      get: (kind: string, namespace: string, name: string) => this.#all.get(`${kind}/${namespace}/${name}`),
      list: of,
      by: (kind: string, _index: string, value: string) =>
        of(kind).filter((object) => (object as Task).spec.nodeName === value),
    };
    return cache as unknown as Cache;
  }
}

const task = (name: string, more: { nodeName?: string; revision?: string } = {}): Task => ({
  apiVersion: 'orc.dev/v1',
  kind: 'Task',
  metadata: { name, namespace: 'd', uid: `uid-${name}`, generation: 1 },
  spec: {
    service: 's',
    revision: more.revision ?? 'r1',
    nodeName: more.nodeName ?? 'n',
    desiredState: 'Running',
  },
  status: { state: 'Assigned' },
});
const revision = (name: string): Revision => ({
  apiVersion: 'orc.dev/v1',
  kind: 'Revision',
  metadata: { name, namespace: 'd' },
  spec: { service: 's', number: 1, template: { image: 'i' }, replicas: 1 },
});

const next = (feed: Feed): string | undefined => {
  const text = feed.next();
  if (text === undefined) return undefined;
  const frame = JSON.parse(text) as Assignments;
  const list = (objects: readonly Obj[]): string => objects.map(({ metadata }) => metadata.name).join();
  const set = `${list(frame.set.tasks)}|${list(frame.set.revisions)}`;
  return frame.full
    ? `${String(frame.seq)} full ${set}`
    : `${String(frame.seq)} ${set} -${frame.remove.tasks.join()}|${frame.remove.revisions.join()}`;
};

describe('a feed', () => {
  test('begins with all, and sends a revision once for all tasks that need it', () => {
    const objects = new Objects();
    objects.put(task('a'), task('b'), task('c', { nodeName: 'other' }), revision('r1'), revision('r2'));
    const feed = new Feed('n', objects.cache);
    expect(next(feed)).toBe('1 full a,b|r1');
    expect(next(feed)).toBeUndefined();
    objects.put(task('e'), task('f', { revision: 'r2' }));
    feed.markTask('d/e');
    feed.markTask('d/f');
    expect(next(feed)).toBe('2 e,f|r2 -|');
  });

  test('takes a revision away with its last task', () => {
    const objects = new Objects();
    const [a, b] = [task('a'), task('b')];
    objects.put(a, b, revision('r1'));
    const feed = new Feed('n', objects.cache);
    next(feed);
    objects.drop(a);
    feed.markTask('d/a');
    expect(next(feed)).toBe('2 | -d/a|');
    objects.drop(b);
    feed.markTask('d/b');
    expect(next(feed)).toBe('3 | -d/b|d/r1');
  });

  test('says nothing of what came and went unseen, and the newest of what changed often', () => {
    const objects = new Objects();
    const feed = new Feed('n', objects.cache);
    next(feed);
    feed.markTask('d/gone');
    expect(feed.dirty).toBe(true);
    expect(next(feed)).toBeUndefined();
    expect(feed.dirty).toBe(false);
  });

  test('sends a task again when its revision comes later', () => {
    const objects = new Objects();
    objects.put(task('a'));
    const feed = new Feed('n', objects.cache);
    expect(next(feed)).toBe('1 full a|');
    objects.put(revision('r1'));
    expect(feed.markRevision('d/r1')).toBe(true);
    expect(next(feed)).toBe('2 a|r1 -|');
    expect(feed.markRevision('d/r1')).toBe(false);
  });
});

describe('a change of a task', () => {
  const old = task('a');
  const reported: Task = { ...old, status: { state: 'Running' } };

  test('concerns its node, unless the node said it itself', () => {
    expect(concernsNode(old, undefined, undefined)).toBe(true);
    expect(concernsNode(reported, old, 'Running')).toBe(false);
    expect(concernsNode({ ...old, status: { state: 'Orphaned' } }, reported, 'Running')).toBe(true);
    expect(
      concernsNode({ ...reported, status: { state: 'Running', message: 'm' } }, reported, undefined),
    ).toBe(false);
  });

  test('of what is wanted always concerns it', () => {
    const metadata = { ...old.metadata, generation: 2 };
    expect(concernsNode({ ...old, metadata }, old, 'Running')).toBe(true);
    const deleted = { ...old.metadata, deletionTimestamp: '2030-01-01T00:00:00Z' };
    expect(concernsNode({ ...old, metadata: deleted }, old, 'Running')).toBe(true);
  });
});
