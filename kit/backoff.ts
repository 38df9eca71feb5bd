/**
 * Delay before try number `failures + 1`: doubles from `baseMs`, capped at `maxMs`.
 * With `random`, between half and all of it, so that many waiters do not come back together.
 */
export function backoffMs(
  failures: number,
  { baseMs, maxMs, random }: { baseMs: number; maxMs: number; random?: () => number },
): number {
  if (failures <= 0) return 0;
  const full = Math.min(maxMs, baseMs * 2 ** Math.min(failures - 1, 40));
  return random === undefined ? full : full * (0.5 + random() / 2);
}
