import type { Condition, Obj } from '../../api-schemas/index.ts';
import { waitFor, WaitTimeout } from '../../client/index.ts';
import { defineCommand } from '../command.ts';
import { CliError, usageError } from '../errors.ts';
import { duration, single } from '../flags.ts';
import { say } from '../io.ts';
import { label, scopeOf, selectNamed } from '../kinds.ts';

type Wish =
  | { readonly kind: 'delete' }
  | { readonly kind: 'create' }
  | { readonly kind: 'condition'; readonly type: string; readonly status: string };

export const command = defineCommand({
  positionals: '<what..>',
  describe: 'Wait until objects meet a condition, are there, or are gone.',
  examples: [
    ['orc wait --for=condition=Ready stack/hello', 'Until the stack is ready'],
    ['orc wait --for=delete service/web --timeout 1m', 'Until the service is gone'],
  ],
  epilog: 'Exit codes: 0 met, 1 failed, 2 wrong usage, 3 not met within --timeout.',
  options: (yargs) =>
    yargs
      .positional('what', {
        type: 'string',
        array: true,
        demandOption: true,
        describe: 'KIND NAME… or KIND/NAME…',
      })
      .option('for', {
        type: 'string',
        demandOption: true,
        describe: 'condition=TYPE[=STATUS], create or delete',
      })
      .option('timeout', { type: 'string', default: '30s', describe: 'Longest wait for each object' }),

  async run(context, args) {
    const wish = parseWish(single(args.for, '--for') ?? '');
    const timeoutMs = duration(args.timeout, '--timeout');
    const refs = selectNamed(args.what);
    const { client, namespace } = await context.connect();
    for (const { def, name } of refs) {
      const ref = { ...scopeOf(def, namespace), name };
      // What is not there will never meet a condition by itself.
      if (wish.kind === 'condition') await client.get(def.kind, ref, context.signal);
      try {
        await waitFor(client, def.kind, ref, (object) => isMet(wish, object), {
          timeoutMs,
          signal: context.signal,
        });
      } catch (error) {
        if (!(error instanceof WaitTimeout)) throw error;
        throw new CliError(
          `timed out after ${args.timeout}: ${label(def, name)} ${unmet(wish, error.last as Obj | undefined)}`,
          {
            exitCode: 3,
            remedy: `\`orc describe ${label(def, name)}\` says more`,
          },
        );
      }
      say(context.io, `${label(def, name)} ${met(wish)}`);
    }
    return 0;
  },
});

function parseWish(text: string): Wish {
  if (text === 'delete' || text === 'create') return { kind: text };
  const [, type, status] = /^condition=([^=]+)(?:=(.+))?$/i.exec(text) ?? [];
  if (type === undefined)
    throw usageError(`--for=${text} is not understood`, 'write condition=TYPE, create or delete');
  if (status !== undefined && !/^(true|false|unknown)$/i.test(status))
    throw usageError(`--for=${text}: a condition is never "${status}"`, 'choose True, False or Unknown');
  return { kind: 'condition', type, status: status ?? 'True' };
}

const conditionOf = (object: Obj | undefined, type: string): Condition | undefined =>
  (object as { status?: { conditions?: readonly Condition[] } } | undefined)?.status?.conditions?.find(
    (c) => c.type.toLowerCase() === type.toLowerCase(),
  );

/** A condition counts only when it was made for the spec as it is now. */
function isMet(wish: Wish, object: Obj | undefined): boolean {
  switch (wish.kind) {
    case 'delete':
      return object === undefined;
    case 'create':
      return object !== undefined;
    case 'condition': {
      const condition = conditionOf(object, wish.type);
      const status = (object as { status?: { observedGeneration?: number } } | undefined)?.status;
      const generation = object?.metadata.generation ?? 0;
      const seen = condition?.observedGeneration ?? status?.observedGeneration ?? generation;
      return condition?.status.toLowerCase() === wish.status.toLowerCase() && seen >= generation;
    }
  }
}

function met(wish: Wish): string {
  switch (wish.kind) {
    case 'delete':
      return 'is gone';
    case 'create':
      return 'is there';
    case 'condition':
      return 'condition met';
  }
}

function unmet(wish: Wish, last: Obj | undefined): string {
  if (wish.kind === 'create') return 'is not there';
  if (wish.kind === 'delete') {
    const holding = last?.metadata.finalizers ?? [];
    return last?.metadata.deletionTimestamp === undefined
      ? 'is not being deleted'
      : `is held by ${holding.join(', ')}`;
  }
  const condition = conditionOf(last, wish.type);
  return condition === undefined
    ? `has no condition ${wish.type}`
    : `has ${condition.type}=${condition.status} (${condition.reason}: ${condition.message})`;
}
