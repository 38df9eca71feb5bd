/**
 * Runs random sequences through our server-side apply and through Kubernetes' own library, and reports the
 * differences. Run by `oracle.test.ts`. `ORC_SMD_ORACLE` names a program built elsewhere (a newer library).
 */
import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { decodeSet, encodeSet } from '../../server/apply/managed-fields.ts';
import { fieldTypeOf } from '../../server/apply/schema.ts';
import { apply, update, type Owners } from '../../server/apply/updater.ts';
import { canonical, isList, isObject, type Json, type JsonObject } from '../../server/apply/value.ts';
import { randomFrom, randomSequence, schema, type Step } from './generate.ts';

const here = fileURLToPath(new URL('.', import.meta.url));

/** Builds the oracle with Debian's Go and library; undefined, with the reason, where they are missing. */
export function buildOracle(): { readonly program: string; remove(): void } | { readonly missing: string } {
  const given = process.env['ORC_SMD_ORACLE'];
  if (given !== undefined) return { program: given, remove: () => undefined };
  const work = mkdtempSync(join(tmpdir(), 'orc-oracle-'));
  mkdirSync(join(work, 'src', 'oracle'), { recursive: true });
  copyFileSync(join(here, 'main.go'), join(work, 'src', 'oracle', 'main.go'));
  const program = join(work, 'oracle');
  const built = spawnSync('go', ['build', '-o', program, 'oracle'], {
    env: { ...process.env, GO111MODULE: 'off', GOPATH: `${work}:/usr/share/gocode`, GOFLAGS: '' },
    encoding: 'utf8',
  });
  const remove = (): void => rmSync(work, { recursive: true, force: true });
  if (built.status === 0) return { program, remove };
  remove();
  return { missing: built.error?.message ?? built.stderr };
}

interface Result {
  readonly object: Json;
  readonly managers: Record<string, JsonObject>;
  readonly conflicts?: Record<string, JsonObject>;
  readonly error?: string;
}

const type = fieldTypeOf(schema, () => ({}));

/** What our implementation makes of the sequence. */
export function runOurs(steps: readonly Step[]): readonly Result[] {
  let live: Json = {};
  let owners: Owners = new Map();
  return steps.map((step) => {
    let conflicts: Owners | undefined;
    let error: string | undefined;
    try {
      const outcome =
        step.op === 'apply'
          ? apply(live, step.object, owners, step.manager, step.force, { type })
          : { kind: 'applied' as const, ...update(live, step.object, owners, step.manager, { type }) };
      if (outcome.kind === 'conflict') conflicts = outcome.conflicts;
      else {
        live = outcome.object;
        owners = outcome.owners;
      }
    } catch (caught) {
      error = String(caught);
    }
    return {
      object: live,
      managers: encode(owners),
      ...(conflicts === undefined ? {} : { conflicts: encode(conflicts) }),
      ...(error === undefined ? {} : { error }),
    };
  });
}

const encode = (owners: Owners): Record<string, JsonObject> =>
  Object.fromEntries([...owners].map(([name, set]) => [name, encodeSet(set)]));

/**
 * Text in which two equal results are equal. The library of Debian 12 (4.1.2) orders lists with keys in an
 * older way and reports wrong paths in conflicts (it reuses their memory): with it neither counts.
 */
function normal(result: Result, newer: boolean): string {
  const sets = (all: Record<string, JsonObject>): Json =>
    Object.fromEntries(
      Object.entries(all).map(([name, set]) => [
        name,
        encodeSet(decodeSet(set) ?? { members: new Set(), children: new Map() }),
      ]),
    );
  return canonical({
    object: newer ? result.object : unordered(result.object ?? {}),
    managers: sets(result.managers),
    conflicts: newer ? sets(result.conflicts ?? {}) : Object.keys(result.conflicts ?? {}).sort(),
    error: result.error === undefined ? false : true,
  });
}

function unordered(value: Json): Json {
  if (isList(value)) return [...value.map(unordered)].sort((a, b) => (canonical(a) < canonical(b) ? -1 : 1));
  if (!isObject(value)) return value;
  return Object.fromEntries(Object.entries(value).map(([key, child]) => [key, unordered(child)]));
}

export interface Difference {
  readonly seed: number;
  readonly step: number;
  readonly steps: readonly Step[];
  readonly ours: string;
  readonly theirs: string;
}

/**
 * Runs `count` sequences from `seed` on; returns those on which the two disagree. `newer`: the program is
 * built with 4.4 or later.
 */
export function differences(
  program: string,
  { count, seed, newer }: { count: number; seed: number; newer: boolean },
): readonly Difference[] {
  const found: Difference[] = [];
  const batch = 2000;
  for (let start = seed; start < seed + count; start += batch) {
    const seeds = Array.from({ length: Math.min(batch, seed + count - start) }, (_, i) => start + i);
    const sequences = seeds.map((one) => randomSequence(randomFrom(one), 6));
    const ran = spawnSync(program, [join(here, 'schema.yaml')], {
      input: sequences.map((steps) => JSON.stringify(steps)).join('\n'),
      encoding: 'utf8',
      maxBuffer: 1 << 30,
    });
    if (ran.status !== 0) throw new Error(`the oracle failed: ${ran.stderr}`);
    for (const [index, line] of ran.stdout.trim().split('\n').entries()) {
      const theirs = JSON.parse(line) as readonly Result[];
      const steps = sequences[index] ?? [];
      const ours = runOurs(steps);
      for (const [step, result] of theirs.entries()) {
        const mine = ours[step];
        if (mine === undefined) continue;
        const [a, b] = [normal(mine, newer), normal(result, newer)];
        if (a === b) continue;
        found.push({
          seed: seeds[index] ?? 0,
          step,
          steps,
          ours: JSON.stringify(mine),
          theirs: JSON.stringify(result),
        });
        break;
      }
    }
  }
  return found;
}
