import type { Service, Stack, StackStatus } from '../../api-schemas/index.ts';
import { findCondition, isTrue, type NewCondition } from '../runtime/conditions.ts';
import { isDeleting } from '../runtime/names.ts';
import type { Plan } from './plan.ts';

export interface Summary {
  readonly status: Omit<StackStatus, 'conditions'>;
  readonly conditions: readonly NewCondition[];
}

/** Rolls the services up into the stack's status, with the first cause in words. `names`: the wanted services. */
export function summarize(
  stack: Stack,
  names: readonly string[],
  services: ReadonlyMap<string, Service>,
  { conflicts, waiting }: Pick<Plan, 'conflicts' | 'waiting'>,
): Summary {
  const { generation } = stack.metadata;
  const stamp = generation === undefined ? {} : { observedGeneration: generation };
  const short = (name: string): string => name.slice(stack.metadata.name.length + 1);
  const ready = names.filter((name) => isServiceReady(services.get(name)));
  const first = conflicts.length > 0 ? undefined : names.find((name) => !ready.includes(name));
  // Of networks, as all others are services.
  const old = waiting.find((name) => !names.includes(name));
  const cause =
    conflicts[0] ??
    (isDeleting(stack) ? `waiting for ${waiting.join(', ')} to be gone` : undefined) ??
    (old === undefined ? undefined : `network ${short(old)}: the one of that name is still being deleted`) ??
    (first === undefined
      ? undefined
      : `service ${short(first)}: ${causeOf(services.get(first), waiting.includes(first))}`);
  const isReady = cause === undefined;
  const counts = `${ready.length} of ${names.length} services ready`;
  const isGoingOn = names.some((name) => isTrue(services.get(name)?.status?.conditions, 'Progressing'));
  const reason = isReady
    ? 'Converged'
    : conflicts.length > 0
      ? 'Conflict'
      : isDeleting(stack)
        ? 'Deleting'
        : 'ServicesNotReady';
  return {
    status: { ...stamp, services: names.length, readyServices: ready.length },
    conditions: [
      { type: 'Ready', status: isReady ? 'True' : 'False', reason, message: cause ?? counts, ...stamp },
      {
        type: 'Progressing',
        status: !isReady && (isGoingOn || waiting.length > 0) ? 'True' : 'False',
        reason: isReady ? 'Converged' : isGoingOn || waiting.length > 0 ? 'ServicesProgressing' : reason,
        message: counts,
        ...stamp,
      },
      ...(conflicts.length === 0
        ? []
        : [
            {
              type: 'Conflict',
              status: 'True' as const,
              reason: 'NameTaken',
              message: `${conflicts.join('; ')}: give it another name, or delete the other`,
              ...stamp,
            },
          ]),
    ],
  };
}

/** Its status speaks of its present spec, and says Ready. */
function isServiceReady(service: Service | undefined): boolean {
  return (
    service !== undefined &&
    !isDeleting(service) &&
    service.status?.observedGeneration === service.metadata.generation &&
    isTrue(service.status?.conditions, 'Ready')
  );
}

function causeOf(service: Service | undefined, isWaiting: boolean): string {
  if (isWaiting) return 'the one of that name is still being deleted';
  const conditions = service?.status?.conditions;
  const stalled = findCondition(conditions, 'Stalled');
  if (stalled?.status === 'True') return stalled.message;
  const ready = findCondition(conditions, 'Ready');
  if (service === undefined || ready === undefined) return 'not started yet';
  if (service.status?.observedGeneration !== service.metadata.generation) return 'being updated';
  return ready.message;
}
