/**
 * The reach room: says on Nodes and Networks which paths fail, from what all agents find as they probe each other, and
 * what agents cannot do for their networks. A condition is there while something fails, and goes when it is healed.
 */
import { timestamp } from '../../kit/clock.ts';
import { isNotFound } from '../../kit/errors.ts';
import type { Condition, Network, Node } from '../../api-schemas/index.ts';
import { dropCondition, findCondition, setCondition, type NewCondition } from '../runtime/conditions.ts';
import type { Context, Controller } from '../runtime/controller.ts';
import { keyOf } from '../runtime/names.ts';
import { networkReach, nodeNetwork, nodeReach, plan } from './plan.ts';

const everything = 'everything';
/** Changes of many nodes, which come together when one is cut off, are looked at together. */
const cooldownMs = 1_000;

export const reachController: Controller = {
  name: 'reach',
  concurrency: 1,
  keys: () => [everything],
  keysOf: ({ object }) => (object.kind === 'Node' ? [everything] : []),
  async reconcile(_key, context) {
    const { cache } = context;
    const nodes = cache.list('Node');
    const networks = cache.list('Network');
    const wanted = plan({ nodes, networks });
    const writes = [
      ...nodes.flatMap((node) =>
        [nodeReach, nodeNetwork].map((type) => {
          const next = wanted.nodes.get(node.metadata.name)?.find((condition) => condition.type === type);
          return say(node, type, next, context);
        }),
      ),
      ...networks.map((network) => say(network, networkReach, wanted.networks.get(keyOf(network)), context)),
    ];
    await Promise.all(writes);
    return { cooldownMs };
  },
};

/** Makes one condition of the object what it is to be, with an event; writes nothing when it is. */
async function say(
  object: Node | Network,
  type: string,
  next: NewCondition | undefined,
  { registry, clock, record }: Context,
): Promise<void> {
  const before = findCondition(object.status?.conditions, type);
  if (before === undefined ? next === undefined : next !== undefined && isSame(before, next)) return;
  const { name, namespace = '', uid } = object.metadata;
  try {
    await registry.modify<Node | Network>({ kind: object.kind, namespace, name }, (current) => {
      if (current.metadata.uid !== uid) return undefined;
      const old = current.status?.conditions;
      const conditions =
        next === undefined ? dropCondition(old, type) : setCondition(old, next, timestamp(clock));
      return conditions === old ? undefined : { ...current, status: { ...current.status, conditions } };
    });
  } catch (error) {
    if (isNotFound(error)) return;
    throw error;
  }
  if (next === undefined)
    record(object, { type: 'Normal', reason: healed[type] ?? type, message: 'all is well again' });
  else record(object, { type: 'Warning', reason: next.reason, message: next.message });
}

const healed: Readonly<Record<string, string>> = {
  [nodeReach]: 'NetworkReached',
  [nodeNetwork]: 'NetworkMended',
  [networkReach]: 'PathsMended',
};

const isSame = (a: Condition, b: NewCondition): boolean =>
  a.status === b.status && a.reason === b.reason && a.message === b.message;
