/** Follows the logs of a changing set of tasks: new ones join, broken streams go on where they stopped. */
import type { Task } from '../../api-schemas/index.ts';
import { isConnectionError, startInformer, type Client, type LogParams } from '../../client/index.ts';
import type { Clock } from '../../kit/clock.ts';
import { messageOf } from '../../kit/errors.ts';
import { hasContainer, isFinished } from './tasks.ts';
import { linesOf, type LogLine } from './lines.ts';
import { Overlap } from './overlap.ts';

export interface FollowOptions {
  readonly client: Client;
  readonly clock: Clock;
  readonly namespace: string;
  readonly selector: { readonly labelSelector?: string; readonly fieldSelector?: string };
  readonly params: LogParams;
  readonly signal: AbortSignal;
  /** The next line of the task is read when this has resolved. */
  readonly onLine: (task: Task, line: LogLine) => Promise<void>;
  readonly onTask: (task: Task) => void;
  readonly onProblem: (task: Task, message: string) => void;
  /** Ends by itself once no task is left to follow (a single task). */
  readonly untilFinished: boolean;
}

const retryMs = 1000;

/** Returns when aborted, or when all is finished and `untilFinished`. */
export async function followLogs(options: FollowOptions): Promise<void> {
  const { client, namespace, selector, signal } = options;
  const streams = new Map<string, Promise<void>>();
  let finished: () => void = () => undefined;
  const allFinished = new Promise<void>((resolve) => {
    finished = resolve;
  });
  const began = options.clock.now();
  const join = (task: Task): void => {
    const uid = task.metadata.uid ?? task.metadata.name;
    if (streams.has(uid) || !hasContainer(task)) return;
    // What began after us is shown whole.
    const isNew = Date.parse(task.metadata.creationTimestamp ?? '') > began;
    options.onTask(task);
    const current = (): Task | undefined => informer.get(namespace, task.metadata.name);
    const stream = follow(options, task, isNew, current).finally(() => {
      streams.delete(uid);
      streams.set(uid, Promise.resolve());
      if (options.untilFinished) finished();
    });
    streams.set(uid, stream);
  };
  const informer = startInformer(
    client,
    'Task',
    { namespace, ...selector },
    { onChange: (type, task) => type !== 'DELETED' && join(task) },
  );
  await Promise.race([
    allFinished,
    new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true })),
  ]);
  informer.stop();
}

async function follow(
  options: FollowOptions,
  task: Task,
  isNew: boolean,
  current: () => Task | undefined,
): Promise<void> {
  const { client, clock, params, signal, onLine, onProblem } = options;
  const { tailLines: _, sinceTime: __, sinceSeconds: ___, ...whole } = params;
  const shown = new Overlap();
  let ask: LogParams = isNew ? whole : params;
  let complained = false;
  while (!signal.aborted) {
    try {
      const ref = { namespace: options.namespace, name: task.metadata.name };
      const stream = await client.logs(ref, { ...ask, follow: true, timestamps: true }, signal);
      complained = false;
      for await (const line of linesOf(stream)) {
        if (shown.isNew(line)) await onLine(task, line);
      }
      const now = current();
      if (now === undefined || isFinished(now)) return;
    } catch (error) {
      if (signal.aborted) return;
      const now = current();
      if (!complained && (now === undefined || !isFinished(now) || !isConnectionError(error)))
        onProblem(task, messageOf(error));
      complained = true;
      if (now === undefined || (isFinished(now) && !isConnectionError(error))) return;
    }
    const sinceTime = shown.resume();
    if (sinceTime !== undefined) ask = { ...whole, sinceTime };
    await new Promise<void>((resolve) => {
      const cancel = clock.after(retryMs, resolve);
      signal.addEventListener('abort', () => (cancel(), resolve()), { once: true });
    });
  }
}
