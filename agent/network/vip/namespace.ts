import { open, stat } from 'node:fs/promises';
import { startTimeOf } from '../../../kit/process.ts';
import type { Run } from '../commands.ts';

/**
 * A container's first process. The kernel gives a pid again; with its start time it names one process for good. Whoever
 * has the pid from the engine takes the start time, then asks the engine again: only then do both belong together.
 */
export interface ContainerProcess {
  readonly pid: number;
  readonly startTime: string;
}

/** The job was not done: the process is gone, and its network namespace with it. */
export const gone = Symbol('the container is gone');

/**
 * Does the job with a `run` whose commands run in the network namespace of a process. The namespace is opened before the
 * process is looked at, so that it is the one of that process even when the pid is given again meanwhile. Throws when it
 * is the namespace of this process, where rules for one container would hold for the whole node.
 */
export async function inNamespaceOf<T>(
  { pid, startTime }: ContainerProcess,
  run: Run,
  job: (run: Run) => Promise<T>,
): Promise<T | typeof gone> {
  const namespace = await open(`/proc/${pid}/ns/net`).catch(() => undefined);
  if (namespace === undefined) return gone;
  try {
    if (startTimeOf(pid) !== startTime) return gone;
    const [its, own] = await Promise.all([namespace.stat(), stat('/proc/self/ns/net')]);
    if (its.ino === own.ino && its.dev === own.dev)
      throw new Error(`process ${pid} has no network namespace of its own; virtual IPs are not for it`);
    const enter = ['nsenter', `--net=/proc/${process.pid}/fd/${namespace.fd}`];
    return await job((argv, stdin) => run([...enter, ...argv], stdin));
  } finally {
    await namespace.close();
  }
}
