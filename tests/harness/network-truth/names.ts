/** What the names of services must say to a container, from the objects of the API. Pure. */
import type { Endpoints, Network, Task } from '../../../api-schemas/index.ts';
import { ipOn, keyOf, keysOf, type Objects } from './objects.ts';

export interface Name {
  readonly name: string;
  /** What may be answered: sorted addresses, or the code of a "no". */
  readonly answers: readonly string[];
}

const absent = 'ENOTFOUND';
const empty = 'ENODATA';

/** Of each service: its name, that of its tasks, that of one of its slots. */
export function namesFor(task: Task, objects: Objects): readonly Name[] {
  const own = keysOf(task).flatMap((key) => objects.networks.find((network) => keyOf(network) === key) ?? []);
  return objects.endpoints
    .filter(({ metadata }) => metadata.namespace === task.metadata.namespace)
    .flatMap((object) => namesOf(object, own, objects));
}

function namesOf(object: Endpoints, own: readonly Network[], { tasks }: Objects): readonly Name[] {
  const { name, namespace = 'default' } = object.metadata;
  const full = `${name}.${namespace}.orc.internal`;
  const shared = own.filter(({ metadata }) =>
    object.networks?.some(({ network }) => network === metadata.name),
  );
  if (shared.length === 0) return [full, `tasks.${full}`].map((each) => ({ name: each, answers: [absent] }));
  const ready = (object.endpoints ?? []).flatMap((endpoint) => {
    const task = tasks.find(({ metadata }) => metadata.name === endpoint.task);
    const ips = shared.flatMap((network) => (task && ipOn(task, network)) ?? []);
    return ips.length === 0 ? [] : [{ slot: String(endpoint.slot ?? endpoint.nodeName), ip: ips[0] ?? '' }];
  });
  const all =
    ready
      .map(({ ip }) => ip)
      .sort()
      .join(' ') || empty;
  const vips = shared.flatMap(
    ({ metadata }) => object.networks?.find(({ network }) => network === metadata.name)?.virtualIP ?? [],
  );
  const service = object.mode === 'dnsrr' || vips.length === 0 ? [all] : vips;
  const [slot] = ready;
  const aliases = object.mode === 'dnsrr' ? [] : aliasesOf(object, shared);
  return [
    { name: full, answers: service },
    { name: name, answers: service },
    { name: `tasks.${full}`, answers: [all] },
    { name: `99.${full}`, answers: [absent] },
    ...(slot === undefined ? [] : [{ name: `${slot.slot}.${full}`, answers: [slot.ip] }]),
    ...aliases.map(({ alias, vips: here }) => ({
      name: `${alias}.${namespace}.orc.internal`,
      answers: [here.sort().join(' ')],
    })),
  ];
}

/** An alias is that of the service on each network that it was given for. */
function aliasesOf(
  object: Endpoints,
  shared: readonly Network[],
): readonly { alias: string; vips: string[] }[] {
  const found = new Map<string, string[]>();
  for (const { metadata } of shared) {
    const here = object.networks?.find(({ network }) => network === metadata.name);
    for (const alias of here?.aliases ?? [])
      if (here?.virtualIP !== undefined) found.set(alias, [...(found.get(alias) ?? []), here.virtualIP]);
  }
  return [...found].map(([alias, vips]) => ({ alias, vips }));
}
