import type { TaskState, TaskStatus } from '../../api-schemas/index.ts';
import { label, type ContainerState } from '../runtime/types.ts';
import type { TaskRecord } from './record.ts';

/** Status of a task whose container runs (and is healthy). Pure. */
export function running(container: ContainerState, record: TaskRecord): TaskStatus {
  const { conditions } = record.status;
  return {
    state: 'Running',
    ...facts(container),
    ...(container.addresses.length === 0 ? {} : { addresses: container.addresses }),
    ...(container.ports.length === 0 ? {} : { ports: container.ports }),
    ...(conditions === undefined ? {} : { conditions }),
  };
}

/** Status of a task whose container has ended: Complete with 0, else Failed with the cause; or as told. Pure. */
export function finished(
  container: ContainerState,
  record: TaskRecord,
  state?: TaskState,
  cause?: { readonly reason: string; readonly message: string },
): TaskStatus {
  const exitCode = container.exitCode ?? 0;
  const why = cause ?? causeOf(container, exitCode);
  const ended: TaskState = state ?? (why === undefined ? 'Complete' : 'Failed');
  return {
    state: ended,
    ...(ended === 'Shutdown' || why === undefined ? {} : why),
    ...facts(container),
    // Addresses are free again; they stay in no status of a task that has ended.
    ...(container.status === 'created' ? {} : { exitCode }),
    ...(container.finishedAt === undefined ? {} : { finishedAt: container.finishedAt }),
    ...(record.status.conditions === undefined ? {} : { conditions: record.status.conditions }),
  };
}

/** Status of a task whose container the engine does not have any more. Pure. */
export function lost(record: TaskRecord): TaskStatus {
  return {
    state: 'Failed',
    reason: 'ContainerLost',
    message: `container ${(record.containerID ?? '').slice(0, 12)} is gone: something else than orc removed it`,
    ...(record.containerID === undefined ? {} : { containerID: record.containerID }),
    ...(record.status.startedAt === undefined ? {} : { startedAt: record.status.startedAt }),
  };
}

/** Why a container ended other than with 0. */
function causeOf(
  container: ContainerState,
  exitCode: number,
): { reason: string; message: string } | undefined {
  if (container.error !== undefined && exitCode !== 0)
    return { reason: 'StartFailed', message: container.error };
  if (container.oomKilled)
    return { reason: 'OOMKilled', message: 'out of memory: the container went over its memory limit' };
  if (container.health === 'unhealthy')
    return { reason: 'Unhealthy', message: `the health check failed: ${container.healthMessage ?? ''}` };
  if (exitCode === 0) return undefined;
  const signal = signals[exitCode - 128];
  const [reason, how] = signal === undefined ? ['NonZeroExit', ''] : ['Killed', `killed by ${signal}, `];
  return { reason, message: `${how}exit code ${exitCode}${whereOutput(container)}` };
}

/** The engine adds 128 to the number of the signal that killed a container, as a shell does for its child. */
const signals: Readonly<Record<number, string>> = {
  1: 'SIGHUP',
  2: 'SIGINT',
  3: 'SIGQUIT',
  4: 'SIGILL',
  5: 'SIGTRAP',
  6: 'SIGABRT',
  7: 'SIGBUS',
  8: 'SIGFPE',
  9: 'SIGKILL',
  10: 'SIGUSR1',
  11: 'SIGSEGV',
  12: 'SIGUSR2',
  13: 'SIGPIPE',
  14: 'SIGALRM',
  15: 'SIGTERM',
  24: 'SIGXCPU',
  25: 'SIGXFSZ',
  31: 'SIGSYS',
};

/** Whether a reason was read from the exit code alone, so that a later look may know better. */
export const fromExit = (reason: string): boolean => reason === 'NonZeroExit' || reason === 'Killed';

/** What a container writes stays out of its status, which is stored and shown widely: docs/decisions/0008. */
function whereOutput({ labels }: ContainerState): string {
  const { [label.task]: task, [label.namespace]: namespace = 'default' } = labels;
  if (task === undefined) return '';
  const where = namespace === 'default' ? '' : ` -n ${namespace}`;
  return `; its output: \`orc logs task/${task}${where}\``;
}

function facts(container: ContainerState): Pick<TaskStatus, 'containerID' | 'startedAt'> {
  return {
    containerID: container.id,
    ...(container.startedAt === undefined ? {} : { startedAt: container.startedAt }),
  };
}
