import { noAssignments, type AssignmentSet, type Task, type TaskStatus } from '../../api-schemas/index.ts';
import { RuntimeError, type ContainerExit, type ContainerState } from '../runtime/types.ts';
import type { PortProblem } from '../network/ingress/ports.ts';
import type { Checkpoint } from './checkpoint.ts';
import { overdue } from './disconnected.ts';
import {
  isServing,
  isWanted,
  newEntry,
  objectName,
  see,
  startingRecord,
  stopsAlone,
  viewOf,
  type Entry,
} from './entry.ts';
import { Limiter } from './limiter.ts';
import { plan } from './plan.ts';
import { furthest, isEnded, type TaskRecord } from './record.ts';
import { execute, inspect, say, type StepDeps } from './steps.ts';
import { withPublished } from './published.ts';
import type { Serving, TasksOptions } from './types.ts';

export type { Serving, TasksOptions } from './types.ts';

const leaveNetworksMs = 10_000;

/**
 * Converges the node's containers to its assignments. Level-triggered: any call only wakes the tasks concerned, and each
 * task's next step follows from what is wanted, what is there and what is remembered. One step at a time per task.
 */
export class Tasks {
  readonly #options: TasksOptions;
  readonly #deps: StepDeps;
  readonly #entries = new Map<string, Entry>();
  /** Containers of tasks that are not (yet) assigned, by task uid, as of the last list. */
  #strays = new Map<string, ContainerState>();
  #set: AssignmentSet = noAssignments;
  /** A server has said in this run what belongs here: what does not may go. */
  #told = false;
  #engineUp = false;
  #closed = false;
  /** Those that were not looked at since the engine came. */
  readonly #unseen = new Set<Entry>();
  #problems: readonly PortProblem[] = [];
  #cancelStops = (): void => undefined;
  #cancelLeave = (): void => undefined;
  readonly #unreported = new Set<Entry>();
  #flushing: NodeJS.Immediate | undefined;

