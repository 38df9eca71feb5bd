/** Which nodes have loaded all Endpoints as of a revision: those of this server, and of the others, who are asked. */
import type { Node } from '../../api-schemas/index.ts';
import { sleep, type Clock } from '../../kit/clock.ts';
import type { Cache } from '../../store/types.ts';
import type { NodeSession } from './node-session.ts';

export interface LoadedOptions {
  readonly cache: Cache;
  readonly clock: Clock;
  /** The session of a node that this server holds. */
  readonly held: (node: string) => NodeSession | undefined;
  /** Asks another server the same; answers with those that have. Rejects when it cannot be asked. */
  readonly ask: (server: string, question: LoadedQuestion, signal: AbortSignal) => Promise<readonly string[]>;
}

export interface LoadedQuestion {
  /** Of the store. */
  readonly revision: number;
  readonly nodes: readonly string[];
}

/** Where nobody can answer yet: how long until it is looked at again. */
const lookMs = 50;

/**
 * Answers with those of the nodes whose sessions are here, and that have loaded all Endpoints as of the revision; when
 * all have, or have no session here any more, or the signal is aborted. Rejects when the store does not tell what there
 * is.
 */
export async function loadedHere(
  { cache, held }: Pick<LoadedOptions, 'cache' | 'held'>,
  { revision, nodes }: LoadedQuestion,
  signal: AbortSignal,
): Promise<readonly string[]> {
  await cache.waitFor(revision);
  const answers = await Promise.all(
    nodes.map((node) => held(node)?.allLoaded(signal) ?? Promise.resolve(false)),
  );
  return nodes.filter((_, i) => answers[i]);
}

/**
 * True when all of these nodes have loaded all Endpoints as of the revision, but for those that are lost; false when the
 * signal is aborted before.
 */
export async function loadedEverywhere(
  options: LoadedOptions,
  { revision, nodes }: LoadedQuestion,
  signal: AbortSignal,
): Promise<boolean> {
  const { cache, clock, held, ask } = options;
  const left = new Set(nodes);
  while (!signal.aborted) {
    const questions = new Map<string, string[]>();
    const here: string[] = [];
    for (const name of left) {
      const node = cache.get('Node', '', name);
      if (node === undefined || isLost(node)) left.delete(name);
      else if (held(name) !== undefined) here.push(name);
      else {
        const server = node.status?.session?.server ?? '';
        if (server !== '') questions.set(server, [...(questions.get(server) ?? []), name]);
      }
    }
    if (left.size === 0) return true;
    const answers = await Promise.all([
      loadedHere(options, { revision, nodes: here }, signal),
      ...[...questions].map(([server, asked]) =>
        ask(server, { revision, nodes: asked }, signal).catch((): readonly string[] => []),
      ),
    ]);
    for (const name of answers.flat()) left.delete(name);
    if (left.size === 0) return true;
    // They have no session at the moment, or their server cannot be asked.
    await sleep(clock, lookMs, signal).catch(() => undefined);
  }
  return false;
}

const isLost = ({ status }: Node): boolean =>
  status?.conditions?.some(({ type, status: is }) => type === 'Lost' && is === 'True') ?? false;
