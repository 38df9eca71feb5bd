import { describe, expect, test } from '@jest/globals';
import type { TaskReport, TaskState, ToServer } from '../../api-schemas/index.ts';
import { FakeClock } from '../../kit/clock.ts';
import { Outbox } from './outbox.ts';

type Report = Extract<ToServer, { type: 'report' }>;
const report = (uid: string, state: TaskState, more: Partial<TaskReport> = {}): TaskReport => ({
  namespace: 'd',
  name: uid,
  uid,
  status: { state },
  ...more,
});
const event = (reason: string) =>
  ({ namespace: 'd', name: 't', uid: 't', type: 'Normal', reason, message: '' }) as const;
const states = (frames: Report[]): string[] =>
  frames.map(({ tasks }) => tasks.map(({ uid, status }) => `${uid}:${status.state}`).join());
const settle = (): Promise<void> => Promise.resolve();

describe('the outbox', () => {
  test('sends at once when idle, and a burst in few frames, the latest of each task', async () => {
    const clock = new FakeClock();
    const outbox = new Outbox(clock);
    const frames: Report[] = [];
    outbox.open((frame) => frames.push(frame));
    clock.advance(10);
    outbox.report(report('a', 'Accepted'));
    await settle();
    expect(states(frames)).toEqual(['a:Accepted']);
    outbox.report(report('a', 'Preparing'));
    outbox.report(report('b', 'Accepted'));
    outbox.report(report('a', 'Running'));
    await settle();
    expect(frames).toHaveLength(1);
    clock.advance(5);
    expect(states(frames)).toEqual(['a:Accepted', 'a:Running,b:Accepted']);
  });

  test('does not wait for a clock that was set back', async () => {
    const time = new FakeClock();
    let offsetMs = 600_000;
    const outbox = new Outbox({ now: () => time.now() + offsetMs, after: (ms, fn) => time.after(ms, fn) });
    const frames: Report[] = [];
    outbox.open((frame) => frames.push(frame));
    outbox.report(report('a', 'Accepted'));
    await settle();
    offsetMs = 0;
    outbox.report(report('a', 'Running'));
    await settle();
    time.advance(5);
    expect(states(frames)).toEqual(['a:Accepted', 'a:Running']);
  });

  test('begins a new session with the latest report of every task', async () => {
    const outbox = new Outbox(new FakeClock());
    outbox.report(report('a', 'Accepted'));
    outbox.report(report('b', 'Running'));
    outbox.open(() => undefined);
    outbox.close();
    outbox.report(report('a', 'Running'));
    const frames: Report[] = [];
    outbox.open((frame) => frames.push(frame));
    await settle();
    expect(states(frames)).toEqual(['a:Running,b:Running']);
  });

  test('forgets tasks that are no longer assigned here', () => {
    const outbox = new Outbox(new FakeClock());
    outbox.report(report('a', 'Running'));
    outbox.report(report('b', 'Running'));
    outbox.keep(new Set(['b']));
    const frames: Report[] = [];
    outbox.open((frame) => frames.push(frame));
    expect(states(frames)).toEqual(['b:Running']);
  });

  test('does not lose that a container is gone', () => {
    const outbox = new Outbox(new FakeClock());
    outbox.report(report('a', 'Shutdown', { gone: true }));
    outbox.report(report('a', 'Shutdown'));
    const frames: Report[] = [];
    outbox.open((frame) => frames.push(frame));
    expect(frames[0]?.tasks[0]?.gone).toBe(true);
  });

  test('keeps the newest thousand events while there is no session', () => {
    const outbox = new Outbox(new FakeClock());
    for (let i = 0; i < 1_500; i++) outbox.event(event(String(i)));
    const frames: Report[] = [];
    outbox.open((frame) => frames.push(frame));
    expect(frames[0]?.events).toHaveLength(1_000);
    expect(frames[0]?.events?.at(-1)?.reason).toBe('1499');
  });

  test('sends many reports in frames of a thousand', () => {
    const outbox = new Outbox(new FakeClock());
    for (let i = 0; i < 2_500; i++) outbox.report(report(String(i), 'Running'));
    const frames: Report[] = [];
    outbox.open((frame) => frames.push(frame));
    expect(frames.map(({ tasks }) => tasks.length)).toEqual([1_000, 1_000, 500]);
  });
});
