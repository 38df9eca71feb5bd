/** Fields that cannot change while the object lives. */
import {
  canonicalJson,
  type Network,
  type NetworkSpec,
  type Obj,
  type Service,
  type ServiceSpec,
  type Stack,
} from '../../api-schemas/index.ts';
import type { AnyKindDef } from '../../api-schemas/kinds.ts';
import type { Cause } from '../../kit/errors.ts';
import { invalid } from '../resources/errors.ts';

/** Throws 422 with the path of each immutable field that changed. */
export function checkImmutable(def: AnyKindDef, live: Obj, object: Obj): void {
  const causes = [...immutableSpecs(live)].flatMap(([path, before]) => {
    const after = immutableSpecs(object).get(path);
    return after === undefined ? [] : modeCause(path, before, after);
  });
  causes.push(...networkCauses(live, object));
  if (causes.length > 0) throw invalid(def, live.metadata.name, causes);
}

/** The service specs in an object, by path. */
function immutableSpecs(object: Obj): ReadonlyMap<string, ServiceSpec> {
  if (object.kind === 'Service') return new Map([['spec', (object as Service).spec]]);
  if (object.kind !== 'Stack') return new Map();
  const { services } = (object as Stack).spec;
  return new Map(Object.entries(services).map(([name, spec]) => [`spec.services.${name}`, spec]));
}

function modeCause(path: string, before: ServiceSpec, after: ServiceSpec): readonly Cause[] {
  const [was, is] = [before.mode ?? 'replicated', after.mode ?? 'replicated'];
  if (was === is) return [];
  return [
    {
      reason: 'FieldValueInvalid',
      field: `${path}.mode`,
      message: `Invalid value: ${JSON.stringify(is)}: field is immutable (it is ${JSON.stringify(was)}); delete the service and create it anew, or give it another name`,
    },
  ];
}

/**
 * Engines do not change a network in place, and containers keep their addresses. In a stack one that left the manifest
 * may come back otherwise: the controller waits until the old one is gone.
 */
function networkCauses(live: Obj, object: Obj): readonly Cause[] {
  const after = networksOfObject(object);
  return [...networksOfObject(live)].flatMap(([path, before]) => {
    const now = after.get(path);
    if (now === undefined || canonicalJson(now) === canonicalJson(before)) return [];
    return [
      {
        reason: 'FieldValueInvalid',
        field: path,
        message: `Invalid value: ${canonicalJson(now)}: a network cannot change while it lives (it is ${canonicalJson(before)}); give it another name, or delete it first`,
      },
    ];
  });
}

/** The network specs in an object, by path. */
function networksOfObject(object: Obj): ReadonlyMap<string, NetworkSpec> {
  if (object.kind === 'Network') return new Map([['spec', (object as Network).spec]]);
  if (object.kind !== 'Stack') return new Map();
  const { networks = {} } = (object as Stack).spec;
  return new Map(Object.entries(networks).map(([name, spec]) => [`spec.networks.${name}`, spec]));
}
