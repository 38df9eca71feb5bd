import type { Node, Revision, Service, Task } from '../../api-schemas/index.ts';
import { findCondition } from '../runtime/conditions.ts';
import { finalizer, isDeleting } from '../runtime/names.ts';
import { globalSlots, mayStay } from '../runtime/placement/slots.ts';
import { policyOf, type Policy } from '../runtime/policy.ts';
import {
  byRun,
  endedByItself,
  isFinished,
  isLive,
  isOnLostNode,
  isRunning,
  runOf,
  slotOf,
  stateOf,
} from '../runtime/tasks.ts';
import { afterEnd } from './restart.ts';
import { byLoss, bySlot, groupSlots, placesOf, type Slot } from './slots.ts';
import { newTask } from './task.ts';

export interface Observed {
  readonly service: Service;
  readonly revisions: readonly Revision[];
  readonly tasks: readonly Task[];
  readonly nodes: ReadonlyMap<string, Node>;
  /** Nodes that have not had the time to say what became of their tasks; none when absent. */
  readonly justBack?: ReadonlySet<string>;
  /** RFC 3339; only stamped on what is created, never decided upon. */
  readonly now: string;
}

export type Step =
  | { readonly kind: 'CreateTask'; readonly task: Task }
  /** The container stops and stays for its logs. */
  | { readonly kind: 'RetireTask'; readonly task: Task }
  | { readonly kind: 'DeleteTask'; readonly task: Task }
  /** The service's wish about losing the node changed. */
  | { readonly kind: 'SetStopOnClient'; readonly task: Task; readonly after: string | undefined }
  /** Its node is no more: nobody else can take the finalizer off. */
  | { readonly kind: 'ForgetTask'; readonly task: Task };

/**
 * Returns the steps that give each revision the number of slots it should have, and each of those slots one
 * task that runs where it may. A slot has two live tasks of one revision only while one replaces the other: on
 * a lost node, or on one it is to leave.
 */
export function plan(observed: Observed): Step[] {
  return new Planner(observed).run();
}

/** The working state of one call of `plan`; nothing of it outlives the call. */
class Planner {
  readonly #in: Observed;
  readonly #policy: Policy;
  readonly #steps: Step[] = [];
  readonly #ending = new Set<Task>();
  /** Newest task of each slot over all revisions. */
  readonly #newest = new Map<string, Task>();
  /** Highest run given out in this pass, by slot: two revisions may open one slot at once. */
  readonly #runs = new Map<string, number>();
  /** Ended tasks that still speak for their slot: given up, or done. */
  readonly #holders = new Set<Task>();
  readonly #claimed = new Map<string, number>();
  readonly #eligible: ReadonlySet<string> | undefined;
  /** Slots without a ready task, those that are given up in this pass included. */
  #unready = 0;

