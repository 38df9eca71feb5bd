import type { Event } from '../../api-schemas/index.ts';
import { defineCommand } from '../command.ts';
import { usageError } from '../errors.ts';
import { allNamespacesFlag, joined, single } from '../flags.ts';
import { note, say, taking } from '../io.ts';
import { parseRef } from '../kinds.ts';
import { eventAge, lastSeen } from '../output/describe.ts';
import { tableWriter } from '../output/table.ts';

export const command = defineCommand({
  describe: 'Show what happened, newest last.',
  examples: [
    ['orc events', 'Events of the namespace'],
    ['orc events -w --types Warning', 'Warnings, and new ones as they come'],
    ['orc events --for service/web', 'Events about one object'],
  ],
  options: (yargs) =>
    allNamespacesFlag(yargs)
      .option('watch', { alias: 'w', type: 'boolean', default: false, describe: 'Go on showing new events' })
      .option('for', { type: 'string', describe: 'Only events about KIND/NAME' })
      .option('types', { type: 'string', describe: 'Only these types: Normal, Warning' })
      .option('headers', {
        type: 'boolean',
        default: true,
        describe: 'Print column names; --no-headers leaves them out',
      }),

  async run(context, args) {
    const types = typesOf(joined(args.types));
    const about = single(args.for, '--for');
    const fieldSelector = about === undefined ? undefined : selectorOf(about);
    const { client, namespace } = await context.connect();
    const { io, clock, signal } = context;
    const wanted = (event: Event): boolean => types === undefined || types.includes(event.type.toLowerCase());
    const scope = {
      ...(args.allNamespaces ? {} : { namespace }),
      fieldSelector,
      signal,
    };
    const writer = tableWriter();
    let header = args.headers;
    const print = (events: readonly Event[]): void => {
      if (events.length === 0) return;
      const rows = [...events].sort(oldestFirst).map((e) => row(e, args.allNamespaces, clock.now()));
      const head = [
        ...(args.allNamespaces ? ['NAMESPACE'] : []),
        'LAST SEEN',
        'TYPE',
        'REASON',
        'OBJECT',
        'MESSAGE',
      ];
      for (const line of writer.rows(header ? [head, ...rows] : rows)) say(io, line);
      header = false;
    };
    if (!args.watch) {
      const events = (await client.list('Event', scope)).items.filter(wanted);
      if (events.length === 0)
        note(io, args.allNamespaces ? 'No events found.' : `No events found in ${namespace} namespace.`);
      return print(events);
    }
    for await (const change of client.watch('Event', scope)) {
      if (change.type === 'SYNC') print(change.items.filter(wanted));
      else if (change.type === 'ADDED' || change.type === 'MODIFIED') print([change.object].filter(wanted));
      await taking(io.stdout);
    }
  },
});

const knownTypes = ['normal', 'warning'];

/** Lower case. Throws for a type that no event has: it would show nothing, silently. */
function typesOf(text: string | undefined): readonly string[] | undefined {
  const types = text?.split(',').map((t) => t.trim().toLowerCase());
  const strange = types?.find((type) => !knownTypes.includes(type));
  if (strange !== undefined)
    throw usageError(`--types: no event is of type "${strange}"`, 'choose Normal, Warning or both');
  return types;
}

function selectorOf(word: string): string {
  const { def, name } = parseRef(word);
  return `involvedObject.kind=${def.kind},involvedObject.name=${name}`;
}

const oldestFirst = (a: Event, b: Event): number => (lastSeen(a) < lastSeen(b) ? -1 : 1);

const row = (event: Event, withNamespace: boolean, now: number): string[] => [
  ...(withNamespace ? [event.metadata.namespace ?? ''] : []),
  eventAge(event, now),
  event.type,
  event.reason,
  `${(event.involvedObject.kind ?? '').toLowerCase()}/${event.involvedObject.name ?? ''}`,
  event.message.trim(),
];
