/** Waits until services and stacks have converged, showing how it goes. Watches; never polls. */
import type { Service, Stack, Task } from '../../api-schemas/index.ts';
import { startInformer, type Client, type Informer } from '../../client/index.ts';
import { ApiError } from '../../kit/errors.ts';
import type { Context, ExitCode } from '../command.ts';
import type { Connection } from '../connection.ts';
import { note, say } from '../io.ts';
import { humanDuration } from '../output/age.ts';
import { paletteFor } from '../output/color.ts';
import { renderChanges, renderProgress } from '../output/progress.ts';
import { redraw } from '../output/redraw.ts';
import type { TargetView } from './observe.ts';
import { viewTarget, type WaitTarget } from './target.ts';

export interface WaitOptions {
  readonly timeoutMs: number;
  /** Of the whole command, to say how to look later. */
  readonly what: string;
  /** An interruption needs no words. */
  readonly quiet?: boolean;
}

const redrawEveryMs = 80;
/** What has just converged must stay so this long: a task that ends at once is Running for a moment, too. */
const steadyMs = 1000;

/** 0: all converged. 1: one failed, was deleted, or was changed by another write. 3: the time is up. 130: interrupted; the work goes on. */
export async function waitForTargets(
  context: Context,
  { client }: Connection,
  targets: readonly WaitTarget[],
  { timeoutMs, what, quiet = false }: WaitOptions,
): Promise<ExitCode> {
  if (targets.length === 0) return 0;
  const { io, clock, signal } = context;
  const began = clock.now();
  const screen = screenOf(context, began);
  let wake: () => void = () => undefined;
  const observer = observe(client, targets, () => wake());
  let timedOut = timeoutMs === 0;
  const cancelTimer = clock.after(timeoutMs, () => {
    timedOut = true;
    wake();
  });
  const onAbort = (): void => wake();
  signal.addEventListener('abort', onAbort, { once: true });
  try {
    await Promise.race([observer.synced, aborted(signal)]);
    let convergedAt: number | undefined;
    for (let isFirst = true; ; isFirst = false) {
      const views = signal.aborted ? [] : observer.views();
      if (!signal.aborted) screen.show(views);
      const hasConverged = views.every((v) => v.outcome === 'converged');
      if (!hasConverged) convergedAt = undefined;
      // What was so from the start has nothing to prove.
      else convergedAt ??= isFirst ? -Infinity : clock.now();
      const steadyIn = convergedAt === undefined ? 0 : convergedAt + steadyMs - clock.now();
      const finished =
        steadyIn > 0 && !signal.aborted && !timedOut ? undefined : finish(views, signal.aborted, timedOut);
      if (finished !== undefined) {
        screen.end();
        if (!quiet || finished !== 130)
          for (const line of lastWords(finished, views, what, timeoutMs)) note(io, line);
        return finished;
      }
      await new Promise<void>((resolve) => {
        wake = resolve;
        const cancel = clock.after(steadyIn > 0 ? steadyIn : screen.live ? 1000 : 60_000, resolve);
        wake = () => {
          cancel();
          clock.after(redrawEveryMs, resolve);
        };
        if (signal.aborted || timedOut) resolve();
      });
    }
  } finally {
    cancelTimer();
    signal.removeEventListener('abort', onAbort);
    observer.stop();
    screen.end();
  }
}

const aborted = (signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });

function finish(views: readonly TargetView[], interrupted: boolean, timedOut: boolean): ExitCode | undefined {
  if (interrupted) return 130;
  if (views.every((v) => v.outcome === 'converged')) return 0;
  if (views.some((v) => v.outcome !== 'waiting' && v.outcome !== 'converged')) return 1;
  return timedOut ? 3 : undefined;
}

