import { contentHash, type Obj, type Service, type Stack } from '../../api-schemas/index.ts';
import {
  annotation,
  apiVersion,
  describeObject,
  finalizer,
  isDeleting,
  isOwnedBy,
  label,
  ownerOf,
  ownerReference,
} from '../runtime/names.ts';

export interface Observed {
  readonly stack: Stack;
  /** Services that this stack owns. */
  readonly owned: readonly Service[];
  /** What stands at the name of each service that the stack wants, whoever owns it. */
  readonly standing: ReadonlyMap<string, Service>;
}

export type Step =
  | { readonly kind: 'CreateService'; readonly service: Service }
  | { readonly kind: 'UpdateService'; readonly current: Service; readonly service: Service }
  | { readonly kind: 'DeleteService'; readonly service: Service }
  | { readonly kind: 'TakeFinalizer' };

export interface Plan {
  readonly steps: readonly Step[];
  /** Names of services that something else has, with its owner in words. */
  readonly conflicts: readonly { readonly service: string; readonly owner: string }[];
  /** Names of services whose predecessor is still going. */
  readonly waiting: readonly string[];
}

/**
 * Returns the steps that make the stack's services what its manifest says. A service is written only when its
 * part of the manifest changed since it was last written, so that a `scale` survives; one that something else
 * owns is left alone; one that left the manifest is deleted with what it runs.
 */
export function plan({ stack, owned, standing }: Observed): Plan {
  if (isDeleting(stack)) return planEnd(stack, owned);
  const steps: Step[] = [];
  const conflicts: { service: string; owner: string }[] = [];
  const waiting: string[] = [];
  const wanted = expand(stack);

  for (const service of wanted) {
    const { name } = service.metadata;
    const current = standing.get(name);
    if (current === undefined) steps.push({ kind: 'CreateService', service });
    else if (isDeleting(current)) waiting.push(name);
    else if (!isOwnedBy(current, stack)) conflicts.push({ service: name, owner: ownerText(current) });
    else if (hashOf(current) !== hashOf(service)) steps.push({ kind: 'UpdateService', current, service });
  }
  const names = new Set(wanted.map((service) => service.metadata.name));
  for (const service of owned) {
    if (!names.has(service.metadata.name) && !isDeleting(service))
      steps.push({ kind: 'DeleteService', service });
  }
  return { steps, conflicts, waiting };
}

function planEnd(stack: Stack, owned: readonly Service[]): Plan {
  const steps: Step[] = owned
    .filter((service) => !isDeleting(service))
    .map((service) => ({ kind: 'DeleteService', service }));
  const held = stack.metadata.finalizers?.includes(finalizer.stack) ?? false;
  if (owned.length === 0 && held) steps.push({ kind: 'TakeFinalizer' });
  return { steps, conflicts: [], waiting: owned.map((service) => service.metadata.name) };
}

/** Returns the Service objects that a stack stands for. */
export function expand(stack: Stack): readonly Service[] {
  const { name: stackName, namespace = '' } = stack.metadata;
  return Object.entries(stack.spec.services).map(([name, { labels = {}, ...spec }]) => {
    const allLabels = { ...labels, [label.stack]: stackName };
    return {
      apiVersion,
      kind: 'Service',
      metadata: {
        name: `${stackName}-${name}`,
        namespace,
        labels: allLabels,
        annotations: { [annotation.appliedHash]: contentHash({ labels: allLabels, spec }, 16) },
        ownerReferences: [ownerReference(stack)],
      },
      spec,
    };
  });
}

const hashOf = (service: Service): string | undefined =>
  service.metadata.annotations?.[annotation.appliedHash];

function ownerText(object: Obj): string {
  const owner = ownerOf(object);
  return owner === undefined
    ? `${describeObject(object)}, which no stack owns`
    : `${owner.kind} ${owner.name}`;
}
