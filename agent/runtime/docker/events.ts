import type Docker from 'dockerode';
import { label, type ContainerExit, type Owner } from '../types.ts';
import { ownerFilter } from './owner.ts';
import { runtimeError } from './errors.ts';

interface EngineEvent {
  readonly Action?: string;
  readonly timeNano?: number;
  readonly Actor?: { readonly ID?: string; readonly Attributes?: Readonly<Record<string, string>> };
}

/** Health probes make three exec events each: only what changes a task is asked for. */
const actions = ['start', 'die', 'kill', 'oom', 'health_status', 'destroy'];

/** A stop begins with one of these; a SIGKILL alone is an end of its own kind, and its exit code says so. */
const stopSignals = new Set(['2', '3', '15', 'SIGINT', 'SIGQUIT', 'SIGTERM']);

/**
 * Follows the events of a node's containers. Resolves when the engine has accepted the stream. `onDown` is called once,
 * when it breaks other than by the returned function.
 */
export async function watchEvents(
  docker: Docker,
  owner: Owner,
  onWake: (taskUID: string | undefined, exit?: ContainerExit) => void,
  onDown: (error: Error) => void,
): Promise<() => void> {
  const stream = (await docker
    .getEvents({
      filters: JSON.stringify({ type: ['container'], event: actions, label: ownerFilter(owner) }),
    })
    .catch((error: unknown) => {
      throw runtimeError(error, 'following the events of the engine');
    })) as NodeJS.ReadableStream & { destroy(): void };
  let over = false;
  const down = (error: Error): void => {
    if (over) return;
    over = true;
    onDown(error);
  };
  const oom = new Set<string>();
  const stopped = new Set<string>();
  let rest = '';
  stream.on('data', (chunk: Buffer) => {
    const lines = (rest + chunk.toString('utf8')).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) if (line.trim() !== '') deliver(JSON.parse(line) as EngineEvent);
  });
  stream.on('error', down);
  stream.on('close', () => down(new Error('the engine closed its event stream')));
  stream.on('end', () => down(new Error('the engine ended its event stream')));

  function deliver(event: EngineEvent): void {
    const { ID: id = '', Attributes: attributes = {} } = event.Actor ?? {};
    const uid = attributes[label.taskUID];
    if (event.Action === 'kill') {
      // A kill comes before its `die`; signals such as SIGHUP only ask for a reload.
      if (stopSignals.has(attributes['signal'] ?? '')) stopped.add(id);
      return;
    }
    if (event.Action === 'oom') oom.add(id);
    if (event.Action === 'destroy') stopped.delete(id);
    if (event.Action !== 'die') return onWake(uid);
    onWake(uid, {
      exitCode: Number(attributes['exitCode'] ?? 0),
      oomKilled: oom.delete(id),
      stopped: stopped.delete(id),
      finishedAt: new Date((event.timeNano ?? 0) / 1e6).toISOString(),
    });
  }
  return () => {
    over = true;
    stream.destroy();
  };
}
