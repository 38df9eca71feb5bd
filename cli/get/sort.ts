/** Checks `--sort-by` before anything is asked: a field that no kind has would sort nothing, silently. */
import type { Schema } from '../../api-schemas/dialect.ts';
import { usageError } from '../errors.ts';
import type { KindDef } from '../kinds.ts';
import { nearest } from '../parse.ts';
import { stepsOf } from '../output/rows.ts';
import { childOf, fieldsOf } from '../output/schema.ts';

/** Throws a usage error unless at least one of the kinds has the field. */
export function checkSortPath(defs: readonly KindDef[], path: string): void {
  const steps = stepsOf(path);
  const missing = defs.map((def) => missingStep(def.schema, steps));
  if (steps.length > 0 && missing.some((where) => where === undefined)) return;
  const [first] = missing;
  const near = first === undefined ? undefined : nearest(first.step, first.known);
  throw usageError(
    `--sort-by: ${defs.map((def) => def.plural).join(', ')} have no field "${path}"`,
    near === undefined
      ? 'e.g. --sort-by .metadata.creationTimestamp; `orc explain KIND --recursive` lists the fields'
      : `did you mean "${near}"?`,
  );
}

function missingStep(
  schema: Schema,
  steps: readonly string[],
): { readonly step: string; readonly known: readonly string[] } | undefined {
  let at = schema;
  for (const step of steps) {
    const next = childOf(at, step);
    if (next === undefined) return { step, known: fieldsOf(at) };
    at = next;
  }
  return undefined;
}
