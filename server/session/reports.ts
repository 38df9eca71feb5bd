import type { Task, TaskEvent, TaskReport, TaskState } from '../../api-schemas/index.ts';
import { backoffMs } from '../../kit/backoff.ts';
import { sleep, type Clock } from '../../kit/clock.ts';
import { isApiError, isNotFound, messageOf } from '../../kit/errors.ts';
import type { Logger } from '../../kit/log.ts';
import { nextTask, refusal } from './task-status.ts';
import type { GatewayOptions } from './types.ts';

interface Options extends Pick<GatewayOptions, 'registry' | 'recordEvent'> {
  readonly node: string;
  readonly clock: Clock;
  readonly log: Logger;
  /** Aborted when the session ends: the agent reports everything again in its next one. */
  readonly signal: AbortSignal;
}

/** The later report, which must not lose that an earlier one said `gone`. */
const carry = (earlier: TaskReport | undefined, later: TaskReport): TaskReport =>
  earlier?.gone === true ? { ...later, gone: true } : later;

/**
 * Writes what one node reports. Tasks are written all at once, so that the store groups them, but each task
 * by one write at a time, the latest report last. A write that fails is tried again until the session ends.
 */
export class Reports {
  readonly #options: Options;
  /** Per task uid: the report that waits for the write in flight. */
  readonly #writing = new Map<string, TaskReport | undefined>();
  readonly #reported = new Map<string, TaskState>();

  constructor(options: Options) {
    this.#options = options;
  }

  /** The state this node last reported of the task, in this session. */
  lastState(uid: string): TaskState | undefined {
    return this.#reported.get(uid);
  }

  forget(uid: string): void {
    this.#reported.delete(uid);
  }

  submit(tasks: readonly TaskReport[], events: readonly TaskEvent[]): void {
    for (const report of tasks) {
      this.#reported.set(report.uid, report.status.state);
      const busy = this.#writing.has(report.uid);
      this.#writing.set(report.uid, busy ? carry(this.#writing.get(report.uid), report) : undefined);
      if (!busy) void this.#write(report);
    }
    for (const event of events) this.#record(event);
  }

  #record({ namespace, name, uid, type, reason, message }: TaskEvent): void {
    const task = this.#options.registry.cache.get('Task', namespace, name);
    if (task === undefined || refusal(task, this.#options.node, { uid }) !== undefined) return;
    this.#options.recordEvent(task, { type, reason, message });
  }

  async #write(first: TaskReport): Promise<void> {
    const { signal } = this.#options;
    let report: TaskReport | undefined = first;
    for (let failures = 0; report !== undefined && !signal.aborted;) {
      const retry = await this.#once(report);
      failures = retry ? failures + 1 : 0;
      if (failures > 0) await this.#pause(failures);
      const later = this.#writing.get(first.uid);
      if (later !== undefined) this.#writing.set(first.uid, undefined);
      report = later === undefined ? (retry ? report : undefined) : retry ? carry(report, later) : later;
    }
    this.#writing.delete(first.uid);
  }

  /** True when it has to be tried again. */
  async #once(report: TaskReport): Promise<boolean> {
    const { registry, node, log } = this.#options;
    const { namespace, name } = report;
    const object = `Task/${namespace}/${name}`;
    try {
      await registry.modify<Task>(
        { kind: 'Task', namespace, name },
        (current) => {
          const why = refusal(current, node, report);
          if (why !== undefined)
            log.warn({ object, node, why }, 'Report refused: the task is not of this node');
          return nextTask(current, node, report);
        },
        { manager: 'orc-gateway' },
      );
      return false;
    } catch (error) {
      if (isNotFound(error)) return false;
      const hopeless =
        isApiError(error) && error.code >= 400 && error.code < 500 && ![409, 410, 429].includes(error.code);
      log.warn(
        { object, node, error: messageOf(error) },
        hopeless ? 'Report dropped' : 'Report not written yet',
      );
      return !hopeless;
    }
  }

  async #pause(failures: number): Promise<void> {
    const { clock, signal } = this.#options;
    const ms = backoffMs(failures, { baseMs: 50, maxMs: 5_000, random: Math.random });
    await sleep(clock, ms, signal).catch(() => undefined);
  }
}
