import {
  canonicalJson,
  contentHash,
  defaultNetwork,
  networksOf,
  type Network,
  type Obj,
  type Service,
  type ServiceSpec,
  type Stack,
} from '../../api-schemas/index.ts';
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
  /** Networks that this stack owns. */
  readonly ownedNetworks: readonly Network[];
  /** What stands at the name of each network that the stack wants, whoever owns it. */
  readonly standingNetworks: ReadonlyMap<string, Network>;
}

export type Step =
  | { readonly kind: 'CreateNetwork'; readonly network: Network }
  | { readonly kind: 'DeleteNetwork'; readonly network: Network }
  | { readonly kind: 'CreateService'; readonly service: Service }
  | { readonly kind: 'UpdateService'; readonly current: Service; readonly service: Service }
  | { readonly kind: 'DeleteService'; readonly service: Service }
  | { readonly kind: 'TakeFinalizer' };

export interface Plan {
  readonly steps: readonly Step[];
  /** What something else has, e.g. `service web: the name shop-web belongs to Stack other`. */
  readonly conflicts: readonly string[];
  /** Names of services and networks whose predecessor is still going; while the stack goes, what is left of it. */
  readonly waiting: readonly string[];
}

/**
 * Returns the steps that make the stack's networks and services what its manifest says, networks first. A service is
 * written only when its part of the manifest changed since it was last written, so that a `scale` survives; what
 * something else owns is left alone; what left the manifest is deleted, a service with what it runs.
 */
export function plan(observed: Observed): Plan {
  const { stack, owned, standing } = observed;
  if (isDeleting(stack)) return planEnd(observed);
  const networks = planNetworks(observed);
  const steps: Step[] = [];
  const conflicts: string[] = [];
  const waiting: string[] = [];
  const wanted = expand(stack);

  for (const service of wanted) {
    const { name } = service.metadata;
    const current = standing.get(name);
    // It would be on a network of somebody else.
    if (networksOf(service.spec).some((network) => networks.foreign.has(network.name))) continue;
    if (current === undefined) steps.push({ kind: 'CreateService', service });
    else if (isDeleting(current)) waiting.push(name);
    else if (!isOwnedBy(current, stack)) conflicts.push(conflictWith(stack, 'service', current));
    else if (hashOf(current) !== hashOf(service)) steps.push({ kind: 'UpdateService', current, service });
  }
  const names = new Set(wanted.map((service) => service.metadata.name));
  for (const service of owned) {
    if (!names.has(service.metadata.name) && !isDeleting(service))
      steps.push({ kind: 'DeleteService', service });
  }
  return {
    steps: [...networks.steps, ...steps],
    conflicts: [...networks.conflicts, ...conflicts],
    waiting: [...networks.waiting, ...waiting],
  };
}

/** `foreign`: names of networks that are not this stack's although it wants them. */
function planNetworks({ stack, ownedNetworks, standingNetworks }: Observed): Plan & {
  readonly foreign: ReadonlySet<string>;
} {
  const foreign = new Set<string>();
  const steps: Step[] = [];
  const conflicts: string[] = [];
  const waiting: string[] = [];
  const wanted = expandNetworks(stack);
  for (const network of wanted) {
    const current = standingNetworks.get(network.metadata.name);
    if (current === undefined) steps.push({ kind: 'CreateNetwork', network });
    else if (isDeleting(current)) waiting.push(network.metadata.name);
    else if (!isOwnedBy(current, stack)) {
      foreign.add(network.metadata.name);
      conflicts.push(conflictWith(stack, 'network', current));
    }
    // A stack that was deleted and made anew while its network was held has another spec now.
    else if (canonicalJson(current.spec) !== canonicalJson(network.spec))
      conflicts.push(`network ${network.metadata.name} was made with other settings, and cannot be changed`);
  }
  const names = new Set(wanted.map(({ metadata }) => metadata.name));
  for (const network of ownedNetworks) {
    if (!names.has(network.metadata.name) && !isDeleting(network))
      steps.push({ kind: 'DeleteNetwork', network });
  }
  return { steps, conflicts, waiting, foreign };
}

/** Services go first: a network is held until no task is on it. */
function planEnd({ stack, owned, ownedNetworks }: Observed): Plan {
  const steps: Step[] = owned
    .filter((service) => !isDeleting(service))
    .map((service) => ({ kind: 'DeleteService', service }));
  if (owned.length === 0)
    for (const network of ownedNetworks)
      if (!isDeleting(network)) steps.push({ kind: 'DeleteNetwork', network });
  const left = [...owned, ...ownedNetworks];
  const held = stack.metadata.finalizers?.includes(finalizer.stack) ?? false;
  if (left.length === 0 && held) steps.push({ kind: 'TakeFinalizer' });
  return { steps, conflicts: [], waiting: left.map(({ metadata }) => metadata.name) };
}

/** Returns the Network objects that a stack stands for: those of `spec.networks`, and `default` always. */
export function expandNetworks(stack: Stack): readonly Network[] {
  const { name: stackName, namespace = '' } = stack.metadata;
  return Object.entries({ [defaultNetwork]: {}, ...stack.spec.networks }).map(([name, spec]) => ({
    apiVersion,
    kind: 'Network',
    metadata: {
      name: `${stackName}-${name}`,
      namespace,
      labels: { [label.stack]: stackName },
      ownerReferences: [ownerReference(stack)],
      finalizers: [finalizer.network],
    },
    spec,
  }));
}

/**
 * The service's spec with its networks by the names of their objects, so that nobody who reads a Service, a Revision
 * or a Task needs to know the stack. A name that the stack does not have is that of a Network of the namespace: so
 * stacks share one. Done here and not at rollout, as a service without a stack has no other names.
 */
function onObjects(stack: Stack, spec: ServiceSpec): ServiceSpec {
  if (spec.networkMode !== undefined) return spec;
  const own = (name: string): boolean =>
    name === defaultNetwork || Object.hasOwn(stack.spec.networks ?? {}, name);
  const networks = networksOf(spec).map((attachment) =>
    own(attachment.name) ? { ...attachment, name: `${stack.metadata.name}-${attachment.name}` } : attachment,
  );
  return { ...spec, networks };
}

/** Returns the Service objects that a stack stands for. */
export function expand(stack: Stack): readonly Service[] {
  const { name: stackName, namespace = '' } = stack.metadata;
  return Object.entries(stack.spec.services).map(([name, { labels = {}, ...written }]) => {
    const spec = onObjects(stack, written);
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

/** What has the name of an object that the stack wants. */
const conflictWith = (stack: Stack, what: string, current: Obj): string =>
  `${what} ${current.metadata.name.slice(stack.metadata.name.length + 1)}: the name ${current.metadata.name} belongs to ${ownerText(current)}`;

function ownerText(object: Obj): string {
  const owner = ownerOf(object);
  return owner === undefined
    ? `${describeObject(object)}, which no stack owns`
    : `${owner.kind} ${owner.name}`;
}
