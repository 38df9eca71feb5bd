/**
 * The endpoints room: keeps, for each Service, an Endpoints object with the addresses of its ready tasks and
 * its published ports, and how it is known on its networks. A port that another service has already is left out, and the Service says who has it.
 */
import { isAlreadyExists, isNotFound } from '../../kit/errors.ts';
import { timestamp } from '../../kit/clock.ts';
import {
  clusterName,
  type Cluster,
  type Endpoints,
  type Network,
  type Service,
} from '../../api-schemas/index.ts';
import type { Change } from '../../store/types.ts';
import { findCondition, dropCondition, setCondition, type NewCondition } from '../runtime/conditions.ts';
import type { Context, Controller } from '../runtime/controller.ts';
import { paceOf, serviceKeys, serviceKeysOf, specChanged } from '../runtime/keys.ts';
import { joinKey, keyOf } from '../runtime/names.ts';
import { Waiting } from '../runtime/outcome.ts';
import { holdersFor, observe, type Seen } from './observe.ts';
import { firstPort, lastPort, plan, type Plan } from './plan.ts';
import { reservedPorts } from './reserved.ts';

const conditionType = 'PortsAllocated';

/** Makes the controller. Services with published ports are passed one after another: they compete for ports. */
export function endpointsController(): Controller {
  let last: Promise<unknown> = Promise.resolve();
  const inTurn = <T>(work: () => Promise<T>): Promise<T> => {
    const mine = last.then(work, work);
    last = mine.catch(() => undefined);
    return mine;
  };
  return {
    name: 'endpoints',
    keys: serviceKeys,
    keysOf(change, cache) {
      const { object } = change;
      if (object.kind === 'Endpoints') return [keyOf(object)];
      if (object.kind === 'Network') return readdressed(change);
      if (object.kind === 'Revision') return [];
      if (object.kind === 'Cluster') return isMoved(change) ? competitors(cache.list('Service')) : [];
      // A service that comes, goes or changes its ports may free one or take one.
      if (object.kind === 'Service' && specChanged(change)) {
        const before = (change.previous as Service | undefined)?.spec.ports ?? [];
        const isAboutPorts = before.length + ((object as Service).spec.ports ?? []).length > 0;
        return isAboutPorts ? [keyOf(object), ...competitors(cache.list('Service'))] : [keyOf(object)];
      }
      return serviceKeysOf(change, cache);
    },
    async reconcile(key, context) {
      const nowMs = context.clock.now();
      const seen = observe(context.cache, key, nowMs, context.since);
      if (seen === undefined) return;
      if (seen.isBlocked)
        throw new Waiting('EndpointsExists', 200, 'the old Endpoints object is being deleted');
      const work = async (): Promise<void> => {
        const current = observe(context.cache, key, nowMs, context.since);
        if (current !== undefined && !current.isBlocked) await pass(current, context);
      };
      if ((seen.service.spec.ports ?? []).length > 0) await inTurn(work);
      else await work();
      const size = seen.tasks.length;
      return {
        ...paceOf(seen, nowMs),
        ...(size < 100 ? {} : { cooldownMs: Math.min(1_000, size / 20) }),
      };
    },
  };
}

/** A manager is elsewhere, so that another port is orc's own. */
const isMoved = ({ object, previous }: Change): boolean =>
  reservedPorts(object as Cluster).join() !== reservedPorts(previous as Cluster | undefined).join();

/** Services whose virtual IP on the network is another than before. */
function readdressed({ type, object, previous }: Change): readonly string[] {
  const { namespace = '' } = object.metadata;
  const before = (previous as Network | undefined)?.status?.virtualIPs ?? {};
  const after = type === 'DELETED' ? {} : ((object as Network).status?.virtualIPs ?? {});
  const names = [...new Set([...Object.keys(before), ...Object.keys(after)])];
  return names.filter((name) => before[name] !== after[name]).map((name) => joinKey(namespace, name));
}

const competitors = (services: readonly Service[]): string[] =>
  services.filter((service) => (service.spec.ports ?? []).length > 0).map(keyOf);

async function pass(seen: Seen, context: Context): Promise<void> {
  const { service } = seen;
  const hasPorts = (service.spec.ports ?? []).length > 0;
  const { cache } = context;
  const result = plan({
    ...seen,
    holders: hasPorts ? holdersFor(cache, service) : [],
    reserved: hasPorts ? reservedPorts(cache.get('Cluster', '', clusterName)) : [],
  });
  await write(result.endpoints, seen.endpoints, context);
  await writeCondition(service, conditionOf(result, hasPorts), context);
}

async function write(next: Endpoints, before: Endpoints | undefined, { registry }: Context): Promise<void> {
  try {
    if (before === undefined) await registry.create(next);
    else await registry.update(next);
  } catch (error) {
    if (isAlreadyExists(error)) throw new Waiting('EndpointsExists', 200);
    throw error;
  }
}

function conditionOf({ taken, exhausted, endpoints }: Plan, hasPorts: boolean): NewCondition | undefined {
  const [first] = taken;
  if (first !== undefined) {
    const words = taken.map(
      ({ port, service }) =>
        `${port.published ?? 0}/${port.protocol ?? 'tcp'} is published by service ${service}`,
    );
    const message = `${words.join('; ')}: publish another port, or take it off that service`;
    return { type: conditionType, status: 'False', reason: 'PortTaken', message };
  }
  if (exhausted.length > 0) {
    const message = `no port of ${firstPort}-${lastPort} is free`;
    return { type: conditionType, status: 'False', reason: 'NoPortFree', message };
  }
  if (!hasPorts || (endpoints.ports ?? []).length === 0) return undefined;
  const list = (endpoints.ports ?? []).map((port) => `${port.published ?? 0}/${port.protocol ?? 'tcp'}`);
  return { type: conditionType, status: 'True', reason: 'Allocated', message: list.join(', ') };
}

async function writeCondition(
  service: Service,
  condition: NewCondition | undefined,
  { registry, clock, record }: Context,
): Promise<void> {
  const { namespace = '', name, uid } = service.metadata;
  const known = findCondition(service.status?.conditions, conditionType);
  if (condition === undefined && known === undefined) return;
  if (known?.status === condition?.status && known?.message === condition?.message) return;
  try {
    await registry.modify<Service>({ kind: 'Service', namespace, name }, (current) => {
      if (current.metadata.uid !== uid) return undefined;
      const before = current.status?.conditions;
      const conditions =
        condition === undefined
          ? dropCondition(before, conditionType)
          : setCondition(before, condition, timestamp(clock));
      return { ...current, status: { ...current.status, conditions } };
    });
  } catch (error) {
    if (!isNotFound(error)) throw error;
  }
  if (condition?.status === 'False') {
    record(service, { type: 'Warning', reason: condition.reason, message: condition.message });
  }
}
