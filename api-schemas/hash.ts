import { createHash } from 'node:crypto';

/** JSON with keys in order and without undefined: equal values give equal text. */
export function canonicalJson(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map((item) => canonicalJson(item ?? null)).join(',')}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value) ?? 'null';
  const entries = Object.entries(value)
    .filter(([, child]) => child !== undefined)
    .sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0));
  return `{${entries.map(([key, child]) => `${JSON.stringify(key)}:${canonicalJson(child)}`).join(',')}}`;
}

/** The first `digits` (8 to 64) hex digits of the SHA-256 of the canonical JSON. */
export const contentHash = (value: unknown, digits = 8): string =>
  createHash('sha256').update(canonicalJson(value)).digest('hex').slice(0, digits);
