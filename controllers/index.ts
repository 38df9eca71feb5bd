/**
 * The controllers: each keeps one thing true of the objects in the store, leads its own election and can run
 * alone. They never call each other; see README.md for the shape they share.
 */
import { sleep, systemClock, type Clock } from '../kit/clock.ts';
import { messageOf } from '../kit/errors.ts';
import type { Logger } from '../kit/log.ts';
import type { Store } from '../store/index.ts';
import { caController } from './ca/index.ts';
import { endpointsController } from './endpoints/index.ts';
import { gcController } from './gc/index.ts';
import { keysController } from './keys/index.ts';
import { networkController } from './network/index.ts';
import { nodesController } from './nodes/index.ts';
import { reachController } from './reach/index.ts';
import { replicasController } from './replicas/index.ts';
import { rolloutController } from './rollout/index.ts';
import { defaultTiming, type Controller, type Timing } from './runtime/controller.ts';
import { ControllerLoop } from './runtime/loop.ts';
import { newMetrics, type ControllerMetrics } from './runtime/metrics.ts';
import { Sightings, type Since } from './runtime/sightings.ts';
import { schedulerController } from './scheduler/index.ts';
import { stackController } from './stack/index.ts';

export type { ControllerMetrics } from './runtime/metrics.ts';
export { defaultTiming, type Timing } from './runtime/controller.ts';

const all: readonly (() => Controller)[] = [
  () => stackController,
  () => rolloutController,
  () => replicasController,
  () => schedulerController,
  () => nodesController,
  () => networkController,
  () => reachController,
  () => keysController,
  endpointsController,
  () => caController,
  () => gcController,
];

export const controllerNames: readonly string[] = all.map((make) => make().name);

export interface ControllersOptions {
  readonly store: Pick<Store, 'registry' | 'campaign' | 'since'>;
  readonly logger: Logger;
  /** Default: the system's. */
  readonly clock?: Clock;
  /** One per server; a newer process of the same identity takes over from an older one at once. */
  readonly identity: string;
  /** Names of the controllers to run; all when absent. */
  readonly only?: readonly string[];
  readonly timing?: Partial<Timing>;
  /** Seconds that a leader that vanished blocks the next one. */
  readonly leaseTtlSeconds?: number;
}

export interface Controllers {
  /** By controller name. Live numbers: read, never change them. */
  readonly metrics: Readonly<Record<string, ControllerMetrics>>;
  /** Ends the passes under way and hands over all leaderships. Idempotent. */
  close(): Promise<void>;
}

/** Starts campaigning for each controller and runs those that this process leads. Throws on an unknown name. */
export function startControllers(options: ControllersOptions): Controllers {
  const { store, clock = systemClock, only = controllerNames } = options;
  const unknown = only.filter((name) => !controllerNames.includes(name));
  if (unknown.length > 0) {
    throw new RangeError(`unknown controller ${unknown.join(', ')}; known are ${controllerNames.join(', ')}`);
  }
  const makers = all.filter((make) => only.includes(make().name));
  const metrics = Object.fromEntries(makers.map((make) => [make().name, newMetrics()]));
  const loops = new Set<ControllerLoop>();
  const sightings = new Sightings();
  const abort = new AbortController();

  const subscription = store.registry.cache.watch(undefined, undefined, {
    onChanges: (changes) => {
      for (const change of changes) sightings.onChange(change, clock.now());
      for (const loop of loops) for (const change of changes) loop.onChange(change);
    },
    onReset: () => {
      for (const loop of loops) loop.resync();
    },
  });
  const runs = makers.map((make) =>
    runWhileLeading(make, { ...options, clock, since: sightings.since }, metrics, loops, abort.signal),
  );
  return {
    metrics,
    async close() {
      subscription.close();
      abort.abort(new Error('controllers stop'));
      await Promise.all(runs);
    },
  };
}

/** Campaigns, runs the controller until the leadership ends, and campaigns again. Resolves once stopped. */
async function runWhileLeading(
  make: () => Controller,
  options: ControllersOptions & { readonly clock: Clock; readonly since: Since },
  metrics: Readonly<Record<string, ControllerMetrics>>,
  loops: Set<ControllerLoop>,
  stop: AbortSignal,
): Promise<void> {
  const { name } = make();
  const log = options.logger.child({ controller: name });
  const numbers = metrics[name] ?? newMetrics();
  while (!stop.aborted) {
    try {
      const leadership = await options.store.campaign(`controller-${name}`, {
        identity: options.identity,
        signal: stop,
        ...(options.leaseTtlSeconds === undefined ? {} : { ttlSeconds: options.leaseTtlSeconds }),
      });
      await lead(make(), leadership, { ...options, log, metrics: numbers, loops, stop });
      // Whoever took the leadership away is to have a chance to act before it is campaigned for again.
      await sleep(options.clock, 1_000, stop);
    } catch (error) {
      if (stop.aborted) return;
      log.warn({ err: messageOf(error) }, 'campaign failed; it is tried again');
      await sleep(options.clock, 1_000, stop).catch(() => undefined);
    }
  }
}

async function lead(
  controller: Controller,
  leadership: Awaited<ReturnType<Store['campaign']>>,
  options: ControllersOptions & {
    readonly clock: Clock;
    readonly since: Since;
    readonly log: Logger;
    readonly metrics: ControllerMetrics;
    readonly loops: Set<ControllerLoop>;
    readonly stop: AbortSignal;
  },
): Promise<void> {
  const { store, clock, log, metrics, loops, stop } = options;
  const { registry } = store;
  await registry.cache.sync();
  const fenced = new AbortController();
  const loop = new ControllerLoop({
    controller,
    registry,
    fence: leadership.fence,
    clock,
    log,
    metrics,
    timing: { ...defaultTiming, ...options.timing },
    since: options.since,
    storeSince: () => store.since(),
    onFenced: () => fenced.abort(),
  });
  loops.add(loop);
  metrics.leading = 1;
  log.debug('leading');
  loop.resync();
  try {
    await aborted(AbortSignal.any([leadership.lost, stop, fenced.signal]));
  } finally {
    loops.delete(loop);
    metrics.leading = 0;
    await loop.close();
    await leadership.resign();
  }
}

const aborted = (signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
