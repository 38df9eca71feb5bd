import { defineCommand } from '../command.ts';
import { scaleManager } from '../apply/take-over.ts';
import { usageError } from '../errors.ts';
import { dryRunFlag, duration, waitFlags, wholeNumber } from '../flags.ts';
import { note, say } from '../io.ts';
import { kindOf, label, resolveKind, selectNamed, type NamedRef } from '../kinds.ts';
import { targetOf, type WaitTarget } from '../wait/target.ts';
import { waitForTargets } from '../wait/wait.ts';

interface Wish {
  readonly name: string;
  readonly replicas: number;
}

export const command = defineCommand({
  positionals: '<what..>',
  describe: 'Set how many replicas of a service run.',
  examples: [
    ['orc scale web=3', 'Three replicas of service web'],
    ['orc scale web=3 api=2 --no-wait', 'Two services at once, without waiting'],
    ['orc scale web --replicas 3', 'The same as the first; service/web and service web too'],
  ],
  epilog:
    'Exit codes: 0 converged, 1 failed, 2 wrong usage, 3 not converged within --timeout, 130 interrupted (the work goes on).',
  options: (yargs) =>
    dryRunFlag(waitFlags(yargs))
      .positional('what', {
        type: 'string',
        array: true,
        demandOption: true,
        describe: 'NAME=N…, or NAME… or KIND/NAME… with --replicas',
      })
      .option('replicas', { type: 'string', describe: 'How many' }),

  async run(context, args) {
    const wishes = wishesOf(args.what, wholeNumber(args.replicas, '--replicas'));
    const timeoutMs = duration(args.timeout, '--timeout');
    const connection = await context.connect();
    const { client, namespace } = connection;
    const def = resolveKind('service');
    const targets: WaitTarget[] = [];
    for (const { name, replicas } of wishes) {
      const service = await client.get('Service', { namespace, name }, context.signal);
      const owner = service.metadata.ownerReferences?.find((o) => o.kind === 'Stack');
      if (args.dryRun !== 'client')
        await client.setScale('Service', { namespace, name }, replicas, {
          dryRun: args.dryRun === 'server',
          fieldManager: scaleManager,
          signal: context.signal,
        });
      say(
        context.io,
        `${label(def, name)} scaled${args.dryRun === 'none' ? '' : ` (${args.dryRun} dry run)`}`,
      );
      if (owner !== undefined) {
        note(
          context.io,
          `warning: ${label(def, name)} belongs to stack/${owner.name}: the number holds until the stack's manifest changes this service; set replicas there to keep it`,
        );
      }
      targets.push(targetOf(await client.get('Service', { namespace, name }, context.signal), namespace));
    }
    const wait = args.wait ?? context.io.stdoutTty;
    if (!wait || args.dryRun !== 'none') return 0;
    return waitForTargets(context, connection, targets, {
      timeoutMs,
      what: label(def, wishes[0]?.name ?? ''),
    });
  },
});

function wishesOf(words: readonly string[], replicas: number | undefined): readonly Wish[] {
  if (replicas === undefined) {
    return words.map((word) => {
      const [, name, count] = /^(?:services?\/)?([^=/]+)=(\d+)$/.exec(word) ?? [];
      if (name === undefined || count === undefined)
        throw usageError(`"${word}" is not NAME=N`, 'e.g. `orc scale web=3`, or give --replicas');
      return { name, replicas: Number(count) };
    });
  }
  return namedWords(words).map(({ def, name }) => {
    if (def.kind !== 'Service') throw usageError(`${label(def, name)} cannot be scaled: only services can`);
    if (name.includes('=')) throw usageError(`"${name}" and --replicas both say how many: give one of them`);
    return { name, replicas };
  });
}

/** Only services can be scaled, so the kind may be left out: words that begin with no kind are services' names. */
function namedWords(words: readonly string[]): readonly NamedRef[] {
  const [first = '', ...names] = words;
  const startsWithKind = names.length > 0 && kindOf(first) !== undefined;
  if (startsWithKind || words.some((word) => word.includes('/'))) return selectNamed(words);
  return words.map((name) => ({ def: resolveKind('service'), name }));
}
