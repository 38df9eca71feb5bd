/** What benches share: their options, and what they make of many measurements. */

/** The value behind `name` on the command line; undefined when it is not there. */
export const option = (args: readonly string[], name: string): string | undefined => {
  const index = args.indexOf(name);
  return index < 0 ? undefined : args[index + 1];
};

/** Nearest rank, rounded to ms. */
export function quantile(q: number, values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const value = sorted[Math.max(0, Math.ceil(q * sorted.length) - 1)] ?? NaN;
  return Math.round(value * 1000) / 1000;
}
