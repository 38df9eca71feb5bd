/** From what a user names to tasks: a task, a service, a stack, or a bare name. */
import type { Task } from '../api-schemas/index.ts';
import type { Client } from '../client/index.ts';
import { isNotFound } from '../kit/errors.ts';
import { CliError, usageError } from './errors.ts';
import { parseRef } from './kinds.ts';

export type TaskSet =
  | { readonly kind: 'task'; readonly name: string }
  | { readonly kind: 'labels'; readonly selector: string; readonly what: string };

/** A bare name is a task if there is one of that name, else a service, else a stack. Throws when it is none. */
export async function resolveTasks(
  client: Client,
  namespace: string,
  word: string,
  signal: AbortSignal,
): Promise<TaskSet> {
  if (word.includes('/')) {
    const { def, name } = parseRef(word);
    if (def.kind !== 'Task' && def.kind !== 'Service' && def.kind !== 'Stack') {
      throw usageError(`${def.singular}/${name} has no tasks`, 'name a task, a service or a stack');
    }
    await client.get(def.kind, { namespace, name }, signal);
    return setOf(def.kind, name);
  }
  for (const kind of ['Task', 'Service', 'Stack'] as const) {
    try {
      await client.get(kind, { namespace, name: word }, signal);
      return setOf(kind, word);
    } catch (error) {
      if (!isNotFound(error)) throw error;
    }
  }
  throw new CliError(`no task, service or stack "${word}" in ${namespace} namespace`, {
    remedy: '`orc get services,tasks` shows what is there',
  });
}

const setOf = (kind: 'Task' | 'Service' | 'Stack', name: string): TaskSet =>
  kind === 'Task'
    ? { kind: 'task', name }
    : {
        kind: 'labels',
        selector: `orc.dev/${kind.toLowerCase()}=${name}`,
        what: `${kind.toLowerCase()}/${name}`,
      };

export const listTasks = async (
  client: Client,
  namespace: string,
  set: TaskSet,
  signal: AbortSignal,
): Promise<readonly Task[]> =>
  set.kind === 'task'
    ? [await client.get('Task', { namespace, name: set.name }, signal)]
    : (await client.list('Task', { namespace, labelSelector: set.selector, signal })).items;

const isRunning = ({ status }: Task): boolean => status?.state === 'Running' || status?.state === 'Starting';
export const slotOf = ({ spec }: Task): string =>
  spec.slot === undefined ? (spec.nodeName ?? '') : String(spec.slot);

/** The named task, or the running task of the lowest slot (or of `slot`). Throws when none runs, saying what does. */
export async function findTask(
  client: Client,
  namespace: string,
  word: string,
  slot: string | undefined,
  signal: AbortSignal,
): Promise<Task> {
  const set = await resolveTasks(client, namespace, word, signal);
  const tasks = await listTasks(client, namespace, set, signal);
  if (set.kind === 'task') {
    const [task] = tasks;
    if (task !== undefined && isRunning(task)) return task;
    throw new CliError(`task/${set.name} is ${(task?.status?.state ?? 'New').toLowerCase()}, not running`, {
      remedy: `\`orc describe task/${set.name}\` says why`,
    });
  }
  const running = tasks.filter(isRunning).filter((t) => slot === undefined || slotOf(t) === slot);
  running.sort(
    (a, b) => (a.spec.slot ?? 0) - (b.spec.slot ?? 0) || (a.metadata.name < b.metadata.name ? -1 : 1),
  );
  const [first] = running;
  if (first !== undefined) return first;
  const which = slot === undefined ? '' : ` in slot ${slot}`;
  throw new CliError(`${set.what} has no running task${which}`, {
    remedy: `\`orc describe ${set.what}\` says why`,
  });
}
