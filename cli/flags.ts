/** Flags that several commands share. */
import type { Argv } from 'yargs';
import { usageError } from './errors.ts';
import { parseDuration } from './output/age.ts';

export const selectorFlags = <A>(yargs: Argv<A>) =>
  yargs
    .option('selector', {
      alias: 'l',
      type: 'string',
      describe: 'Only objects with these labels, e.g. app=web,tier!=db',
    })
    .option('field-selector', {
      type: 'string',
      describe: 'Only objects with these fields, e.g. metadata.name=web',
    });

export const allNamespacesFlag = <A>(yargs: Argv<A>) =>
  yargs.option('all-namespaces', {
    alias: 'A',
    type: 'boolean',
    default: false,
    describe: 'Look in all namespaces',
  });

export const fileFlags = <A>(yargs: Argv<A>) =>
  yargs
    .option('filename', {
      alias: 'f',
      type: 'string',
      array: true,
      default: [] as string[],
      defaultDescription: 'none',
      describe: 'File, directory, pattern, http(s) address, or - for standard input; may be repeated',
    })
    .option('recursive', {
      alias: 'R',
      type: 'boolean',
      default: false,
      describe: 'Look into subdirectories too',
    });

export const waitFlags = <A>(yargs: Argv<A>) =>
  yargs
    .option('wait', {
      type: 'boolean',
      describe: 'Wait until done (default: in a terminal); --no-wait does not',
    })
    .option('timeout', {
      type: 'string',
      default: '5m',
      describe: 'Longest wait, e.g. 90s, 10m (0: do not wait at all)',
    });

export const dryRunFlag = <A>(yargs: Argv<A>) =>
  yargs.option('dry-run', {
    type: 'string',
    choices: ['none', 'client', 'server'] as const,
    default: 'none' as 'none' | 'client' | 'server',
    describe: 'Change nothing: only check here (client), or have the server decide all but storing (server)',
  });

/** The one value of a flag that was given once or not at all. */
export function single(value: string | readonly string[] | undefined, flag: string): string | undefined {
  if (value === undefined || typeof value === 'string') return value;
  if (value.length > 1) throw usageError(`${flag} can be given only once`);
  return value[0];
}

/** The value of a flag that counts something. An empty value is none: what a script left out must not become 0. */
export function wholeNumber(value: string | readonly string[] | undefined, flag: string): number | undefined {
  const text = single(value, flag);
  if (text === undefined) return undefined;
  const number = Number(text);
  if (!/^\d+$/.test(text) || !Number.isSafeInteger(number))
    throw usageError(`${flag} must be a whole number, 0 or more, and not "${text}"`, `e.g. ${flag} 3`);
  return number;
}

/** Milliseconds of a flag's duration; a usage error names the flag. */
export function duration(value: string | readonly string[], flag: string): number {
  const text = single(value, flag) ?? '';
  const ms = parseDuration(text);
  if (ms === undefined) throw usageError(`${flag}: "${text}" is not a duration`, 'e.g. 30s, 1m30s, 2h');
  return ms;
}

/** `app in (a,b),x=y` from one or several -l: all must hold. */
export const joined = (value: string | readonly string[] | undefined): string | undefined =>
  value === undefined || typeof value === 'string' ? value : value.join(',');
