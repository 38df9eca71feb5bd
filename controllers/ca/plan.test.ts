import { describe, expect, test } from '@jest/globals';
import type { ClusterCa } from '../../api-schemas/index.ts';
import { plan } from './plan.ts';
import { A, B, at, pkis, seen, theNode, under, type Wish } from './testing.ts';

const made = (wish: Wish) => {
  const { status, events, wakeAtMs } = plan(seen(wish));
  const { waitingFor = [], skipped = [], phase, turn } = status ?? {};
  const again = plan(seen({ ...wish, ...(status === undefined ? {} : { ca: status }) }));
  // Its own word gives it nothing more to say.
  expect([again.status, again.events]).toEqual([status, []]);
  return {
    phase,
    turn,
    waitingFor,
    skipped,
    reasons: events.map(({ reason }) => reason),
    status,
    wakeAtMs,
    events,
  };
};

describe('a rotation begins', () => {
  test('when its number is higher than the last one’s, with the first manager in reach', () => {
    const result = made({ managers: { n1: 'old', n2: 'old', n3: 'old' }, alive: ['n2', 'n3'], rotation: 3 });
    expect(result).toMatchObject({
      phase: 'Create',
      turn: 'n2',
      waitingFor: ['manager n2'],
      reasons: ['CaCreate'],
    });
    expect(result.status).toMatchObject({
      rotation: 3,
      from: A,
      startedAt: at(0),
      since: at(0),
      skipped: [],
    });
    expect(result.status).not.toHaveProperty('to');
  });

  test.each([
    ['none is asked for', { rotation: 0, managers: { n1: 'old' } }],
    ['the last one was the one asked for', { managers: { n1: 'fresh' }, ca: under('Done') }],
    ['no manager says which CA it has', { managers: { n1: undefined } }],
  ] satisfies [string, Wish][])('not when %s', (_, wish) => {
    const { status, reasons } = made(wish);
    expect([status, reasons]).toEqual([(wish as Wish).ca, []]);
  });

  test('only after the one that is under way', () => {
    const managers = { n1: 'fresh' } as const;
    const { status } = plan(seen({ rotation: 7, managers, ca: under('Drop', { turn: 'n1' }) }));
    expect(status).toMatchObject({ rotation: 1, phase: 'Done', finishedAt: at(0) });
    const next = plan(seen({ rotation: 7, managers, ...(status === undefined ? {} : { ca: status }) }));
    expect(next.status).toMatchObject({ rotation: 7, phase: 'Create', from: B });
    expect(next.status).not.toHaveProperty('finishedAt');
  });

  test('from the CA that the others have, not from one that somebody kept who missed the last rotation', () => {
    const { status } = made({ rotation: 2, managers: { n1: 'old', n2: 'fresh' }, ca: under('Done') });
    expect(status).toMatchObject({ from: B, turn: 'n2' });
  });
});

