import { shuffled } from '../../kit/shuffle.ts';
import { domain, type DnsContainer, type DnsService } from './names.ts';
import { contains, reverseAddress } from './reverse.ts';
import { addressesOf, ofFamily, slotOf, tasksOf, type View } from './view.ts';

/** What is asked. */
export interface Question {
  /** In lower case. */
  readonly labels: readonly string[];
  /** `A`, `PTR`, …, `UNKNOWN_65`. */
  readonly type: string;
  /** `IN`, … */
  readonly class: string;
}

export interface DnsRecord {
  readonly type: 'A' | 'AAAA' | 'PTR';
  readonly data: string;
}

/** What is answered. `empty`: the name is there, without such records. `upstream`: the name is not ours. */
export type Answer =
  | { readonly kind: 'records'; readonly records: readonly DnsRecord[] }
  | { readonly kind: 'empty' }
  | { readonly kind: 'soa' }
  | { readonly kind: 'nxdomain' }
  | { readonly kind: 'refused' }
  | { readonly kind: 'upstream' };

const empty: Answer = { kind: 'empty' };
const nxdomain: Answer = { kind: 'nxdomain' };
const upstream: Answer = { kind: 'upstream' };
const refused: Answer = { kind: 'refused' };

/**
 * Decides on one question of the container with address `source`. It sees what is on the networks that it shares, and
 * of everything else not even that it is there. Pure but for the order of addresses, which is `random`.
 */
export function answer(
  question: Question,
  source: string,
  view: View,
  random: () => number = Math.random,
): Answer {
  const asker = view.containers.get(source);
  if (asker === undefined || question.class !== 'IN') return refused;
  // A transfer of a zone is no single answer, so it cannot be passed on either.
  if (question.type === 'AXFR' || question.type === 'IXFR') return refused;
  const { labels } = question;
  const ip = reverseAddress(labels);
  if (ip !== undefined) return reverse(ip, question, asker, view);
  const name = labels.join('.');
  if (name === domain) return question.type === 'SOA' ? { kind: 'soa' } : empty;
  const isBelow = name.endsWith(`.${domain}`);
  const found = isBelow
    ? below(name.slice(0, -domain.length - 1), asker, view)
    : (lookup(name, asker.namespace, asker, view) ?? qualified(name, asker, view));
  if (found === undefined) return isBelow ? nxdomain : upstream;
  return found === 'nothing' ? nxdomain : addresses(found, question.type, random);
}

/** `nothing`: the name is ours, and not there. */
type Found = readonly string[] | 'nothing' | undefined;

function addresses(ips: readonly string[], type: string, random: () => number): Answer {
  const families = (['A', 'AAAA'] as const).filter((family) => type === family || type === 'ANY');
  const records = families.flatMap((family) =>
    shuffled(ofFamily([...new Set(ips)], family), random).map((data) => ({ type: family, data })),
  );
  return records.length === 0 ? empty : { kind: 'records', records };
}

/** Below our domain the last label is the namespace. A namespace, and a stack in it, are names without records. */
function below(name: string, asker: DnsContainer, view: View): Found {
  const found = qualified(name, asker, view);
  if (found !== undefined) return found;
  const services = view.stacks.get(name) ?? [];
  const isBranch = services.some((service) => addressesOf(service, asker) !== undefined);
  return isBranch || name === asker.namespace ? [] : undefined;
}

function qualified(name: string, asker: DnsContainer, view: View): Found {
  const dot = name.lastIndexOf('.');
  return dot < 0 ? undefined : lookup(name.slice(0, dot), name.slice(dot + 1), asker, view);
}

/** `tasks.<service>`, `<service>`, `<slot>.<service>`, the first that there is. */
function lookup(name: string, namespace: string, asker: DnsContainer, view: View): Found {
  if (name.startsWith('tasks.')) {
    const services = named(name.slice('tasks.'.length), namespace, asker, view);
    if (services.length > 0) return services.flatMap(({ service }) => tasksOf(service, asker) ?? []);
  }
  const services = named(name, namespace, asker, view);
  if (services.length > 0)
    return services.flatMap(({ service, only }) => addressesOf(service, asker, only) ?? []);
  // A slot is named after its node in a global service, and a node's name may have dots.
  for (let dot = name.indexOf('.'); dot > 0; dot = name.indexOf('.', dot + 1)) {
    const rest = named(name.slice(dot + 1), namespace, asker, view);
    const slot = name.slice(0, dot);
    const found = rest.flatMap(({ service }) => {
      const ips = slotOf(service, asker, slot);
      return ips === undefined ? [] : [ips];
    });
    if (found[0] !== undefined) return found[0];
    // A slot that is not ready: were the root of the DNS asked, its "no" would be remembered for a day.
    if (rest.length > 0 && /^\d+$/.test(slot)) return 'nothing';
  }
  return undefined;
}

/**
 * The services that a name means to this asker: that of its own stack, then what services of its stack are called on a
 * shared network, then the names of the namespace, last the aliases that others gave. So nobody takes a name over from
 * the asker's own stack. Several only for an alias.
 */
function named(
  name: string,
  namespace: string,
  asker: DnsContainer,
  view: View,
): readonly { readonly service: DnsService; readonly only?: string }[] {
  const isOwn = namespace === asker.namespace;
  const visible = (service: DnsService | undefined) =>
    service === undefined || addressesOf(service, asker) === undefined ? [] : [{ service }];
  const aliases = (view.aliases.get(`${name}.${namespace}`) ?? [])
    .map(({ service, network }) => ({ service, only: network }))
    .filter(({ service, only }) => addressesOf(service, asker, only) !== undefined);
  const inStack = ({ service }: { readonly service: DnsService }): boolean =>
    isOwn && asker.stack !== undefined && service.stack === asker.stack;
  const tiers = [
    () =>
      isOwn && asker.stack !== undefined
        ? visible(view.services.get(`${name}.${asker.stack.toLowerCase()}.${namespace}`))
        : [],
    () => aliases.filter(inStack),
    () => visible(view.services.get(`${name}.${namespace}`)),
    () => aliases.filter((alias) => !inStack(alias)),
  ];
  for (const tier of tiers) {
    const services = tier();
    if (services.length > 0) return services;
  }
  return [];
}

/** Addresses in our networks are never asked for elsewhere; other than those on shared networks are not there. */
function reverse(ip: string, { type }: Question, asker: DnsContainer, view: View): Answer {
  const known = view.reverse.get(ip);
  if (known !== undefined && asker.addresses.some(({ network }) => network === known.network)) {
    const isNameable = known.name.length <= 253 && known.name.split('.').every((label) => label.length <= 63);
    if (!isNameable || (type !== 'PTR' && type !== 'ANY')) return empty;
    return { kind: 'records', records: [{ type: 'PTR', data: known.name }] };
  }
  if (known !== undefined || view.subnets.some((subnet) => contains(subnet, ip))) return nxdomain;
  return upstream;
}
