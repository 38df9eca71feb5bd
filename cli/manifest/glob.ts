/** Shell patterns for shells that left them alone: `*`, `?`, `[abc]`, `**`. */
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';

export const isGlob = (path: string): boolean => /[*?[]/.test(path);

function segmentPattern(segment: string): RegExp {
  const body = segment
    .replace(/[.+^${}()|\\]/g, '\\$&')
    .replaceAll('*', '.*')
    .replaceAll('?', '.')
    .replace(/\[!/g, '[^');
  return new RegExp(`^${body}$`, 'u');
}

/** Paths that match, sorted. Names that begin with a dot match only a segment that does too. */
export async function expandGlob(pattern: string): Promise<string[]> {
  const absolute = pattern.startsWith('/');
  const segments = pattern.split('/').filter((s) => s !== '' && s !== '.');
  return (await expand(absolute ? '/' : '.', segments)).sort();
}

async function expand(base: string, segments: readonly string[]): Promise<string[]> {
  const [segment, ...rest] = segments;
  if (segment === undefined) return [base];
  if (!isGlob(segment)) return expand(join(base, segment), rest);
  const entries = await readdir(base, { withFileTypes: true }).catch(() => []);
  const pattern = segment === '**' ? /^/ : segmentPattern(segment);
  const found: string[] = segment === '**' ? await expand(base, rest) : [];
  for (const entry of entries) {
    if (entry.name.startsWith('.') && !segment.startsWith('.')) continue;
    if (!pattern.test(entry.name)) continue;
    const path = join(base, entry.name);
    if (segment === '**') {
      if (entry.isDirectory()) found.push(...(await expand(path, segments)));
    } else if (rest.length === 0 || entry.isDirectory()) {
      found.push(...(await expand(path, rest)));
    }
  }
  return [...new Set(found)];
}