describe('the new CA', () => {
  const managers = { n1: 'made', n2: 'old' } as const;

  test('is the one that the manager with the turn has at hand', () => {
    expect(made({ managers, ca: under('Create', { turn: 'n1' }) })).toMatchObject({
      phase: 'Trust',
      turn: 'n1',
      status: { to: B },
      waitingFor: ['manager n1', 'manager n2'],
      reasons: ['CaTrust'],
    });
  });

  test('is made by another one at once when that one is out of reach, even if it said that it has one', () => {
    expect(made({ managers, alive: ['n2'], ca: under('Create', { turn: 'n1' }) })).toMatchObject({
      phase: 'Create',
      turn: 'n2',
      waitingFor: ['manager n2'],
    });
  });

  test.each([
    ['before another one has it', { managers: { n1: 'both', n2: 'old' }, ca: under('Trust') }],
    ['with one that has it, but cannot go on', { managers: { n1: 'both', n2: 'made' }, ca: under('Issue') }],
    [
      'while the nodes are at it',
      { managers: { n1: 'both', n2: 'old' }, ca: under('Trust', { turn: 'n1' }) },
    ],
  ] satisfies [string, Wish][])('is made anew when those that had its key are given up %s', (_, wish) => {
    const lost = { ...wish, alive: ['n2'], nodes: [theNode('w', 'old'), theNode('v', 'both', false)] };
    // It went when the phase was long under way: it is waited for from then on.
    const gone = made({ ...lost, seconds: 500 });
    expect(gone).toMatchObject({ phase: wish.ca.phase, skipped: [], wakeAtMs: Date.parse(at(620)) });
    expect(gone.waitingFor[0]).toBe(
      'manager n1: no other can give the new CA, another one is made if it stays away',
    );
    const ca = gone.status ?? wish.ca;
    expect(made({ ...lost, ca, seconds: 619 })).toMatchObject({ status: ca, wakeAtMs: Date.parse(at(620)) });
    const over = plan(seen({ ...lost, ca, seconds: 620 }));
    expect(over.events[0]?.reason).toBe('CaStartedOver');
    expect(over.status?.to).toBe(wish.managers.n2 === 'made' ? B : undefined);
    const back = made({ ...lost, alive: ['n1', 'n2'], ca, seconds: 700 });
    expect(back).toMatchObject({ phase: wish.ca.phase, skipped: [] });
    expect(back.status?.since).toBe(at(700));
  });

  test.each([
    ['Issue', { n1: 'issues', n2: 'old' }],
    ['Issue', { n1: 'issues', n2: 'made', n3: undefined }],
    ['Drop', { n1: 'issues', n2: 'both' }],
    ['Drop', { n1: 'fresh', n2: 'old' }],
  ] satisfies [ClusterCa['phase'], Wish['managers']][])(
    'is waited for without end in %s when certificates are of it and nobody else can give it',
    (phase, managers) => {
      const skipped = ['manager n2', 'node w'];
      const nodes = [theNode('w', 'old', false), theNode('v', 'issues', false)];
      const result = made({ managers, nodes, alive: ['n2'], ca: under(phase, { skipped }), seconds: 99_999 });
      expect(result).toMatchObject({ phase, skipped, wakeAtMs: undefined, reasons: [] });
      expect(result.waitingFor[0]).toMatch(
        /^manager n1: no other can .* start orc there, .*`orc node rm n1`$/,
      );
      // Who removes it says that it is gone for good.
      const { n1: _, ...left } = managers;
      const { status: ca } = made({ managers: left, nodes, ca: under(phase, { skipped }), seconds: 99_999 });
      expect(ca?.waitingFor[0]).toMatch(
        /^a manager: none that is left can give the new CA, another one is made/,
      );
      const over = plan(
        seen({ managers: left, nodes, ...(ca === undefined ? {} : { ca }), seconds: 100_119 }),
      );
      expect(over.events.map(({ reason }) => reason)).toContain('CaStartedOver');
    },
  );
});