function lastWords(code: ExitCode, views: readonly TargetView[], what: string, timeoutMs: number): string[] {
  const open = views.filter((v) => v.outcome !== 'converged');
  const look = `hint: \`orc describe ${open[0]?.target ?? what}\` says more`;
  switch (code) {
    case 0:
      return [];
    case 130:
      return ['', `Interrupted: the operation continues in the cluster. Look with \`orc describe ${what}\`.`];
    case 3:
      return [
        `error: ${names(open)} not converged after ${humanDuration(timeoutMs)}; it goes on in the cluster`,
        look,
      ];
    default: {
      const bad = open.filter((v) => v.outcome !== 'waiting');
      return [...bad.map((v) => `error: ${v.target} ${fateOf(v)}`), look];
    }
  }
}

function fateOf({ outcome, why }: TargetView): string {
  switch (outcome) {
    case 'gone':
      return 'was deleted meanwhile';
    case 'superseded':
      return 'was changed meanwhile by another write: what this command wrote no longer holds';
    case 'failed':
      return `failed: ${why ?? 'see its conditions'}`;
    case 'waiting':
    case 'converged':
      return outcome;
  }
}

const names = (views: readonly TargetView[]): string => views.map((v) => v.target).join(', ');

interface Screen {
  /** Redrawn each second for its clock. */
  readonly live: boolean;
  show(views: readonly TargetView[]): void;
  end(): void;
}

function screenOf({ io, clock }: Context, began: number): Screen {
  if (!io.stdoutTty) {
    let before: readonly TargetView[] = [];
    return {
      live: false,
      show(views) {
        for (const line of renderChanges(before, views)) say(io, line);
        before = views;
      },
      end: () => undefined,
    };
  }
  const terminal = redraw(io.stdout);
  const palette = paletteFor(io.color);
  return {
    live: true,
    show: (views) =>
      terminal.draw(
        renderProgress(views, {
          columns: io.columns(),
          rows: io.rows(),
          elapsedMs: clock.now() - began,
          palette,
        }),
      ),
    end: () => terminal.end(),
  };
}

interface Observer {
  readonly synced: Promise<unknown>;
  views(): TargetView[];
  stop(): void;
}

function observe(client: Client, targets: readonly WaitTarget[], onChange: () => void): Observer {
  let refuse: (error: unknown) => void = () => undefined;
  const refused = new Promise<never>((_, reject) => {
    refuse = reject;
  });
  refused.catch(() => undefined);
  const handlers = {
    onChange,
    onError: (error: unknown) => {
      // The informer tries for ever; what the server refuses now it will refuse again.
      if (error instanceof ApiError && error.code < 429) refuse(error);
    },
  };
  const spaces = new Map<string, Space>();
  for (const namespace of new Set(targets.map((t) => t.namespace))) {
    const own = targets.filter((t) => t.namespace === namespace);
    spaces.set(namespace, {
      stacks: own.some((t) => t.kind === 'Stack')
        ? startInformer(client, 'Stack', { namespace }, handlers)
        : undefined,
      services: startInformer(client, 'Service', { namespace }, handlers),
      tasks: startInformer(client, 'Task', { namespace, labelSelector: tasksOf(own) }, handlers),
    });
  }
  const informers = [...spaces.values()]
    .flatMap((s) => [s.stacks, s.services, s.tasks])
    .filter((i) => i !== undefined);
  return {
    synced: Promise.race([refused, Promise.all(informers.map((i) => i.synced))]),
    views: () =>
      targets.map((target) => {
        const space = spaces.get(target.namespace);
        const source = target.kind === 'Stack' ? space?.stacks : space?.services;
        const object = source?.get(target.namespace, target.name);
        return viewTarget(target, object, space?.services.list() ?? [], space?.tasks.list() ?? []);
      }),
    stop: () => {
      for (const informer of informers) informer.stop();
    },
  };
}

interface Space {
  readonly stacks: Informer<Stack> | undefined;
  readonly services: Informer<Service>;
  readonly tasks: Informer<Task>;
}

/** The tasks of these targets only, where one selector can say it. */
function tasksOf(targets: readonly WaitTarget[]): string | undefined {
  const kinds = new Set(targets.map((t) => t.kind));
  if (kinds.size !== 1) return undefined;
  const key = kinds.has('Stack') ? 'orc.dev/stack' : 'orc.dev/service';
  return `${key} in (${targets.map((t) => t.name).join(',')})`;
}