  constructor(options: TasksOptions) {
    this.#options = options;
    this.#deps = {
      ...options,
      starts: new Limiter(options.maxStarts),
      remember: (entry, change) => this.#remember(entry, change),
      gone: (entry) => this.#sendReport(entry, true),
      drained: () => options.onServing(),
    };
  }

  /**
   * What had become of the containers was looked at since the engine came, and a server was told. Without a server it
   * cannot have been: what ended meanwhile may be started again alone first.
   */
  get settled(): boolean {
    const isReached = this.#options.reach?.isReached ?? true;
    return isReached && this.#engineUp && this.#told && this.#unseen.size === 0;
  }

  /** Goes on from the last checkpoint: call before anything else. */
  restore({ set, records }: Checkpoint): void {
    this.#assign(set, new Map(Object.entries(records)));
  }

  /** A session with a server began. */
  reached(): void {
    const { reach } = this.#options;
    if (reach === undefined || reach.isReached) return;
    reach.found();
    reach.keep(() => [...this.#entries.values()].some(stopsAlone));
    this.#cancelStops();
    // What ended meanwhile, and is not started again yet, is reported now.
    for (const entry of this.#entries.values()) {
      if (entry.container?.status !== 'exited') continue;
      if (this.#engineUp) this.#unseen.add(entry);
      this.#wake(entry);
    }
    if (this.settled) this.#options.onSettled?.();
  }

  /** No server is reached any more: what asks for it is stopped in time. Also to be called when none was yet. */
  unreached(): void {
    const { reach, clock, logger } = this.#options;
    if (reach === undefined || this.#closed) return;
    reach.lost();
    this.#cancelStops();
    const { due, nextMs } = overdue([...this.#entries.values()], reach.outMs);
    for (const { entry, failing } of due) {
      logger.warn({ object: objectName(entry) }, failing.message);
      this.#remember(entry, { failing });
      this.#wake(entry);
    }
    if (nextMs !== undefined) this.#cancelStops = clock.after(nextMs, () => this.unreached());
  }

  /** Takes the whole set of a server. Tasks that are not in it lose their containers. */
  assign(set: AssignmentSet): void {
    const first = !this.#told;
    this.#told = true;
    this.#assign(set, new Map());
    if (!first) return;
    this.#lookAtAll();
    this.#reportWhatIsNew();
    for (const stray of this.#strays.values()) this.#adoptStray(stray);
    this.#options.networks.keep(this.#networkUsers());
  }

  /** No node sends connections to these tasks (uids) any more, all of which are to stop. */
  left(uids: readonly string[]): void {
    for (const uid of uids) {
      const entry = this.#entries.get(uid);
      if (entry === undefined) continue;
      entry.hasLeft = true;
      this.#wake(entry);
    }
  }

  /** The engine is back (or there), with these containers: everything is looked at anew. */
  engineUp(containers: readonly ContainerState[]): void {
    this.#engineUp = true;
    this.#lookAtAll();
    this.resync(containers);
  }

  engineDown(): void {
    this.#engineUp = false;
    for (const entry of this.#entries.values()) {
      entry.abort?.abort(new Error('the engine went away'));
      // What it ends until it is back, it ends by itself.
      entry.endedOutside ||= entry.container?.status === 'running';
    }
  }

  /** Takes a list of all containers of the node. */
  resync(containers: readonly ContainerState[]): void {
    const byUID = new Map(containers.map((container) => [container.taskUID, container]));
    for (const entry of this.#entries.values()) {
      const seen = byUID.get(entry.uid);
      byUID.delete(entry.uid);
      // The list may be older than what a worker knows.
      if (entry.busy) entry.stale = true;
      else if (seen !== undefined) see(entry, seen);
      else if (entry.container) entry.container = undefined;
      if (seen?.status === 'running') entry.endedOutside = false;
      this.#wake(entry);
    }
    this.#strays = byUID;
    if (this.#told) for (const stray of byUID.values()) this.#adoptStray(stray);
  }

  #lookAtAll(): void {
    if (!this.#engineUp) return;
    for (const entry of this.#entries.values()) {
      this.#unseen.add(entry);
      this.#wake(entry);
    }
    if (this.settled) this.#options.onSettled?.();
  }

  #looked(entry: Entry): void {
    if (this.#engineUp && this.#unseen.delete(entry) && this.settled) this.#options.onSettled?.();
  }

  /** What happened while no server was there, before this process began. */
  #reportWhatIsNew(): void {
    for (const entry of this.#entries.values()) {
      const { task, record } = entry;
      if (task === undefined) continue;
      if (record.gone) this.#sendReport(entry, true);
      else if (task.status?.state !== record.status.state) this.#reportSoon(entry);
    }
  }

  /** Something happened to a task's container; `exit` is known when it ended. */
  containerChanged(uid: string, exit?: ContainerExit): void {
    const entry = this.#entries.get(uid);
    if (entry === undefined) return;
    if (exit !== undefined && entry.container) {
      const { pid: _pid, ...rest } = entry.container;
      const { stopped, ...how } = exit;
      entry.endedOutside ||= stopped;
      see(entry, { ...rest, ...how, status: 'exited', addresses: [], ports: [] });
    } else entry.stale = true;
    this.#wake(entry);
  }

  /** Tasks that take connections now. */
  serving(): readonly Serving[] {
    const found: Serving[] = [];
    for (const entry of this.#entries.values())
      if (isServing(entry) && entry.task && entry.container)
        found.push({ task: entry.task, container: entry.container });
    return found;
  }

  /** Tasks that have a container, with it. */
  attached(): readonly Serving[] {
    return [...this.#entries.values()].flatMap(({ task, container }) =>
      task && container ? [{ task, container }] : [],
    );
  }

  /** The task has ended, as far as is known here, and its container with it. */
  isOver(task: Task): boolean {
    const entry = this.#entries.get(task.metadata.uid ?? '');
    if (entry?.container?.status === 'running') return false;
    const status = entry === undefined ? task.status : furthest(entry.record.status, task.status);
    return status !== undefined && isEnded(status.state);
  }

  containerOf(uid: string): ContainerState | undefined {
    return this.#entries.get(uid)?.container ?? undefined;
  }

  /** Published ports that do not answer become a condition and an event of their service's tasks. */
  setPortProblems(problems: readonly PortProblem[]): void {
    this.#problems = problems;
    for (const entry of this.#entries.values()) {
      const { status } = entry.record;
      const changed = isWanted(entry) ? this.#withPublished(entry, status) : status;
      if (changed !== status) this.#remember(entry, { status: changed });
    }
  }

  /** The status with what is wrong with the service's published ports in it, said in an event when it is new. */
  #withPublished(entry: Entry, status: TaskStatus): TaskStatus {
    const { namespace = 'default' } = entry.task?.metadata ?? {};
    const own = this.#problems.filter(
      (problem) => problem.namespace === namespace && problem.service === entry.task?.spec.service,
    );
    const changed = withPublished(status, own, new Date(this.#options.clock.now()).toISOString());
    if (changed !== status && own[0] !== undefined)
      say(this.#deps, entry, 'Warning', own[0].reason, own[0].message);
    return changed;
  }

  /** Stops deciding; containers run on. Steps under way are left to end by themselves. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#cancelStops();
    this.#cancelLeave();
    this.#options.reach?.close();
    for (const entry of this.#entries.values()) {
      entry.cancelTimer?.();
      entry.abort?.abort(new Error('the agent ends'));
    }
    clearImmediate(this.#flushing);
    this.#flush();
    await this.#options.checkpoint?.flush();
  }

  #assign(set: AssignmentSet, remembered: ReadonlyMap<string, TaskRecord>): void {
    this.#set = set;
    const revisions = new Map(set.revisions.map((r) => [`${r.metadata.namespace}/${r.metadata.name}`, r]));
    const assigned = new Set<string>();
    for (const task of set.tasks) {
      const { uid = '', namespace } = task.metadata;
      assigned.add(uid);
      let entry = this.#entries.get(uid);
      if (entry === undefined) {
        entry = newEntry(uid, startingRecord(task, remembered.get(uid)));
        this.#entries.set(uid, entry);
        const stray = this.#strays.get(uid);
        if (stray !== undefined) see(entry, stray);
      }
      const revision = revisions.get(`${namespace}/${task.spec.revision}`) ?? entry.revision;
      if (entry.task === task && entry.revision === revision) continue;
      entry.task = task;
      entry.revision = revision;
      entry.record = { ...entry.record, status: furthest(entry.record.status, task.status) };
      this.#wake(entry);
    }
    for (const entry of this.#entries.values()) {
      if (entry.task === undefined || assigned.has(entry.uid)) continue;
      entry.task = undefined;
      this.#wake(entry);
    }
    void this.#options.onServing();
    this.#save();
  }

  #adoptStray(container: ContainerState): void {
    if (this.#entries.has(container.taskUID)) return;
    const entry = newEntry(container.taskUID, { status: { state: 'Orphaned' } });
    entry.container = container;
    this.#entries.set(entry.uid, entry);
    this.#options.logger.info(
      { container: container.id.slice(0, 12) },
      'removing a container that no task of this node owns',
    );
    this.#wake(entry);
  }

  #wake(entry: Entry): void {
    if (!isWanted(entry)) entry.abort?.abort(new Error('not wanted any more'));
    entry.again = true;
    if (!entry.busy) void this.#work(entry);
  }

  /** Steps until there is nothing to do. Never throws. */
  async #work(entry: Entry): Promise<void> {
    entry.busy = true;
    entry.cancelTimer?.();
    entry.cancelTimer = undefined;
    try {
      while (this.#engineUp && !this.#closed) {
        entry.again = false;
        if (entry.stale) await inspect(this.#deps, entry);
        const step = plan(viewOf(entry, this.#options.clock.now(), this.#options.reach?.outMs ?? 0));
        // It has no container; to get one may take long.
        if (step.kind === 'prepare') this.#looked(entry);
        if (step.kind !== 'wait') await execute(this.#deps, entry, step);
        else if (!entry.again) {
          this.#rest(entry, step.until);
          break;
        }
      }
    } catch (error) {
      this.#failed(entry, error);
    } finally {
      entry.busy = false;
      this.#options.onContainers?.();
      this.#looked(entry);
    }
  }

  #rest(entry: Entry, until: number | undefined): void {
    const { clock } = this.#options;
    if (until !== undefined) entry.cancelTimer = clock.after(until - clock.now(), () => this.#wake(entry));
    if (entry.task !== undefined || entry.container) return;
    this.#entries.delete(entry.uid);
    this.#strays.delete(entry.uid);
    this.#save();
    this.#options.networks.keep(this.#networkUsers());
  }

  #failed(entry: Entry, error: unknown): void {
    if (error instanceof RuntimeError && error.kind === 'EngineUnavailable') {
      entry.stale = true;
      return this.#options.onEngineDown(error);
    }
    const { clock, logger } = this.#options;
    // What the engine refused without a reason we know (e.g. a stop that it could not do) is tried again.
    logger.warn({ err: error, object: objectName(entry) }, 'a step of the task failed; trying again in 2 s');
    entry.stale = true;
    entry.cancelTimer = clock.after(2_000, () => this.#wake(entry));
  }

  #remember(entry: Entry, change: Partial<TaskRecord>): void {
    const before = entry.record.status;
    let status =
      change.status === undefined ? before : this.#stamped(before, this.#named(change.status, entry.task));
    if (status.state === 'Running' && before.state !== 'Running') status = this.#withPublished(entry, status);
    entry.record = { ...entry.record, ...change, status };
    this.#save();
    const moved = before.state !== status.state || change.failing !== undefined;
    if (moved && isEnded(status.state)) this.#leaveNetworksSoon();
    const serving = moved && (before.state === 'Running' || status.state === 'Running');
    const followed = serving ? this.#options.onServing() : undefined;
    if (change.status === undefined) return;
    // Who reads Running may connect.
    if (status.state === 'Running' && followed !== undefined)
      void followed.then(() => this.#reportSoon(entry));
    else this.#reportSoon(entry);
  }

  /** With the addresses by names of Networks, as others know them. */
  #named(status: TaskStatus, task: Task | undefined): TaskStatus {
    const { addresses } = status;
    return addresses === undefined
      ? status
      : { ...status, addresses: this.#options.networks.addressesOf({ addresses }, task) };
  }

  #stamped(before: TaskStatus, status: TaskStatus): TaskStatus {
    const same = before.state === status.state && before.since !== undefined;
    const since = same ? before.since : new Date(this.#options.clock.now()).toISOString();
    return { ...status, ...(since === undefined ? {} : { since }) };
  }

  #reportSoon(entry: Entry): void {
    this.#unreported.add(entry);
    this.#flushSoon();
  }

  /** States that follow each other at once are one report. */
  #flushSoon(): void {
    this.#flushing ??= setImmediate(() => this.#flush());
  }

  #flush(): void {
    this.#flushing = undefined;
    for (const entry of this.#unreported) this.#sendReport(entry, false);
    this.#unreported.clear();
  }

  #sendReport({ task, uid, record }: Entry, gone: boolean): void {
    if (task === undefined) return;
    const { name, namespace = '' } = task.metadata;
    this.#options.report({ namespace, name, uid, status: record.status, ...(gone ? { gone } : {}) });
  }

  #networkUsers(): readonly Task[] {
    return [...this.#entries.values()].flatMap(({ task }) =>
      task === undefined || this.isOver(task) ? [] : [task],
    );
  }

  /** What has ended needs no network; what takes its place may need the same one, which takes time to make. */
  #leaveNetworksSoon(): void {
    this.#cancelLeave();
    if (this.#closed) return;
    const leave = (): void => this.#options.networks.keep(this.#networkUsers());
    this.#cancelLeave = this.#options.clock.after(leaveNetworksMs, leave);
  }

  #save(): void {
    this.#options.checkpoint?.save(() => ({
      version: 1,
      set: this.#set,
      records: Object.fromEntries([...this.#entries.values()].map(({ uid, record }) => [uid, record])),
    }));
  }
}
