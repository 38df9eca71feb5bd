/** Fields that cannot change while the object lives. */
import type { Obj, Service, ServiceSpec, Stack } from '../../api-schemas/index.ts';
import type { AnyKindDef } from '../../api-schemas/kinds.ts';
import type { Cause } from '../../kit/errors.ts';
import { invalid } from '../resources/errors.ts';

/** Throws 422 with the path of each immutable field that changed. */
export function checkImmutable(def: AnyKindDef, live: Obj, object: Obj): void {
  const causes = [...immutableSpecs(live)].flatMap(([path, before]) => {
    const after = immutableSpecs(object).get(path);
    return after === undefined ? [] : modeCause(path, before, after);
  });
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
