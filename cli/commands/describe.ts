import type { Event, Obj, Task } from '../../api-schemas/index.ts';
import type { RelatedHint } from '../../api-schemas/kind.ts';
import type { Client } from '../../client/index.ts';
import { defineCommand } from '../command.ts';
import { CliError } from '../errors.ts';
import { joined, selectorFlags } from '../flags.ts';
import { say } from '../io.ts';
import { label, resolveKind, scopeOf, select, type KindDef } from '../kinds.ts';
import { paletteFor } from '../output/color.ts';
import { renderDescription, type Description, type Related } from '../output/describe.ts';
import { diagnose, type Surroundings } from '../output/diagnose.ts';
import { valueAt } from '../output/rows.ts';

export const command = defineCommand({
  positionals: '<what..>',
  describe:
    'Explain an object: what is wrong and what to do, its spec in words, conditions, tasks and events.',
  examples: [
    ['orc describe service web', 'One service, its tasks and their reasons'],
    ['orc describe stack/hello', 'A stack and its services'],
    ['orc describe node', 'All nodes'],
  ],
  options: (yargs) =>
    selectorFlags(yargs).positional('what', {
      type: 'string',
      array: true,
      demandOption: true,
      describe: 'KIND [NAME…] or KIND/NAME…',
    }),

  async run(context, args) {
    const selection = select(args.what);
    const { client, namespace } = await context.connect();
    const found: { def: KindDef; object: Obj }[] = [];
    if (selection.kind === 'named') {
      for (const { def, name } of selection.refs) {
        found.push({
          def,
          object: await client.get(def.kind, { ...scopeOf(def, namespace), name }, context.signal),
        });
      }
    } else {
      for (const def of selection.defs) {
        const { items } = await client.list(def.kind, {
          ...scopeOf(def, namespace),
          labelSelector: joined(args.selector),
          fieldSelector: joined(args.fieldSelector),
        });
        found.push(...(items as readonly Obj[]).map((object) => ({ def, object })));
      }
    }
    if (found.length === 0) throw new CliError(`nothing to describe in ${namespace} namespace`);
    const page = {
      now: context.clock.now(),
      columns: context.io.stdoutTty ? Math.max(60, Math.min(context.io.columns(), 160)) : 120,
      palette: paletteFor(context.io.color),
    };
    for (const [i, { def, object }] of found.entries()) {
      if (i > 0) say(context.io, `\n${'-'.repeat(20)} ${label(def, object.metadata.name)}\n`);
      for (const line of renderDescription(await gather(client, def, object), page)) say(context.io, line);
    }
  },
});

/** The object with what stands around it. */
async function gather(client: Client, def: KindDef, object: Obj): Promise<Description> {
  const [related, surroundings] = await Promise.all([
    Promise.all(def.describe.related.map((hint) => relatedOf(client, hint, object))),
    surroundingsOf(client, object),
  ]);
  const events = await eventsOf(client, object, surroundings.tasks);
  return { def, object, related, events, diagnosis: diagnose(object, surroundings) };
}

async function relatedOf(client: Client, hint: RelatedHint, object: Obj): Promise<Related> {
  const def = resolveKind(hint.kind);
  const { items } = await client.list(
    hint.kind,
    object.metadata.namespace === undefined ? {} : { namespace: object.metadata.namespace },
  );
  const objects = (items as readonly Obj[]).filter((other) => isRelated(hint.by, object, other));
  return { def, objects };
}

function isRelated(by: RelatedHint['by'], object: Obj, other: Obj): boolean {
  if (by === 'owner')
    return other.metadata.ownerReferences?.some((o) => o.uid === object.metadata.uid) ?? false;
  if (by === 'name') return other.metadata.name === object.metadata.name;
  return valueAt(other, by.field) === object.metadata.name;
}

/** Events of the object, and the warnings of its tasks, which are where things go wrong. */
async function eventsOf(client: Client, object: Obj, tasks: readonly Task[]): Promise<readonly Event[]> {
  const namespace = object.metadata.namespace ?? 'default';
  const uid = object.metadata.uid ?? '';
  if (tasks.length === 0) {
    return (await client.list('Event', { namespace, fieldSelector: `involvedObject.uid=${uid}` })).items;
  }
  const uids = new Set(tasks.map((t) => t.metadata.uid));
  const { items } = await client.list('Event', { namespace });
  return items.filter(
    (e) => e.involvedObject.uid === uid || (e.type === 'Warning' && uids.has(e.involvedObject.uid)),
  );
}

async function surroundingsOf(client: Client, { kind, metadata }: Obj): Promise<Surroundings> {
  if (kind !== 'Service' && kind !== 'Stack') return { tasks: [], services: [] };
  const scope = metadata.namespace === undefined ? {} : { namespace: metadata.namespace };
  const [tasks, services] = await Promise.all([
    client.list('Task', { ...scope, labelSelector: `orc.dev/${kind.toLowerCase()}=${metadata.name}` }),
    kind === 'Stack' ? client.list('Service', scope) : undefined,
  ]);
  return { tasks: tasks.items, services: services?.items ?? [] };
}
