/** A rotation in a cluster in memory whose machines crash, come back or stay away at random: the laws of the plan. */
import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import type { ClusterCa, ManagerPki, NodeCertificate } from '../../api-schemas/index.ts';
import { aCondition, aNode } from '../runtime/testing.ts';
import { plan } from './plan.ts';
import { A, at, seen } from './testing.ts';

interface Machine {
  isUp: boolean;
  wasAway: boolean;
  awaySince: number;
}
interface Manager extends Machine {
  pki: ManagerPki;
}
interface Worker extends Machine {
  certificate: NodeCertificate;
}

const notAfter = '2040-01-01T00:00:00Z';
const machine = { isUp: true, wasAway: false, awaySince: 0 };

class World {
  seconds = 0;
  ca: ClusterCa | undefined;
  readonly managers = new Map<string, Manager>();
  readonly workers = new Map<string, Worker>();
  #made = 0;
  #leader = { offset: 0, since: -100 };

  constructor(managers: number, workers: number) {
    for (let n = 1; n <= managers; n++)
      this.managers.set(`m${n}`, { ...machine, pki: { issuer: A, trust: [A] } });
    for (let n = 1; n <= workers; n++)
      this.workers.set(`w${n}`, { ...machine, certificate: { issuer: A, trust: [A], notAfter } });
  }

  isSkipped = (id: string): boolean => this.ca?.skipped.includes(id) ?? false;

  /** One that is up, and with whom those that were not skipped talk: an etcd without peers keeps no Lease. */
  alive(): readonly string[] {
    const up = [...this.managers].filter(([, { isUp }]) => isUp);
    const good = up.filter(([name]) => !this.isSkipped(`manager ${name}`));
    return up
      .filter(([name, { pki }]) => good.some(([other, one]) => other === name || agree(pki, one.pki)))
      .map(([name]) => name);
  }

  /** A manager through which the node has its session. */
  serverOf({ isUp, certificate }: Worker, pick = 0): ManagerPki | undefined {
    const open = this.alive()
      .map((name) => this.managers.get(name)?.pki)
      .filter((pki) => pki !== undefined && agree(pki, certificate));
    return isUp ? open[pick % Math.max(1, open.length)] : undefined;
  }

  flip(one: Machine, isUp = !one.isUp): void {
    one.isUp = isUp;
  }

  /** Another server leads, with a clock of its own. */
  elect(offset: number): void {
    this.#leader = { offset, since: this.seconds + offset };
  }

  /** One pass of the controller, and its laws. */
  pass(): void {
    this.#noteAway();
    const before = this.ca;
    const alive = this.alive();
    const managers = Object.fromEntries([...this.managers].map(([name, { pki }]) => [name, pki]));
    const nodes = [...this.workers].map(([name, worker]) => {
      const lastTransitionTime = at(worker.awaySince + this.#leader.offset);
      const isOpen = this.serverOf(worker) !== undefined;
      const connected = aCondition('Connected', isOpen ? 'True' : 'False', { lastTransitionTime });
      return aNode(name, { status: { conditions: [connected], certificate: worker.certificate } });
    });
    const observed = seen({
      managers,
      alive,
      nodes,
      ...(before === undefined ? {} : { ca: before }),
      seconds: this.seconds + this.#leader.offset,
      watchingSince: this.#leader.since,
    });
    const { status, wakeAtMs } = plan(observed);
    this.ca = status;
    const wakeInMs = (wakeAtMs ?? observed.nowMs + 1) - observed.nowMs;
    if (wakeInMs <= 0 || wakeInMs > 120_000) throw new Error(`wakes in ${wakeInMs} ms`);
    this.#check(before, alive);
  }

  #noteAway(): void {
    const alive = this.alive();
    const note = (one: Machine, isHere: boolean): void => {
      if (isHere) one.awaySince = this.seconds;
      else one.wasAway = true;
    };
    for (const [name, one] of this.managers) note(one, alive.includes(name));
    for (const one of this.workers.values()) note(one, this.serverOf(one) !== undefined);
  }

