/** What is wrong with an object and what to do next: the first lines of `describe`. Pure. */
import {
  taskStates,
  type Condition,
  type Node,
  type Obj,
  type Service,
  type Stack,
  type Task,
} from '../../api-schemas/index.ts';
import { viewService, wordsOf } from '../wait/observe.ts';
import { remedyFor } from './remedies.ts';

export interface Diagnosis {
  readonly headline: string;
  /** Each thing that is wrong, most telling first. */
  readonly findings: readonly string[];
  /** What to do next. */
  readonly next: readonly string[];
}

export interface Surroundings {
  /** Of the object's service or stack. */
  readonly tasks: readonly Task[];
  readonly services: readonly Service[];
}

const maxFindings = 8;

/** Undefined when nothing is wrong. */
export function diagnose(object: Obj, { tasks, services }: Surroundings): Diagnosis | undefined {
  const found = diagnoseKind(object, tasks, services);
  const { deletionTimestamp, finalizers = [] } = object.metadata;
  if (deletionTimestamp === undefined || object.kind === 'Task') return found;
  const waiting = finalizers.length === 0 ? '' : `, and waits for: ${finalizers.join(', ')}`;
  return {
    headline: `being deleted since ${deletionTimestamp}${waiting}`,
    findings: found?.findings ?? [],
    next: ['it goes by itself once nothing holds it; the events below say what is going on'],
  };
}

function diagnoseKind(
  object: Obj,
  tasks: readonly Task[],
  services: readonly Service[],
): Diagnosis | undefined {
  switch (object.kind) {
    case 'Service':
      return ofService(object as Service, tasks);
    case 'Stack':
      return ofStack(object as Stack, services, tasks);
    case 'Task':
      return ofTask(object as Task);
    case 'Node':
      return ofNode(object as Node);
    default:
      return undefined;
  }
}

function ofService(service: Service, tasks: readonly Task[]): Diagnosis | undefined {
  const view = viewService(service, tasks);
  if (view.outcome === 'converged') return undefined;
  const troubled = view.slots.filter((slot) => slot.problem !== undefined);
  const findings = troubled.map(
    (s) =>
      `slot ${s.slot}${s.node === undefined ? '' : ` on ${s.node}`} is ${(s.state ?? 'New').toLowerCase()}: ${s.problem ?? ''}`,
  );
  const why = view.why === undefined ? [] : [view.why];
  return {
    headline: `${String(view.running)} of ${view.desired === undefined ? 'the wanted' : String(view.desired)} tasks running`,
    findings: unique([...why, ...findings].flatMap(apart)).slice(0, maxFindings),
    next: nextSteps({
      // What ended in a slot that runs again is over, and asks for nothing.
      tasks: troubled.flatMap(({ culprit }) => (culprit === undefined ? [] : [culprit])),
      conditions: ['Stalled', 'PortsPublished', 'Ready'].flatMap(
        (type) => badCondition(service.status?.conditions, type) ?? [],
      ),
      goesOn: badCondition(service.status?.conditions, 'Stalled') === undefined,
      logs: `orc logs service/${service.metadata.name}`,
    }),
  };
}

function ofStack(stack: Stack, services: readonly Service[], tasks: readonly Task[]): Diagnosis | undefined {
  const bad = services
    .filter((s) => s.metadata.ownerReferences?.some((o) => o.uid === stack.metadata.uid))
    .map((service) => ({ service, diagnosis: ofService(service, tasks) }))
    .filter(({ diagnosis }) => diagnosis !== undefined);
  const why =
    badCondition(stack.status?.conditions, 'Stalled') ?? badCondition(stack.status?.conditions, 'Ready');
  if (bad.length === 0 && why === undefined) return undefined;
  return {
    headline: `${String(stack.status?.readyServices ?? 0)} of ${String(Object.keys(stack.spec.services).length)} services ready`,
    // Each service says for itself what the stack's own condition repeats of the first.
    findings: unique([
      ...(why === undefined || (bad.length > 0 && why.type === 'Ready') ? [] : [why.message || why.reason]),
      ...bad.flatMap(({ service, diagnosis }) =>
        (diagnosis?.findings ?? []).slice(0, 1).map((f) => `${service.metadata.name}: ${f}`),
      ),
    ]).slice(0, maxFindings),
    next: unique([
      ...(why === undefined ? [] : remedyFor(why.reason, why.type !== 'Stalled')),
      ...bad
        .flatMap(({ diagnosis }) => diagnosis?.next ?? [])
        .filter((step) => !step.startsWith('`orc logs')),
      ...bad.slice(0, 2).map(({ service }) => `\`orc describe service/${service.metadata.name}\` says more`),
    ]),
  };
}