describe('the turn', () => {
  const ca = under('Issue', { turn: 'n1' });

  test('goes to the next when it is done, and begins the time anew', () => {
    const result = made({ managers: { n1: 'issues', n2: 'both', n3: 'both' }, ca, seconds: 50 });
    expect(result).toMatchObject({ turn: 'n2', waitingFor: ['manager n2', 'manager n3'], reasons: [] });
    expect(result.status?.since).toBe(at(50));
  });

  test('stays with a manager that is in reach, however long it takes', () => {
    expect(made({ managers: { n1: 'both', n2: 'both' }, ca, seconds: 9999 })).toMatchObject({
      turn: 'n1',
      skipped: [],
      wakeAtMs: undefined,
    });
  });

  test('passes to the next while who had it is out of reach, and does not come back before that one is done', () => {
    const managers = { n1: 'both', n2: 'both' } as const;
    const away = made({ managers, alive: ['n2'], ca, seconds: 1 });
    expect(away).toMatchObject({ turn: 'n2', waitingFor: ['manager n1', 'manager n2'], skipped: [] });
    expect(away.wakeAtMs).toBe(Date.parse(at(120)));
    const back = made({ managers, ca: under('Issue', { turn: 'n2' }), seconds: 2 });
    expect(back.turn).toBe('n2');
    expect(made({ managers: { n1: 'both', n2: 'issues' }, ca: under('Issue', { turn: 'n2' }) }).turn).toBe(
      'n1',
    );
  });

  test('is with nobody else when the only one left is out of reach: that is waited for, then skipped', () => {
    const wish = {
      managers: { n1: 'both', n2: 'issues' },
      alive: ['n2'],
      ca,
      nodes: [theNode('w', 'both')],
    } as const;
    expect(made({ ...wish, seconds: 119 })).toMatchObject({ turn: 'n1', waitingFor: ['manager n1'] });
    const result = made({ ...wish, seconds: 120 });
    expect(result).toMatchObject({ turn: undefined, waitingFor: ['node w'], skipped: ['manager n1'] });
    expect(result.status?.since).toBe(at(120));
    expect(result.events[0]).toMatchObject({ type: 'Warning', reason: 'CaSkipped' });
    expect(result.events[0]?.message).toMatch(/manager n1 was out of reach for 2m.*`orc join`/);
  });

  test('comes to one that was skipped and is back while the nodes are at it, if it can still follow', () => {
    const skipped = ['manager n1'];
    const nodes = [theNode('w', 'both')];
    const back = { ca: under('Issue', { skipped }), nodes, seconds: 5 };
    const able = made({ ...back, managers: { n1: 'both', n2: 'issues' } });
    expect(able).toMatchObject({ turn: 'n1', waitingFor: ['manager n1', 'node w'], skipped });
    expect(able.status?.since).toBe(at(0));
    expect(made({ ...back, managers: { n1: 'old', n2: 'issues' } })).toMatchObject({
      turn: undefined,
      skipped,
    });
    expect(
      made({
        ...back,
        ca: under('Issue', { skipped, turn: 'n1' }),
        managers: { n1: 'issues', n2: 'issues' },
      }),
    ).toMatchObject({ turn: undefined, waitingFor: ['node w'], skipped: [] });
  });

  test('is over for a manager that was removed', () => {
    expect(made({ managers: { n2: 'both' }, ca }).turn).toBe('n2');
  });
});

