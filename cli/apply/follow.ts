/** `apply --watch`: keeps the cluster as the files say while they change on disk. */
import { watch as watchFiles } from 'chokidar';
import type { Context, ExitCode } from '../command.ts';
import type { Connection } from '../connection.ts';
import { usageError } from '../errors.ts';
import { note, say } from '../io.ts';
import { load, type Item, type Loaded } from '../manifest/load.ts';
import { readSources, type Source } from '../manifest/sources.ts';
import { paletteFor } from '../output/color.ts';
import { renderError } from '../output/errors.ts';
import { isWaitable, targetOf } from '../wait/target.ts';
import { waitForTargets } from '../wait/wait.ts';
import { applyAll } from './apply.ts';
import { checkAll, problemsError } from './check.ts';
import { diffItems, type Known } from './known.ts';

export interface FollowOptions {
  readonly paths: readonly string[];
  readonly recursive: boolean;
  readonly force: boolean;
  readonly wait: boolean;
  readonly timeoutMs: number;
  readonly prune: boolean;
}

/** A file counts as written when it has not changed for this long. */
const settleMs = 200;

/**
 * Applies, then again after each change, until interrupted. What does not parse or is refused is reported, and
 * the last good state stays. What left the files is only reported, unless `prune`.
 */
export async function followFiles(
  context: Context,
  connection: Connection,
  options: FollowOptions,
): Promise<ExitCode> {
  if (options.paths.some((path) => path === '-' || /^https?:/.test(path))) {
    throw usageError('--watch follows files and directories only');
  }
  const changes = changeSignal(context.signal);
  const watcher = watchFiles([...options.paths], {
    ignoreInitial: true,
    awaitWriteFinish: { stabilityThreshold: settleMs, pollInterval: 50 },
    ...(options.recursive ? {} : { depth: 0 }),
  });
  watcher.on('all', () => changes.notify());
  watcher.on('error', (error) => report(context, error));
  await new Promise<void>((resolve) => watcher.once('ready', () => resolve()));
  let known: Known = new Map();
  try {
    while (!context.signal.aborted) {
      const changed = changes.next();
      known = await pass(context, connection, options, known, changed);
      if (context.signal.aborted) break;
      await aborted(changed);
      await pause(context, settleMs / 2);
    }
  } finally {
    await watcher.close();
  }
  return 130;
}

/** One look at the files. Returns what is now applied. */
async function pass(
  context: Context,
  connection: Connection,
  options: FollowOptions,
  known: Known,
  changed: AbortSignal,
): Promise<Known> {
  const { io, signal, flags } = context;
  try {
    const sources = await readSources(options.paths, {
      recursive: options.recursive,
      stdin: io.stdin,
      signal,
    });
    const loaded = load(sources, connection.namespace, flags.namespace !== undefined);
    if (loaded.problems.length > 0) throw problemsError(loaded.problems);
    return await converge(context, connection, options, known, { loaded, sources, changed });
  } catch (error) {
    if (signal.aborted) return known;
    report(context, error);
    if (known.size > 0) note(io, 'the last good state stays; waiting for the next change');
    return known;
  }
}

interface Look {
  readonly loaded: Loaded;
  readonly sources: readonly Source[];
  readonly changed: AbortSignal;
}

async function converge(
  context: Context,
  connection: Connection,
  options: FollowOptions,
  known: Known,
  look: Look,
): Promise<Known> {
  const { io, signal } = context;
  const { news, left, next } = diffItems(
    known,
    look.loaded,
    look.sources.map((s) => s.name),
  );
  for (const name of look.loaded.empty) note(io, `${name} holds no object: left as it was`);
  const checked = await checkAll(connection.client, news, { force: options.force, signal });
  const applied = await applyAll(context, connection, checked, options);
  const kept = new Map(next);
  for (const item of left) {
    if (options.prune) await prune(context, connection, item);
    else
      note(
        io,
        `${item.label} is no longer in the files, and stays in the cluster: \`orc delete ${item.label}\` deletes it`,
      );
    kept.delete(item.key);
  }
  if (news.length === 0 && known.size > 0 && left.length === 0) return kept;
  const targets = applied
    .map((a) => a.object)
    .filter(isWaitable)
    .map((o) => targetOf(o, connection.namespace));
  if (options.wait) {
    const either = AbortSignal.any([signal, look.changed]);
    await waitForTargets({ ...context, signal: either }, connection, targets, {
      timeoutMs: options.timeoutMs,
      what: '',
      quiet: true,
    });
  }
  if (!signal.aborted) say(io, 'watching for changes; Ctrl-C ends it');
  return kept;
}

async function prune(
  { io, signal }: Context,
  { client }: Connection,
  { def, object, label }: Item,
): Promise<void> {
  const ref = { namespace: object.metadata.namespace, name: object.metadata.name };
  await client.delete(def.kind, ref, { propagation: 'Foreground', signal });
  say(io, `${label} deleted (no longer in the files)`);
}

function report({ io }: Context, error: unknown): void {
  for (const line of renderError(error, paletteFor(io.color && io.stderrTty))) note(io, line);
}

interface ChangeSignal {
  notify(): void;
  /** Aborted at the next change, or by the end of it all. */
  next(): AbortSignal;
}

function changeSignal(end: AbortSignal): ChangeSignal {
  let current = new AbortController();
  return {
    notify: () => current.abort(),
    next: () => {
      current = new AbortController();
      return AbortSignal.any([end, current.signal]);
    },
  };
}

const aborted = (signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });

const pause = ({ clock }: Context, ms: number): Promise<void> =>
  new Promise((resolve) => {
    clock.after(ms, resolve);
  });
