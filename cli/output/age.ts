/** Durations and ages as kubectl prints them, and durations of flags. */
import { age, formatAge } from '../../api-schemas/units.ts';

export { age };
/** `5s`, `3m12s`, `45m`, `5h3m`, `2d4h`: never more than two units. */
export const humanDuration = formatAge;

const units: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** `300ms`, `10s`, `1m30s`, `2h`, or bare seconds as kubectl takes them; undefined when it is none of these. */
export function parseDuration(text: string): number | undefined {
  if (/^\d+$/.test(text)) return Number(text) * 1000;
  if (!/^(\d+(\.\d+)?(ms|s|m|h|d))+$/.test(text)) return undefined;
  let total = 0;
  for (const [, amount, unit] of text.matchAll(/(\d+(?:\.\d+)?)(ms|s|m|h|d)/g)) {
    total += Number(amount) * (units[unit ?? ''] ?? 0);
  }
  return total;
}
