import { isDeepStrictEqual } from 'node:util';
import {
  taskStates,
  type Condition,
  type Task,
  type TaskReport,
  type TaskStatus,
} from '../../api-schemas/index.ts';
import { containerFinalizer } from './types.ts';

const order = (state: TaskStatus['state']): number => taskStates.indexOf(state);

/** States that end a task; nothing follows them. */
export const isFinal = (state: TaskStatus['state']): boolean => order(state) >= order('Complete');

function mergeConditions(
  old: readonly Condition[] = [],
  reported: readonly Condition[] = [],
): readonly Condition[] {
  const types = new Set(reported.map(({ type }) => type));
  return [...old.filter(({ type }) => !types.has(type)), ...reported];
}

/** Facts about a container stay true once known, so that a report that lacks them does not take them away. */
const facts = ({ containerID, startedAt, finishedAt, exitCode }: TaskStatus): Partial<TaskStatus> => ({
  ...(containerID === undefined ? {} : { containerID }),
  ...(startedAt === undefined ? {} : { startedAt }),
  ...(finishedAt === undefined ? {} : { finishedAt }),
  ...(exitCode === undefined ? {} : { exitCode }),
});

/**
 * The status after a report: states only move forward, and the first final one stays. Conditions of others
 * (`Scheduled`) are kept. Undefined when the report changes nothing.
 */
export function nextStatus(current: TaskStatus | undefined, reported: TaskStatus): TaskStatus | undefined {
  if (current !== undefined) {
    if (order(reported.state) < order(current.state)) return undefined;
    if (isFinal(current.state) && reported.state !== current.state) return undefined;
  }
  const conditions = mergeConditions(current?.conditions, reported.conditions);
  const next: TaskStatus = {
    ...(current === undefined ? {} : facts(current)),
    ...reported,
    ...(conditions.length === 0 ? {} : { conditions }),
  };
  return isDeepStrictEqual(next, current) ? undefined : next;
}

/**
 * The task after a report by `node`; undefined when it changes nothing. A report on a task that is not
 * the node's, or on an earlier one of the same name, changes nothing.
 */
export function nextTask(current: Task, node: string, report: TaskReport): Task | undefined {
  if (refusal(current, node, report) !== undefined) return undefined;
  const status = nextStatus(current.status, report.status);
  const { finalizers = [], deletionTimestamp } = current.metadata;
  const released =
    report.gone === true && deletionTimestamp !== undefined && finalizers.includes(containerFinalizer);
  if (status === undefined && !released) return undefined;
  const metadata = released
    ? { ...current.metadata, finalizers: finalizers.filter((one) => one !== containerFinalizer) }
    : current.metadata;
  return { ...current, metadata, ...(status === undefined ? {} : { status }) };
}

/** Why a node may not report on this task; undefined when it may. */
export function refusal(
  current: Task,
  node: string,
  { uid }: Pick<TaskReport, 'uid'>,
): 'another uid' | 'another node' | undefined {
  if (current.metadata.uid !== uid) return 'another uid';
  if (current.spec.nodeName !== node) return 'another node';
  return undefined;
}
