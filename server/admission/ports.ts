/**
 * Published ports: each node answers an ingress port, so one service at a time may hold it; and the port where
 * the API itself listens is nobody's.
 *
 * Checks run one after another in this process, each from its look at the store until its write is visible
 * there, so that two requests cannot both find a port free. (Between several servers the endpoints controller
 * decides, and says so on the service that lost.)
 */
import {
  ingressPortsOf,
  portsClash,
  portsIn,
  type Obj,
  type Port,
  type Service,
  type ServiceSpec,
  type Stack,
} from '../../api-schemas/index.ts';
import type { AnyKindDef } from '../../api-schemas/kinds.ts';
import type { Cause } from '../../kit/errors.ts';
import type { Cache, Registry } from '../../store/types.ts';
import { invalid } from '../resources/errors.ts';
import type { Api, Listening } from '../types.ts';

interface Wanted {
  readonly path: string;
  readonly port: Port;
}

const queues = new WeakMap<Registry, Promise<unknown>>();

/** Runs `store` when no published port of `object` is another's. Throws 422 naming the holder. */
export async function withPortsChecked(
  api: Api,
  def: AnyKindDef,
  live: Obj | undefined,
  object: Obj,
  store: () => Promise<Obj>,
): Promise<Obj> {
  const wanted = wantedPorts(object);
  const before = live === undefined ? [] : wantedPorts(live);
  const added = wanted.filter(
    ({ port }) => !before.some((old) => portsClash(old.port, port) && old.port.hostIP === port.hostIP),
  );
  if (added.length === 0) return store();
  const own = added.flatMap((one) => clashWithApi(api.listening(), one));
  if (own.length > 0) throw invalid(def, object.metadata.name, own);
  const shared = added.filter(({ port }) => port.mode !== 'host');
  if (shared.length === 0) return store();
  return inTurn(api.registry, async () => {
    const causes = shared.flatMap((one) => clash(api.registry.cache, object, one));
    if (causes.length > 0) throw invalid(def, object.metadata.name, causes);
    return store();
  });
}

async function inTurn<T>(registry: Registry, work: () => Promise<T>): Promise<T> {
  const before = queues.get(registry) ?? Promise.resolve();
  const mine = before.then(work, work);
  queues.set(
    registry,
    mine.catch(() => undefined),
  );
  return mine;
}

/** The ports that an object asks for by number. */
function wantedPorts(object: Obj): readonly Wanted[] {
  return [...specsOf(object)].flatMap(([path, spec]) =>
    (spec.ports ?? []).flatMap((asked, i) =>
      portsIn(asked)
        .filter((port) => (port.published ?? 0) !== 0)
        .map((port) => ({ path: `${path}.ports[${i}]`, port })),
    ),
  );
}

function specsOf(object: Obj): ReadonlyMap<string, ServiceSpec> {
  if (object.kind === 'Service') return new Map([['spec', (object as Service).spec]]);
  if (object.kind !== 'Stack') return new Map();
  const { services } = (object as Stack).spec;
  return new Map(Object.entries(services).map(([name, spec]) => [`spec.services.${name}`, spec]));
}

const addressOf = (port: Port): string =>
  `${port.hostIP === undefined ? '' : `${port.hostIP}:`}${port.published ?? 0}/${port.protocol ?? 'tcp'}`;

/** Whether the node could answer the port only by taking the API's traffic. */
function clashWithApi({ address, port: own }: Listening, { path, port }: Wanted): readonly Cause[] {
  // A listener on `::` takes IPv4 as well.
  const api: Port = { target: own, published: own, ...(address === '::' ? {} : { hostIP: address }) };
  if (!portsClash(api, port)) return [];
  const where = address.includes(':') ? `[${address}]:${own}` : `${address}:${own}`;
  return [
    {
      reason: 'FieldValueInvalid',
      field: `${path}.published`,
      message: `Invalid value: ${own}: port ${addressOf(port)} is held by the API of orc itself, which listens on ${where}; choose another port, or start orc with another --listen`,
    },
  ];
}

/** Who else holds or asks for the port. */
function clash(cache: Cache, object: Obj, { path, port }: Wanted): readonly Cause[] {
  const holder = serviceHolding(cache, object, port) ?? stackHolding(cache, object, port);
  if (holder === undefined) return [];
  return [
    {
      reason: 'FieldValueInvalid',
      field: `${path}.published`,
      message: `Invalid value: ${port.published ?? 0}: port ${addressOf(port)} is already published by ${holder}; choose another port, or remove it there first`,
    },
  ];
}

function serviceHolding(cache: Cache, object: Obj, port: Port): string | undefined {
  const key = `${port.protocol ?? 'tcp'}/${port.published ?? 0}`;
  for (const service of cache.by('Service', 'port', key)) {
    if (isSame(service, object) || isOwnedBy(service, object)) continue;
    const ports = [...ingressPortsOf(service.spec), ...(service.status?.ports ?? [])];
    if (ports.some((one) => one.mode !== 'host' && portsClash(one, port))) {
      const { namespace = '', name, deletionTimestamp } = service.metadata;
      return `service ${namespace}/${name}${deletionTimestamp === undefined ? '' : ', which is being deleted'}`;
    }
  }
  return undefined;
}

/** A stack that asks for the port but whose service is not there yet. */
function stackHolding(cache: Cache, object: Obj, port: Port): string | undefined {
  for (const stack of cache.list('Stack')) {
    if (isSame(stack, object) || isOwnedBy(object, stack)) continue;
    for (const [name, spec] of Object.entries(stack.spec.services)) {
      if (ingressPortsOf(spec).some((one) => portsClash(one, port))) {
        return `service ${name} of stack ${stack.metadata.namespace ?? ''}/${stack.metadata.name}`;
      }
    }
  }
  return undefined;
}

const isSame = (a: Obj, b: Obj): boolean =>
  a.kind === b.kind && a.metadata.namespace === b.metadata.namespace && a.metadata.name === b.metadata.name;

const isOwnedBy = (object: Obj, owner: Obj): boolean =>
  owner.metadata.uid !== undefined &&
  (object.metadata.ownerReferences ?? []).some((reference) => reference.uid === owner.metadata.uid);
