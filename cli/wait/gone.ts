/** Waits until deleted objects are gone, and says what holds them. */
import { taskStates, type Obj, type Task } from '../../api-schemas/index.ts';
import { startInformer, type Client, type Informer } from '../../client/index.ts';
import type { Context, ExitCode } from '../command.ts';
import { label, type KindDef } from '../kinds.ts';
import { live } from './live.ts';

export interface GoneTarget {
  readonly def: KindDef;
  readonly namespace: string | undefined;
  readonly name: string;
  /** A new object of the same name is not waited for. */
  readonly uid: string;
  /** Its tasks go with it. */
  readonly takesTasks: boolean;
}

interface Watched extends GoneTarget {
  readonly object: Informer<Obj>;
  readonly tasks: Informer<Task> | undefined;
}

/** 0: all gone, 3: time is up, 130: interrupted. `left` holds what was still there. */
export async function waitGone(
  context: Context,
  client: Client,
  targets: readonly GoneTarget[],
  timeoutMs: number,
): Promise<{ readonly code: ExitCode; readonly left: readonly string[] }> {
  let synced = false;
  const onChange = (): void => wait.wake();
  const watched = targets.map((target) => watch(client, target, onChange));
  const open = (): readonly Watched[] => watched.filter(isThere);
  const wait = live(context, timeoutMs, () => ({
    done: synced && open().length === 0,
    lines: synced ? open().map(lineOf) : [],
  }));
  Promise.all(watched.map((w) => w.object.synced)).then(
    () => {
      synced = true;
      wait.wake();
    },
    () => undefined,
  );
  const code = await wait.ended;
  const left = open().map(lineOf);
  for (const { object, tasks } of watched) {
    object.stop();
    tasks?.stop();
  }
  return { code, left };
}

function watch(client: Client, target: GoneTarget, onChange: () => void): Watched {
  const { def, namespace, name, takesTasks } = target;
  const scope = namespace === undefined ? {} : { namespace };
  const object = startInformer(
    client,
    def.kind,
    { ...scope, fieldSelector: `metadata.name=${name}` },
    { onChange },
  ) as Informer<Obj>;
  const owns = takesTasks && (def.kind === 'Stack' || def.kind === 'Service');
  const labelSelector = `orc.dev/${def.singular}=${name}`;
  const tasks = owns ? startInformer(client, 'Task', { ...scope, labelSelector }, { onChange }) : undefined;
  return { ...target, object, tasks };
}

const current = ({ object, namespace, name, uid }: Watched): Obj | undefined => {
  const found = object.get(namespace ?? '', name);
  return found?.metadata.uid === uid ? found : undefined;
};
const isThere = (watched: Watched): boolean => current(watched) !== undefined;

/** `stack/hello waits for 3 tasks to stop (web-1-x2f5k running, …)` */
function lineOf(watched: Watched): string {
  const { def, name } = watched;
  const tasks = (watched.tasks?.list() ?? []).filter(
    (t) =>
      taskStates.indexOf(t.status?.state ?? 'New') <= taskStates.indexOf('Running') ||
      t.metadata.finalizers?.length,
  );
  const shown = tasks
    .slice(0, 3)
    .map((t) => `${t.metadata.name} ${(t.status?.state ?? 'New').toLowerCase()}`);
  const holders = current(watched)?.metadata.finalizers ?? [];
  if (tasks.length > 0) {
    return `${label(def, name)} waits for ${String(tasks.length)} ${tasks.length === 1 ? 'task' : 'tasks'} to be gone (${shown.join(', ')}${tasks.length > 3 ? ', …' : ''})`;
  }
  return `${label(def, name)} waits for ${holders.length === 0 ? 'its removal' : `finalizers: ${holders.join(', ')}`}`;
}
