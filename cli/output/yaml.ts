/** Objects as YAML and JSON, as `-o` prints them. */
import { stringify } from 'yaml';

/** Keys in alphabetical order (so: apiVersion, kind, metadata, spec, status), no line folding. */
export const toYaml = (value: unknown): string =>
  stringify(value, {
    version: '1.1',
    lineWidth: 0,
    sortMapEntries: true,
    aliasDuplicateObjects: false,
    indentSeq: false,
  });

export const toJson = (value: unknown): string => `${JSON.stringify(value, undefined, 4)}\n`;

/** The object without what only machines read. */
export function withoutManagedFields<T>(object: T): T {
  const metadata = (object as { metadata?: Record<string, unknown> }).metadata;
  if (metadata?.['managedFields'] === undefined) return object;
  const { managedFields: _, ...rest } = metadata;
  return { ...object, metadata: rest };
}