  #check(before: ClusterCa | undefined, alive: readonly string[]): void {
    const { ca } = this;
    if (ca === undefined) return;
    const everyone = [
      ...[...this.managers].map(([name, one]) => ({
        id: `manager ${name}`,
        wasAway: one.wasAway,
        ...one.pki,
      })),
      ...[...this.workers].map(([name, one]) => ({
        id: `node ${name}`,
        wasAway: one.wasAway,
        ...one.certificate,
      })),
    ];
    const counted = everyone.filter(({ id }) => !this.isSkipped(id));
    // All that count understand each other, at every moment.
    const strangers = counted.filter((one) => counted.some((other) => !agree(one, other)));
    const skippedThere = everyone.filter(({ id, wasAway }) => !wasAway && this.isSkipped(id));
    const amiss = [...strangers, ...skippedThere].map(({ id }) => id);
    // Who has the turn, is there and is not done keeps it.
    const holder = before?.turn;
    const pki = this.managers.get(holder ?? '')?.pki;
    const isSame = before?.phase === ca.phase || ca.phase === 'Create';
    if (holder !== undefined && before !== undefined && pki !== undefined && isSame)
      if (alive.includes(holder) && !isDone(before, pki, true) && ca.turn !== holder)
        throw new Error(`the turn went from ${holder} to ${ca.turn ?? 'the nodes'}`);
    // A phase begins when the one before it is done.
    const previous = ({ Issue: 'Trust', Drop: 'Issue', Done: 'Drop' } as const)[ca.phase as 'Issue'];
    const isBegun = before?.phase !== ca.phase && previous !== undefined;
    const early = counted.filter(
      (one) => isBegun && !isDone({ ...ca, phase: previous }, one, one.id.startsWith('manager')),
    );
    if (amiss.length + early.length > 0)
      throw new Error(JSON.stringify({ before, ca, amiss, early, everyone }));
  }

  /** A manager does what its turn asks, if it can. */
  manage(name: string): void {
    const one = this.managers.get(name);
    const { ca } = this;
    if (one === undefined || ca?.turn !== name || !this.alive().includes(name)) return;
    const { pki } = one;
    const { from, to = '' } = ca;
    const hasKey = ({ next, issuer }: ManagerPki): boolean => next === to || issuer === to;
    if (ca.phase === 'Create' && pki.next === undefined)
      one.pki = { ...pki, next: String((this.#made += 1)).padStart(64, '0') };
    const offers = this.alive().some((other) => hasKey(this.managers.get(other)?.pki ?? pki));
    if (ca.phase === 'Trust' && offers) one.pki = { issuer: pki.issuer, trust: [from, to], next: to };
    if (ca.phase === 'Issue' && hasKey(pki)) one.pki = { issuer: to, trust: pki.trust };
    if (ca.phase === 'Drop' && pki.issuer === to) one.pki = { issuer: to, trust: [to] };
  }

  /** A node takes from a manager what the phase asks and that one has. */
  work(name: string, pick: number): void {
    const one = this.workers.get(name);
    const { ca } = this;
    const server = one === undefined ? undefined : this.serverOf(one, pick);
    if (one === undefined || server === undefined || ca?.to === undefined) return;
    const { issuer, trust } = one.certificate;
    const isTrust = ca.phase === 'Trust' && server.trust.includes(ca.to);
    const isDrop = ca.phase === 'Drop' && server.trust.join() === ca.to && issuer === ca.to;
    const isIssue = ca.phase === 'Issue' && server.issuer === ca.to && trust.includes(ca.to);
    one.certificate = {
      notAfter,
      issuer: isIssue ? ca.to : issuer,
      trust: isTrust || isDrop ? server.trust : trust,
    };
  }
}

interface Trusting {
  readonly issuer: string;
  readonly trust: readonly string[];
  readonly next?: string;
}

const agree = (a: Trusting, b: Trusting): boolean => a.trust.includes(b.issuer) && b.trust.includes(a.issuer);

function isDone({ phase, from, to = '' }: ClusterCa, one: Trusting, isManager: boolean): boolean {
  const hasKey = !isManager || one.next === to || one.issuer === to;
  if (phase === 'Create') return one.next !== undefined;
  if (phase === 'Trust') return [from, to].every((ca) => one.trust.includes(ca)) && hasKey;
  return one.issuer === to && (phase === 'Issue' || one.trust.join() === to);
}

type Disturbance = readonly [
  kind: 'manage' | 'work' | 'flipManager' | 'flipWorker' | 'time' | 'elect',
  n: number,
];

const disturbance: fc.Arbitrary<Disturbance> = fc.oneof(
  { weight: 12, arbitrary: fc.tuple(fc.constant('manage' as const), fc.nat(20)) },
  { weight: 12, arbitrary: fc.tuple(fc.constant('work' as const), fc.nat(60)) },
  { weight: 2, arbitrary: fc.tuple(fc.constant('flipManager' as const), fc.nat(20)) },
  { weight: 2, arbitrary: fc.tuple(fc.constant('flipWorker' as const), fc.nat(20)) },
  { weight: 3, arbitrary: fc.tuple(fc.constant('time' as const), fc.integer({ min: 1, max: 150 })) },
  { weight: 1, arbitrary: fc.tuple(fc.constant('elect' as const), fc.integer({ min: -900, max: 900 })) },
);

/** The first of each sort is never disturbed: it must come through whatever happens to the others. */
function disturb(world: World, [kind, n]: Disturbance): void {
  const managers = [...world.managers.keys()];
  const workers = [...world.workers.keys()];
  const any = <T>(all: readonly T[]): T | undefined => all[n % all.length];
  switch (kind) {
    case 'manage':
      return world.manage(world.ca?.turn ?? any(managers) ?? '');
    case 'work':
      return world.work(any(workers) ?? '', n >> 2);
    case 'flipManager': {
      const one = world.managers.get(any(managers.slice(1)) ?? '');
      return one === undefined ? undefined : world.flip(one);
    }
    case 'flipWorker': {
      const one = world.workers.get(any(workers.slice(1)) ?? '');
      return one === undefined ? undefined : world.flip(one);
    }
    case 'time':
      world.seconds += n;
      return;
    case 'elect':
      return world.elect(n);
  }
}

/** Everyone does its part from now on, but for those that stay away. */
function settle(world: World, gone: ReadonlySet<string>): void {
  for (const [name, one] of [...world.managers, ...world.workers]) world.flip(one, !gone.has(name));
  for (let round = 0; round < 400 && world.ca?.phase !== 'Done'; round++) {
    world.pass();
    world.manage(world.ca?.turn ?? '');
    world.pass();
    [...world.workers.keys()].forEach((name, i) => world.work(name, round + i));
    world.seconds += 10;
  }
}

test('a rotation ends and keeps its laws, whoever crashes, comes back, or never comes', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 4 }),
      fc.integer({ min: 1, max: 4 }),
      fc.array(disturbance, { minLength: 10, maxLength: 150 }),
      fc.boolean(),
      (managers, workers, story, hasGone) => {
        const world = new World(managers, workers);
        const gone = new Set(
          hasGone ? [managers > 1 ? `m${managers}` : '', workers > 1 ? `w${workers}` : ''] : [],
        );
        for (const [name, one] of [...world.managers, ...world.workers]) if (gone.has(name)) world.flip(one);
        for (const what of story) {
          const { seconds } = world;
          disturb(world, what);
          for (const [name, one] of [...world.managers, ...world.workers])
            if (gone.has(name)) world.flip(one, false);
          if (world.seconds === seconds || what[1] % 2 === 0) world.pass();
        }
        settle(world, gone);
        expect(world.ca).toMatchObject({ phase: 'Done', waitingFor: [] });
        for (const name of gone)
          if (world.managers.has(name)) expect(world.ca?.skipped).toContain(`manager ${name}`);
      },
    ),
    { numRuns: 500 },
  );
});
