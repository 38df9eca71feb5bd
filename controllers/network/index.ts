/**
 * The network room: gives each Network its range and its number, which no other has; each node in it a gateway address
 * and blocks of addresses; and each service on it a virtual IP. Makes the network `default` of a namespace that needs
 * one, holds a Network that is deleted until no task is on it, and says on networks and services what is missing.
 *
 * Nothing of what is given stands anywhere but in `Network.status`. So passes run one at a time: each sees what the one
 * before gave.
 */
import { timestamp } from '../../kit/clock.ts';
import { isAlreadyExists, isNotFound } from '../../kit/errors.ts';
import {
  clusterName,
  defaultNetwork,
  withDefaults,
  type Cluster,
  type Network,
  type Service,
} from '../../api-schemas/index.ts';
import type { Cache } from '../../store/types.ts';
import { dropCondition, findCondition, setCondition, setConditions } from '../runtime/conditions.ts';
import { nodesByName } from '../runtime/cache.ts';
import type { Context, Controller } from '../runtime/controller.ts';
import { apiVersion, finalizer, isDeleting, keyOf, splitKey } from '../runtime/names.ts';
import type { Outcome } from '../runtime/outcome.ts';
import { keysOf, needsDefault, networkKey, serviceKey } from './keys.ts';
import { plan, type Observed } from './plan.ts';
import { pool6Of } from './prefix.ts';
import { networkTrouble, serviceCondition } from './service.ts';

export const networkController: Controller = {
  name: 'network',
  concurrency: 1,
  *keys(cache) {
    for (const network of cache.list('Network')) yield networkKey(keyOf(network));
    for (const service of cache.list('Service')) yield serviceKey(keyOf(service));
  },
  keysOf,
  async reconcile(key, context) {
    const slash = key.indexOf('/');
    const [subject, name] = [key.slice(0, slash), key.slice(slash + 1)];
    return subject === 'network' ? passNetwork(name, context) : passService(name, context);
  },
};

function observe(cache: Cache, key: string): Observed | undefined {
  const { namespace, name } = splitKey(key);
  const network = cache.get('Network', namespace, name);
  if (network === undefined) return undefined;
  return {
    network,
    others: cache.list('Network').filter((other) => other !== network),
    pools: poolsOf(cache.get('Cluster', '', clusterName)),
    pool6: pool6Of(cache.get('Cluster', '', clusterName)),
    epoch: cache.get('Cluster', '', clusterName)?.status?.keys?.epoch,
    nodes: nodesByName(cache),
    services: cache.by('Service', 'network', key),
    tasks: cache.by('Task', 'network', key),
  };
}

const noCluster: Cluster = { apiVersion, kind: 'Cluster', metadata: { name: clusterName }, spec: {} };

const poolsOf = (cluster: Cluster = noCluster): Observed['pools'] =>
  withDefaults(cluster).spec.networks?.pools ?? [];

async function passNetwork(key: string, context: Context): Promise<Outcome | void> {
  const observed = observe(context.cache, key);
  if (observed === undefined) return;
  const { network, tasks } = observed;
  const { status, conditions, isOver } = plan(observed);
  if (isOver) return letGo(network, context);
  const { generation } = network.metadata;
  const stamp = generation === undefined ? {} : { observedGeneration: generation };
  const before = network.status?.conditions;
  if (status.subnet6 !== undefined) await keepPool(observed.pool6, context);
  await context.registry.update<Network>({
    ...network,
    status: {
      ...stamp,
      ...status,
      conditions: setConditions(
        before,
        conditions.map((condition) => ({ ...condition, ...stamp })),
        timestamp(context.clock),
      ),
    },
  });
  for (const { type, status: is, reason, message } of conditions) {
    const known = findCondition(before, type);
    if (known?.status === is && known.reason === reason && known.message === message) continue;
    if (is === 'False') context.record(network, { type: 'Warning', reason, message });
    else if (type === 'Allocated') context.record(network, { type: 'Normal', reason, message });
  }
  // A large network changes with each of its tasks: changes are taken together.
  return tasks.length < 100 ? undefined : { cooldownMs: Math.min(1_000, tasks.length / 20) };
}

/** Written down before the first prefix of it is given: whatever becomes of the object, later ones are of the same. */
async function keepPool(ipv6Pool: string, { cache, registry }: Context): Promise<void> {
  const known = cache.get('Cluster', '', clusterName);
  if (known === undefined || known.status?.ipv6Pool === ipv6Pool) return;
  await registry.modify<Cluster>({ kind: 'Cluster', namespace: '', name: clusterName }, (current) =>
    current.status?.ipv6Pool === ipv6Pool
      ? undefined
      : { ...current, status: { ...current.status, ipv6Pool } },
  );
}

async function letGo({ metadata }: Network, { registry }: Context): Promise<void> {
  const { namespace = '', name, uid } = metadata;
  await unlessGone(
    registry.modify<Network>({ kind: 'Network', namespace, name }, (current) => {
      if (current.metadata.uid !== uid) return undefined;
      const finalizers = (current.metadata.finalizers ?? []).filter((one) => one !== finalizer.network);
      return { ...current, metadata: { ...current.metadata, finalizers } };
    }),
  );
}

async function passService(key: string, context: Context): Promise<void> {
  const { cache, registry, clock, record } = context;
  const { namespace, name } = splitKey(key);
  const service = cache.get('Service', namespace, name);
  if (service === undefined || isDeleting(service)) return;
  if (needsDefault(service, cache)) await makeDefault(namespace, context);
  const trouble = networkTrouble(service, (network) => cache.get('Network', namespace, network));
  const known = findCondition(service.status?.conditions, serviceCondition);
  if (known?.reason === trouble?.reason && known?.message === trouble?.message) return;
  await unlessGone(
    registry.modify<Service>({ kind: 'Service', namespace, name }, (current) => {
      if (current.metadata.uid !== service.metadata.uid) return undefined;
      const before = current.status?.conditions;
      const conditions =
        trouble === undefined
          ? dropCondition(before, serviceCondition)
          : setCondition(before, trouble, timestamp(clock));
      return { ...current, status: { ...current.status, conditions } };
    }),
  );
  if (trouble !== undefined)
    record(service, { type: 'Warning', reason: trouble.reason, message: trouble.message });
}

/** In a namespace that is going the write is wasted, and undone: nothing is made there. */
async function makeDefault(namespace: string, { cache, registry }: Context): Promise<void> {
  const home = cache.get('Namespace', '', namespace);
  if (home !== undefined && isDeleting(home)) return;
  try {
    await registry.create<Network>({
      apiVersion,
      kind: 'Network',
      metadata: { name: defaultNetwork, namespace, finalizers: [finalizer.network] },
      spec: {},
    });
  } catch (error) {
    if (!isAlreadyExists(error)) throw error;
  }
}

async function unlessGone(write: Promise<unknown>): Promise<void> {
  try {
    await write;
  } catch (error) {
    if (!isNotFound(error)) throw error;
  }
}