function ofTask(task: Task): Diagnosis | undefined {
  const state = task.status?.state ?? 'New';
  const words = wordsOf(task);
  if (state === 'Running' || state === 'Complete' || state === 'Shutdown' || words === undefined)
    return undefined;
  const { head, nodes } = perNode(words);
  return {
    headline: `${state.toLowerCase()}: ${head}`,
    findings: nodes,
    next: nextSteps({
      tasks: [task],
      conditions: [],
      // A task that has ended stays as it is: if anything follows, it is another one.
      goesOn: taskStates.indexOf(state) < taskStates.indexOf('Running'),
      logs: `orc logs task/${task.metadata.name}`,
    }),
  };
}

const apart = (text: string): string[] => {
  const { head, nodes } = perNode(text);
  return [head, ...nodes];
};

/** `… no node fits: a: x; b: y` taken apart, so that each node's reason has a line. */
function perNode(text: string): { readonly head: string; readonly nodes: readonly string[] } {
  const at = text.indexOf('no node fits: ');
  if (at < 0) return { head: text, nodes: [] };
  return {
    head: text.slice(0, at + 'no node fits'.length),
    nodes: text.slice(at + 'no node fits: '.length).split('; '),
  };
}

function ofNode(node: Node): Diagnosis | undefined {
  const { conditions } = node.status ?? {};
  const bad = badCondition(conditions, 'Lost') ?? badCondition(conditions, 'Ready');
  const availability = node.spec.availability ?? 'active';
  if (bad !== undefined) {
    return {
      headline: `not ready: ${bad.message || bad.reason}`,
      findings: [],
      next: remedyFor(bad.reason, true),
    };
  }
  if (availability === 'active') return undefined;
  const what =
    availability === 'drain' ? 'draining: its tasks move to other nodes' : 'cordoned: it takes no new tasks';
  return {
    headline: what,
    findings: [],
    next: [`\`orc uncordon ${node.metadata.name}\` makes it take tasks again`],
  };
}

/** Types that are True when something is wrong; of the others, not True is. */
const badWhenTrue: readonly string[] = ['Stalled', 'Lost'];

/** The condition of that type, if it says that something is wrong. */
const badCondition = (conditions: readonly Condition[] = [], type: string): Condition | undefined =>
  conditions.find((c) => c.type === type && (c.status === 'True') === badWhenTrue.includes(type));

interface Trouble {
  /** Those that say what is wrong. */
  readonly tasks: readonly Task[];
  readonly conditions: readonly Condition[];
  /** orc has not given up. */
  readonly goesOn: boolean;
  /** The command that shows what they printed. */
  readonly logs: string;
}

function nextSteps({ tasks, conditions, goesOn, logs }: Trouble): string[] {
  const reasons = [
    ...tasks.flatMap((t) => [
      t.status?.reason,
      t.status?.conditions?.find((c) => c.status === 'False')?.reason,
    ]),
    ...conditions.map((c) => c.reason),
  ];
  const steps = reasons.flatMap((reason) => (reason === undefined ? [] : remedyFor(reason, goesOn)));
  const closed = uncordonSteps(tasks);
  const started = tasks.some((t) => t.status?.startedAt !== undefined || t.status?.exitCode !== undefined);
  return unique([...closed, ...steps, ...(started ? [`\`${logs}\` shows what it printed`] : [])]);
}

/** Nodes that take no tasks because a person has said so: often the whole reason, and ended with one command. */
function uncordonSteps(tasks: readonly Task[]): readonly string[] {
  const reasons = tasks
    .filter(({ status }) => status?.state === 'Pending')
    .flatMap(({ status }) => [
      status?.message ?? '',
      ...(status?.conditions ?? []).filter((c) => c.status === 'False').map((c) => c.message),
    ])
    .flatMap((text) => perNode(text).nodes)
    .filter((reason) => /: node is (cordoned|draining)$/.test(reason));
  if (reasons.length === 0) return [];
  // Of many nodes with the same reason only their number is said.
  const names = unique(reasons.map((reason) => reason.split(': ')[0] ?? '')).filter(
    (name) => !name.includes(' '),
  );
  const which = names.length === 0 ? 'NODE' : names.sort().join(' ');
  return [`\`orc uncordon ${which}\` makes ${names.length === 1 ? 'it' : 'them'} take tasks again`];
}

const unique = (items: readonly string[]): string[] => [...new Set(items)];