describe('the nodes', () => {
  const managers = { n1: 'both' } as const;
  const ca = under('Trust', { turn: 'n1' });

  test('are at it all at once when the managers are done', () => {
    const nodes = [theNode('w1', 'old'), theNode('w2', 'both'), theNode('w3', 'old')];
    expect(made({ managers, ca, nodes, seconds: 60 })).toMatchObject({
      phase: 'Trust',
      turn: undefined,
      waitingFor: ['node w1', 'node w3'],
      status: { since: at(60) },
    });
  });

  test('that are out of reach are waited for from when they went, and then skipped, with the remedy', () => {
    const nodes = [theNode('w1', 'old', false), theNode('w2', 'old')];
    const trust = { managers, ca: under('Trust', { since: at(-500) }), nodes, wait: '10s' };
    expect(made({ ...trust, seconds: 9 })).toMatchObject({ skipped: [], wakeAtMs: Date.parse(at(10)) });
    const result = made({ ...trust, seconds: 10 });
    expect(result).toMatchObject({ waitingFor: ['node w2'], skipped: ['node w1'], wakeAtMs: undefined });
    expect(result.events[0]?.message).toMatch(/node w1 was out of reach for 10s.*`orc join`/);
  });

  test('are skipped with the manager of their machine, though their agents are connected elsewhere', () => {
    const wish = {
      managers: { n1: 'issues', n2: 'both' },
      alive: ['n1'],
      ca: under('Issue', { turn: 'n2' }),
      nodes: [theNode('n1', 'both'), theNode('n2', 'both')],
    } as const;
    expect(made({ ...wish, seconds: 119 }).waitingFor).toEqual([
      'manager n2: its agent runs, but not its server; start that',
    ]);
    const gone = made({ ...wish, seconds: 120 });
    expect(gone).toMatchObject({ waitingFor: ['node n1'], skipped: ['node n2', 'manager n2'] });
    expect(gone.events.map(({ message }) => message)).toEqual([
      expect.stringMatching(/manager n2 was out of reach.*first stop orc there/),
    ]);
    // In the next phase it may be lacking, though it was not in this one.
    const next = {
      ...wish,
      nodes: [theNode('n1', 'issues'), theNode('n2', 'issues')],
      managers: { n1: 'fresh', n2: 'both' },
      ca: under('Drop', { skipped: ['manager n2'] }),
    } as const;
    expect(made(next)).toMatchObject({ waitingFor: ['node n1'], skipped: ['manager n2', 'node n2'] });
  });

  test('are not skipped for a time in which nobody could have seen them', () => {
    const nodes = [theNode('w1', 'old', false)];
    const trust = { managers, ca: under('Trust'), nodes, watchingSince: 1000 };
    expect(made({ ...trust, seconds: 1119 })).toMatchObject({ skipped: [] });
    expect(made({ ...trust, seconds: 1120 })).toMatchObject({ skipped: ['node w1'] });
  });

  test('wait no longer for a phase whose beginning is in the future by our clock', () => {
    const nodes = [theNode('w1', 'old', false)];
    const result = made({ managers, ca: under('Trust', { since: at(3600) }), nodes });
    expect(result.status?.since).toBe(at(0));
    expect(result.wakeAtMs).toBe(Date.parse(at(120)));
  });

  test('of an older orc are waited for without end, and it is said why', () => {
    const result = made({ managers, ca: under('Trust'), nodes: [theNode('w', undefined)], seconds: 99_999 });
    expect(result.skipped).toEqual([]);
    expect(result.waitingFor[0]).toMatch(/^node w: its orc is older.*update it/);
  });

  test('that were skipped stay so in later phases, until they have done what is asked', () => {
    const skipped = ['node w1', 'node w2', 'node gone'];
    const nodes = [theNode('w1', 'old', false), theNode('w2', 'issues')];
    expect(
      made({ managers: { n1: 'both' }, ca: under('Issue', { turn: 'n1', skipped }), nodes }),
    ).toMatchObject({
      phase: 'Issue',
      turn: 'n1',
      skipped: ['node w1'],
    });
  });
});

describe('the phases', () => {
  test('follow each other when all have done what each asks', () => {
    const phases = (['made', 'both', 'issues', 'fresh'] as const).map((pki) =>
      made({
        managers: { n1: pki, n2: pki },
        nodes: [theNode('w', pki)],
        ca: under('Create', { turn: 'n1' }),
      }),
    );
    expect(phases.map(({ phase }) => phase)).toEqual(['Trust', 'Issue', 'Create', 'Create']);
  });

  test('are over when the last node is done', () => {
    const nodes = [theNode('w', 'fresh')];
    const managers = { n1: 'fresh', n2: 'fresh' } as const;
    const result = made({ managers, nodes, ca: under('Drop'), seconds: 9 });
    expect(result).toMatchObject({ phase: 'Done', turn: undefined, waitingFor: [], reasons: ['CaDone'] });
    expect(result.status).toMatchObject({ finishedAt: at(9), to: B });
  });

  test('leave behind who was skipped, until it has joined again', () => {
    const done = { managers: { n1: 'fresh' }, ca: under('Done', { skipped: ['node w'] }) } as const;
    expect(made({ ...done, nodes: [theNode('w', 'old', false)] }).status).toBe(done.ca);
    expect(made({ ...done, nodes: [theNode('w', 'fresh')] }).skipped).toEqual([]);
  });

  test('are gone through by a manager whose trust names more CAs than the two', () => {
    const more = { ...pkis.both, trust: [A, 'cc'.repeat(32), B] };
    expect(made({ managers: { n1: more }, ca: under('Trust', { turn: 'n1' }) }).phase).toBe('Issue');
  });
});
