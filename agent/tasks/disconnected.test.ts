import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { Task } from '../../api-schemas/index.ts';
import type { Clock } from '../../kit/clock.ts';
import { overdue } from './disconnected.ts';
import { newEntry, type Entry } from './entry.ts';
import { Reach } from './reach.ts';

const entryOf = (name: string, stopOnClientAfter?: string): Entry => {
  const task: Task = {
    apiVersion: 'orc.dev/v1',
    kind: 'Task',
    metadata: { name, namespace: 'default', uid: name },
    spec: {
      service: 'web',
      revision: 'web-1',
      desiredState: 'Running',
      ...(stopOnClientAfter === undefined ? {} : { stopOnClientAfter }),
    },
  };
  return { ...newEntry(name, { status: { state: 'Running' } }), task };
};

describe('a node that reaches no server', () => {
  test('stops what asks for it when it is due, and looks again when the next one is', () => {
    const entries = [entryOf('a', '5s'), entryOf('b', '30s'), entryOf('c')];
    expect(overdue(entries, 0)).toEqual({ due: [], nextMs: 5_000 });
    const { due, nextMs } = overdue(entries, 5_000);
    expect(due.map(({ entry, failing }) => [entry.uid, failing.reason])).toEqual([['a', 'Disconnected']]);
    expect(nextMs).toBe(25_000);
    expect(overdue([entryOf('c')], 1e9)).toEqual({ due: [], nextMs: undefined });
  });
});

describe('the time without a server', () => {
  let dataDir: string;
  beforeAll(() => {
    dataDir = mkdtempSync(join(tmpdir(), 'orc-reach-'));
  });
  afterAll(() => rmSync(dataDir, { recursive: true, force: true }));

  const clockAt = (now: () => number): Clock => ({ now, after: () => () => undefined }) as unknown as Clock;

  test('does not follow the wall clock while the process lives', () => {
    let wall = 1_000_000;
    let mono = 50;
    const reach = new Reach({ clock: clockAt(() => wall), monotonic: () => mono });
    reach.found();
    wall += 600_000;
    expect(reach.outMs).toBe(0);
    reach.lost();
    mono += 2_000;
    wall -= 600_000;
    reach.lost();
    expect(reach.outMs).toBe(2_000);
    reach.found();
    expect(reach.outMs).toBe(0);
  });

  test('goes on over a restart from the last contact', () => {
    let wall = 1_000_000;
    const before = new Reach({ clock: clockAt(() => wall), monotonic: () => 0, dataDir });
    before.found();
    before.keep(() => true);
    before.close();
    wall += 7_000;
    const after = new Reach({ clock: clockAt(() => wall), monotonic: () => 0, dataDir });
    expect(after.outMs).toBe(7_000);
  });
});
