/** A refused apply in the words that kubectl and people know. */
import { ApiError, type Cause } from '../../kit/errors.ts';
import { printPath } from './elements.ts';
import { pathsOf, type FieldSet } from './fieldset.ts';
import type { Owner } from './managed-fields.ts';

export interface FieldConflict {
  readonly owner: Owner;
  readonly fields: FieldSet;
}

/** 409 with one cause per field, naming who owns it. */
export function conflictError(conflicts: readonly FieldConflict[]): ApiError {
  const found = conflicts.map(({ owner, fields }) => ({
    who: printOwner(owner),
    fields: [...pathsOf(fields)].map(printPath),
  }));
  const causes = found.flatMap(({ who, fields }) =>
    fields.map((field): Cause => ({
      reason: 'FieldManagerConflict',
      message: `conflict with ${who}`,
      field,
    })),
  );
  const [only] = causes;
  const text =
    causes.length === 1 && only !== undefined
      ? `${only.message}: ${only.field ?? ''}`
      : found
          .map(({ who, fields }) => [`conflicts with ${who}:`, ...fields.map((f) => `- ${f}`)].join('\n'))
          .join('\n');
  return new ApiError(
    409,
    `Apply failed with ${causes.length} conflict${causes.length === 1 ? '' : 's'}: ${text}`,
    { details: { causes } },
  );
}

function printOwner({ manager, operation, apiVersion, subresource }: Owner): string {
  const name = `${JSON.stringify(manager)}${subresource === undefined ? '' : ` with subresource ${JSON.stringify(subresource)}`}`;
  return operation === 'Update' ? `${name} using ${apiVersion}` : name;
}
