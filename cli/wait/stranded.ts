/** What a drain leaves without a place to run. Pure. */
import {
  matchesConstraint,
  parseConstraint,
  taskStates,
  type Node,
  type Service,
  type Task,
} from '../../api-schemas/index.ts';

/** Number of tasks by service, `namespace/name`. */
export type Stranded = ReadonlyMap<string, number>;

/** `namespace/name` */
export const serviceOf = ({ metadata, spec }: Task): string => `${metadata.namespace ?? ''}/${spec.service}`;
const keyOf = ({ metadata }: Service): string => `${metadata.namespace ?? ''}/${metadata.name}`;

/** Its container may still run. */
export const isAlive = ({ status }: Task): boolean =>
  taskStates.indexOf(status?.state ?? 'New') <= taskStates.indexOf('Running');

const isWanted = (task: Task): boolean => isAlive(task) && task.spec.desiredState !== 'Shutdown';

/**
 * The tasks on `name` that surely find no other node when it is drained: as far as availability and constraints say.
 * Whether there is room elsewhere only the scheduler knows, and says it then. Those of global services have no other
 * node by their nature.
 */
export function strandedBy(
  name: string,
  {
    nodes,
    services,
    tasks,
  }: { nodes: readonly Node[]; services: readonly Service[]; tasks: readonly Task[] },
): Stranded {
  const open = nodes.filter((node) => node.metadata.name !== name && takesTasks(node));
  const lost = services.filter(({ spec }) => {
    const constraints = (spec.placement?.constraints ?? []).map(parseConstraint);
    return (
      spec.mode !== 'global' && !open.some((node) => constraints.every((c) => matchesConstraint(c, node)))
    );
  });
  const keys = new Set(lost.map(keyOf));
  return counted(tasks.filter((t) => t.spec.nodeName === name && isWanted(t) && keys.has(serviceOf(t))));
}

function takesTasks({ metadata, spec, status }: Node): boolean {
  const is = (type: string): boolean =>
    status?.conditions?.some((c) => c.type === type && c.status === 'True') === true;
  const isActive = (spec.availability ?? 'active') === 'active';
  return isActive && is('Ready') && !is('Lost') && metadata.deletionTimestamp === undefined;
}

/** The tasks of these services for which the scheduler has found no node. */
export const unplaced = (services: ReadonlySet<string>, tasks: readonly Task[]): Stranded =>
  counted(
    tasks.filter(
      (task) =>
        services.has(serviceOf(task)) &&
        isWanted(task) &&
        task.status?.conditions?.some(
          ({ reason, status }) => reason === 'NoNodeFits' && status === 'False',
        ) === true,
    ),
  );

function counted(tasks: readonly Task[]): Stranded {
  const counts = new Map<string, number>();
  for (const task of tasks) counts.set(serviceOf(task), (counts.get(serviceOf(task)) ?? 0) + 1);
  return counts;
}

/** Of a service both may know: a replacement that is only made once the task has stopped is not there yet. */
export function together(a: Stranded, b: Stranded): Stranded {
  const keys = [...new Set([...a.keys(), ...b.keys()])];
  return new Map(keys.map((key) => [key, Math.max(a.get(key) ?? 0, b.get(key) ?? 0)]));
}

const mostNames = 5;

/** `4 tasks have nowhere to go and stop: …`; undefined when all have. */
export function strandedText(node: string, stranded: Stranded, when: 'before' | 'after'): string | undefined {
  if (stranded.size === 0) return undefined;
  const total = [...stranded.values()].reduce((sum, n) => sum + n, 0);
  const names = [...stranded].sort(([a], [b]) => (a < b ? -1 : 1)).map(([key, n]) => `${key} (${String(n)})`);
  const more = names.length - mostNames;
  const which = names.slice(0, mostNames).join(', ') + (more > 0 ? ` and ${String(more)} more services` : '');
  const [one, has] = total === 1 ? ['1 task', 'has'] : [`${String(total)} tasks`, 'have'];
  return when === 'before'
    ? `${one} ${has} nowhere to go and ${total === 1 ? 'stops' : 'stop'}: ${which}; \`orc uncordon ${node}\` ends the drain`
    : `${one} ${has} nowhere to go: ${which}; \`orc uncordon ${node}\`, or another node that fits, lets them start again`;
}
