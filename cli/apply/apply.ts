/** Applies checked objects in order, and says of each what became of it. */
import { isDeepStrictEqual } from 'node:util';
import type { Obj } from '../../api-schemas/index.ts';
import { waitFor, WaitTimeout } from '../../client/index.ts';
import type { Context } from '../command.ts';
import type { Connection } from '../connection.ts';
import { CliError } from '../errors.ts';
import { note, say } from '../io.ts';
import type { Item } from '../manifest/load.ts';
import { isDeleting, type Checked } from './check.ts';
import { applyOver, scaleWarning } from './take-over.ts';

export interface ApplyOptions {
  readonly force: boolean;
  /** For objects that are still being deleted. */
  readonly timeoutMs: number;
}

export type Verb = 'created' | 'configured' | 'unchanged';

export interface Applied {
  readonly item: Item;
  readonly object: Obj;
  readonly verb: Verb;
}

/** What apply did to an object. */
export function verbOf(before: Obj | undefined, after: Obj): Verb {
  if (before === undefined || before.metadata.uid !== after.metadata.uid) return 'created';
  return before.metadata.resourceVersion === after.metadata.resourceVersion ? 'unchanged' : 'configured';
}

/** What apply would do, from a dry run: its answer has the old resourceVersion. */
export function verbOfDryRun(before: Obj | undefined, wouldBe: Obj | undefined): Verb {
  if (before === undefined || wouldBe === undefined) return 'created';
  return isDeepStrictEqual(before, wouldBe) ? 'unchanged' : 'configured';
}

/** Stops at the first failure, and then says what was applied and what was not. */
export async function applyAll(
  context: Context,
  { client }: Connection,
  checked: readonly Checked[],
  options: ApplyOptions,
): Promise<readonly Applied[]> {
  const { io, signal } = context;
  const done: Applied[] = [];
  for (const { item, live } of checked) {
    try {
      if (isDeleting(live)) await waitUntilGone(context, client, item, live, options.timeoutMs);
      const { object, tookScale } = await applyOver(client, item.object, { force: options.force, signal });
      const verb = verbOf(isDeleting(live) ? undefined : live, object);
      done.push({ item, object, verb });
      say(io, `${item.label} ${verb}`);
      if (tookScale) note(io, scaleWarning(item, live, object));
    } catch (error) {
      const rest = checked.length - done.length - 1;
      if (rest > 0 && !signal.aborted)
        note(io, `${item.label} failed; ${String(rest)} after it ${rest === 1 ? 'was' : 'were'} not applied`);
      throw error;
    }
  }
  return done;
}

async function waitUntilGone(
  { io, signal }: Context,
  client: Connection['client'],
  { def, object, label }: Item,
  live: Obj | undefined,
  timeoutMs: number,
): Promise<void> {
  say(io, `${label} is being deleted: waiting until it is gone`);
  const ref = { namespace: object.metadata.namespace, name: object.metadata.name };
  try {
    await waitFor(client, def.kind, ref, (now) => now?.metadata.uid !== live?.metadata.uid, {
      timeoutMs,
      signal,
    });
  } catch (error) {
    if (!(error instanceof WaitTimeout)) throw error;
    throw new CliError(`${label} is still being deleted, so it was not applied`, {
      exitCode: 3,
      remedy: `\`orc describe ${label}\` says what holds it; then apply again`,
      cause: error,
    });
  }
}
