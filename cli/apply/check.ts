/** Decides whether a set of objects can be applied, before any of it is. */
import { formatProblem, type Obj, type Problem } from '../../api-schemas/index.ts';
import type { Client } from '../../client/index.ts';
import { ApiError, isNotFound } from '../../kit/errors.ts';
import { CliError } from '../errors.ts';
import { problemAt, type Item } from '../manifest/load.ts';
import { plain } from '../output/color.ts';
import { renderError } from '../output/errors.ts';
import { applyOver } from './take-over.ts';

export interface Checked {
  readonly item: Item;
  /** The object as it is in the cluster. */
  readonly live: Obj | undefined;
  /** What the server would make of it; absent where it cannot say yet. */
  readonly wouldBe: Obj | undefined;
  /** Replicas that `orc scale` set would be taken over. */
  readonly takesScale: boolean;
}

export interface CheckOptions {
  readonly force: boolean;
  readonly signal: AbortSignal;
}

const atOnce = 8;

/** Asks the server about every object without storing any. Throws one error with all that is refused. */
export async function checkAll(
  client: Client,
  items: readonly Item[],
  options: CheckOptions,
): Promise<readonly Checked[]> {
  const made = new Set(items.filter((i) => i.def.kind === 'Namespace').map((i) => i.object.metadata.name));
  const refused: { item: Item; error: ApiError }[] = [];
  const checked = await mapAtOnce(items, atOnce, async (item): Promise<Checked> => {
    const ref = { namespace: item.object.metadata.namespace, name: item.object.metadata.name };
    const live = await orNothing(client.get(item.def.kind, ref, options.signal));
    const result = { item, live, wouldBe: undefined, takesScale: false };
    // The server can decide only once the namespace is there, or the old object is gone.
    if (isDeleting(live) || (live === undefined && made.has(ref.namespace ?? ''))) return result;
    try {
      const { object, tookScale } = await applyOver(client, item.object, { ...options, dryRun: true });
      return { ...result, wouldBe: object, takesScale: tookScale };
    } catch (error) {
      if (!(error instanceof ApiError) || error.code >= 500 || error.code === 401) throw error;
      refused.push({ item, error });
      return result;
    }
  });
  if (refused.length > 0) throw refusal(refused, items.length);
  return checked;
}

export const isDeleting = (object: Obj | undefined): boolean =>
  object?.metadata.deletionTimestamp !== undefined;

const orNothing = (getting: Promise<Obj>): Promise<Obj | undefined> =>
  getting.catch((error: unknown) => {
    if (isNotFound(error)) return undefined;
    throw error;
  });

function refusal(refused: readonly { item: Item; error: ApiError }[], all: number): CliError {
  const lines = refused.flatMap(({ item, error }) => {
    const fields = (error.details?.causes ?? []).filter(
      (c) => c.field !== undefined && c.reason !== 'FieldManagerConflict',
    );
    if (fields.length > 0) return fields.map((c) => formatProblem(problemAt(item, c.field ?? '', c.message)));
    const { line } = item.document.locate('');
    const [head = '', ...more] = renderError(error, plain);
    return [
      `${item.document.source}:${String(line)}: ${item.label}: ${head.replace(/^error: /, '')}`,
      ...more,
    ];
  });
  const count = refused.length === 1 ? 'an object' : `${String(refused.length)} objects`;
  return new CliError(
    `the server refuses ${count}; ${all === 1 ? 'nothing' : `none of the ${String(all)}`} was applied`,
    {
      lines: lines.flatMap((line) => line.split('\n')),
    },
  );
}

/** All problems of the texts as one error: nothing was applied. */
export function problemsError(problems: readonly Problem[]): CliError {
  const count = problems.length === 1 ? 'a problem' : `${String(problems.length)} problems`;
  return new CliError(`the manifest has ${count}; nothing was applied`, {
    lines: problems.flatMap((problem) => formatProblem(problem).split('\n')),
  });
}

/** Results in the order of `items`, with at most `limit` in work. The first failure ends it. */
export async function mapAtOnce<T, R>(
  items: readonly T[],
  limit: number,
  work: (item: T) => Promise<R>,
): Promise<R[]> {
  const results: R[] = new Array<R>(items.length);
  let next = 0;
  const worker = async (): Promise<void> => {
    for (let i = next++; i < items.length; i = next++) results[i] = await work(items[i] as T);
  };
  await Promise.all(Array.from({ length: Math.min(limit, items.length) }, worker));
  return results;
}