  constructor(observed: Observed) {
    this.#in = observed;
    this.#policy = policyOf(observed.service);
    for (const task of observed.tasks) {
      const key = slotOf(task);
      const other = this.#newest.get(key);
      if (other === undefined || runOf(other) < runOf(task)) this.#newest.set(key, task);
    }
    this.#eligible =
      this.#policy.mode === 'global'
        ? new Set(globalSlots(this.#policy, observed.nodes, observed.tasks))
        : undefined;
  }

  run(): Step[] {
    const { tasks, nodes, revisions } = this.#in;
    const placeOf = placesOf(nodes, (node) => mayStay(this.#policy, node));
    const groups = groupSlots(tasks, placeOf, nodes);
    const byNumber = revisions.toSorted((a, b) => b.spec.number - a.spec.number);
    const names = new Set(byNumber.map((revision) => revision.metadata.name));
    const served = new Set<string>();
    const victims: Slot[] = [];

    for (const revision of byNumber) {
      const slots = [...(groups.get(revision.metadata.name)?.values() ?? [])].filter((slot) => slot.claimed);
      const kept = this.#choose(revision, slots, served, victims);
      const missing = Math.max(0, revision.spec.replicas - kept.length);
      this.#unready += missing + kept.filter((slot) => !slot.ready).length;
      for (const slot of kept) this.#maintain(revision, slot);
      for (const slot of kept) if (slot.ready) served.add(slot.key);
    }
    for (const [name, slots] of groups) {
      if (!names.has(name)) victims.push(...[...slots.values()].filter((slot) => slot.claimed));
    }
    for (const slot of victims) this.#giveUp(slot);
    this.#trim();
    this.#tellWish();
    this.#forget();
    return this.#steps;
  }

  /** Returns the claimed slots that the revision keeps; opens those it lacks, and hands over those too many. */
  #choose(revision: Revision, slots: readonly Slot[], served: ReadonlySet<string>, victims: Slot[]): Slot[] {
    const { replicas } = revision.spec;
    const candidates = slots.filter((slot) => this.#mayHold(slot));
    const outOfReach = slots.filter((slot) => !this.#mayHold(slot) && this.#isGlobalLost(slot));
    victims.push(...slots.filter((slot) => !this.#mayHold(slot) && !this.#isGlobalLost(slot)));

    const excess = Math.max(0, candidates.length - replicas - this.#justBackIn(candidates));
    const sorted = excess === 0 ? candidates : candidates.toSorted(byLoss(served));
    victims.push(...sorted.slice(0, excess));
    const kept = sorted.slice(excess).sort((a, b) => bySlot(a.key, b.key));
    for (const slot of [...kept, ...outOfReach]) this.#claim(slot.key);

    const missing = replicas - candidates.length;
    if (missing > 0) this.#open(revision, missing, new Set(slots.map((slot) => slot.key)));
    return kept;
  }

  /**
   * Slots of a global service whose node has only just come back. They are eligible again before the revision's count
   * has followed: no healthy task elsewhere goes for that.
   */
  #justBackIn(slots: readonly Slot[]): number {
    if (this.#eligible === undefined) return 0;
    return slots.filter(({ key }) => this.#in.justBack?.has(key)).length;
  }

  /** Opens slots for the revision: those without any live task first, then the lowest. */
  #open(revision: Revision, count: number, own: ReadonlySet<string>): void {
    const all =
      this.#eligible === undefined
        ? Array.from({ length: this.#policy.replicas }, (_, i) => String(i + 1))
        : [...this.#eligible];
    const free = all.filter((key) => !own.has(key));
    const busy = new Set(this.#in.tasks.filter((task) => !isFinished(task)).map(slotOf));
    const order = [...free.filter((key) => !busy.has(key)), ...free.filter((key) => busy.has(key))];
    for (const key of order.slice(0, count)) {
      this.#claim(key);
      this.#create(revision, key, 0);
    }
  }

  #maintain(revision: Revision, slot: Slot): void {
    const good = slot.live.filter(({ place }) => place === 'good').map(({ task }) => task);
    const leaving = slot.live.filter(({ place }) => place === 'leaving').map(({ task }) => task);
    const lost = slot.live.filter(({ place }) => place === 'lost').map(({ task }) => task);
    const keep = this.#best(good);

    if (keep !== undefined) {
      if (this.#awaitsNews(good)) return;
      for (const task of good) if (task !== keep) this.#retire(task);
      const over = [...leaving, ...lost.filter((task) => !this.#mayComeBack(task))];
      if (isRunning(keep)) for (const task of over) this.#retire(task);
      else this.#letGo(leaving, fitsNowhere(keep) && this.#mayLeave(slot));
      return;
    }
    if (lost.length > 0 && !this.#policy.disconnect.replace) return;
    const beside = leaving.length > 0 || lost.length > 0;
    if (beside && this.#eligible !== undefined) return;
    const stopsFirst = leaving.length > 0 && this.#policy.order === 'stop-first';
    if (stopsFirst && !this.#mayLeave(slot)) return;
    this.#letGo(leaving, stopsFirst);
    if (beside && !endedByItself(slot.latest)) {
      this.#create(revision, slot.key, 0);
      return;
    }
    const next = afterEnd(slot.latest, this.#policy);
    switch (next.kind) {
      case 'restart':
        this.#create(revision, slot.key, next.restarts, next.delayMs);
        return;
      case 'done':
      case 'gaveUp':
        this.#holders.add(slot.latest);
        return;
    }
  }

  /**
   * Ends tasks that are to leave their node. One that does not run yet is not kept until its replacement runs: it serves
   * nobody, would be started where nothing is to start, and what hinders it (an image that is missing, say) may hinder
   * its replacement as well, for ever.
   */
  #letGo(leaving: readonly Task[], alsoRunning: boolean): void {
    for (const task of leaving) if (alsoRunning || !isRunning(task)) this.#retire(task);
  }

  /** Whether the slot may be without a ready task, because its task has to leave its node; counts it if so. */
  #mayLeave({ ready }: Slot): boolean {
    if (!ready) return true;
    if (this.#unready >= this.#policy.maxUnavailable) return false;
    this.#unready += 1;
    return true;
  }

  /** Who of the two stays is decided when its node is back; a node that was removed does not come back. */
  #mayComeBack({ spec: { nodeName = '' } }: Task): boolean {
    return this.#policy.disconnect.reconcile !== 'keepReplacement' && this.#in.nodes.has(nodeName);
  }

  /** Of two that run, one may have ended with its node, which has not said so yet: none is given up for it. */
  #awaitsNews(good: readonly Task[]): boolean {
    const isJustBack = ({ spec: { nodeName = '' } }: Task): boolean =>
      this.#in.justBack?.has(nodeName) === true;
    return good.filter(isRunning).length > 1 && good.some(isJustBack);
  }

  /** Of several that may stay, the one that does: a node has come back, say, and its task was replaced. */
  #best(good: readonly Task[]): Task | undefined {
    const running = good.filter(isRunning);
    const byAge = (a: Task, b: Task): number => startOf(a) - startOf(b);
    switch (this.#policy.disconnect.reconcile) {
      case 'keepReplacement':
        return running.at(-1) ?? good[0];
      case 'keepOriginal':
        return running[0] ?? good[0];
      case 'longestRunning':
        return running.toSorted(byAge)[0] ?? good[0];
      case 'bestScore':
        return running.toSorted((a, b) => this.#crowd(a) - this.#crowd(b) || byAge(a, b))[0] ?? good[0];
    }
  }

  /** How many live tasks of the service are on the task's node. */
  #crowd({ spec: { nodeName } }: Task): number {
    return this.#in.tasks.filter((task) => isLive(task) && task.spec.nodeName === nodeName).length;
  }

  #tellWish(): void {
    const after = this.#policy.disconnect.stopOnClientAfter;
    for (const task of this.#in.tasks) {
      if (!isLive(task) || this.#ending.has(task) || task.spec.stopOnClientAfter === after) continue;
      this.#steps.push({ kind: 'SetStopOnClient', task, after });
    }
  }

  /** A slot that the service no longer has loses its tasks and their history; else they stop and stay. */
  #giveUp(slot: Slot): void {
    for (const { task } of slot.live) {
      if (this.#isGone(slot.key)) this.#delete(task);
      else this.#retire(task);
    }
  }

  #trim(): void {
    const ended = new Map<string, Task[]>();
    for (const task of this.#in.tasks) {
      const over = isFinished(task) || task.spec.desiredState === 'Shutdown';
      if (!over || isDeleting(task) || this.#ending.has(task) || this.#holders.has(task)) continue;
      const key = slotOf(task);
      if (this.#isGone(key)) this.#delete(task);
      else if (isFinished(task)) ended.set(key, [...(ended.get(key) ?? []), task]);
    }
    for (const tasks of ended.values()) {
      if (tasks.length <= this.#policy.taskHistoryLimit) continue;
      const old = tasks.toSorted(byRun).slice(0, tasks.length - this.#policy.taskHistoryLimit);
      for (const task of old) this.#delete(task);
    }
  }

  /** What is to go away from a node that does not exist goes at once. */
  #forget(): void {
    for (const task of this.#in.tasks) {
      const { nodeName } = task.spec;
      if (nodeName === undefined || this.#in.nodes.has(nodeName)) continue;
      const held = task.metadata.finalizers?.includes(finalizer.container) ?? false;
      const going = isDeleting(task) || task.spec.desiredState === 'Shutdown' || this.#ending.has(task);
      if (!held || !going) continue;
      const planned = this.#steps.findIndex((step) => step.task === task);
      if (planned >= 0) this.#steps.splice(planned, 1);
      this.#steps.push({ kind: 'ForgetTask', task });
    }
  }

  #mayHold(slot: Slot): boolean {
    return this.#eligible === undefined || this.#eligible.has(slot.key);
  }

  /** A global service's task on a lost node waits for the node: there is no other place for it. */
  #isGlobalLost(slot: Slot): boolean {
    return (
      this.#eligible !== undefined &&
      slot.live.some(({ place }) => place === 'lost') &&
      this.#in.nodes.has(slot.key)
    );
  }

  #isGone(key: string): boolean {
    if (this.#claimed.has(key)) return false;
    if (this.#eligible !== undefined) return !this.#in.nodes.has(key);
    return Number(key) > this.#policy.replicas || this.#claimed.size >= this.#policy.replicas;
  }

  #claim(key: string): void {
    this.#claimed.set(key, (this.#claimed.get(key) ?? 0) + 1);
  }

  #create(revision: Revision, slot: string, restarts: number, delayMs = 0): void {
    if (this.#policy.singleton && this.#mayRunYet()) return;
    const before = this.#newest.get(slot);
    const run = (this.#runs.get(slot) ?? (before === undefined ? 0 : runOf(before))) + 1;
    this.#runs.set(slot, run);
    const task = newTask({
      service: this.#in.service,
      revision,
      slot,
      isGlobal: this.#eligible !== undefined,
      previous: before,
      run,
      restarts,
      stopOnClientAfter: this.#policy.disconnect.stopOnClientAfter,
      restartCondition: this.#policy.restart.condition,
      now: this.#in.now,
      ...(delayMs === 0 ? {} : { notBefore: new Date(Date.parse(this.#in.now) + delayMs).toISOString() }),
    });
    this.#steps.push({ kind: 'CreateTask', task });
  }

  /** Some task of the service may still run: not ended, and not on a node that has stopped it by now. */
  #mayRunYet(): boolean {
    const { tasks, nodes } = this.#in;
    return tasks.some((task) => !isFinished(task) && !isOnLostNode(task, nodes));
  }

  #retire(task: Task): void {
    this.#ending.add(task);
    if (task.spec.nodeName === undefined) this.#steps.push({ kind: 'DeleteTask', task });
    else this.#steps.push({ kind: 'RetireTask', task });
  }

  #delete(task: Task): void {
    this.#ending.add(task);
    this.#steps.push({ kind: 'DeleteTask', task });
  }
}

const startOf = ({ status }: Task): number => Date.parse(status?.startedAt ?? '') || Number.MAX_SAFE_INTEGER;

/** Whether the scheduler has tried and found no node. */
const fitsNowhere = (task: Task): boolean =>
  stateOf(task) === 'Pending' && findCondition(task.status?.conditions, 'Scheduled')?.status === 'False';
