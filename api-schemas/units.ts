/** Durations, cores and sizes, as strings in manifests and as numbers in code. */

const msOf: Readonly<Record<string, number>> = {
  ns: 1e-6,
  us: 1e-3,
  µs: 1e-3,
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
};

/** What fits a 64-bit number of nanoseconds, as Docker counts: 292 years. */
const maxMs = 2 ** 63 / 1e6;

/** Milliseconds of `10s`, `1m30s`, `1.5h`, `250ms`, `0`. Throws RangeError on anything else. */
export function parseDuration(text: string): number {
  if (text === '0') return 0;
  if (text.length > 64 || !/^(\d+(\.\d+)?(ns|us|µs|ms|s|m|h))+$/.test(text)) {
    throw new RangeError(`not a duration: ${JSON.stringify(text)}; write e.g. 10s, 1m30s or 500ms`);
  }
  let ms = 0;
  for (const [, amount, unit] of text.matchAll(/(\d+(?:\.\d+)?)(ns|us|µs|ms|s|m|h)/g)) {
    ms += Number(amount) * (msOf[unit ?? ''] ?? 0);
  }
  if (ms > maxMs) throw new RangeError(`duration too long: ${text}`);
  return ms;
}

/** The shortest text that `parseDuration` reads back, to the millisecond. Negative counts as 0. */
export function formatDuration(ms: number): string {
  let left = Math.max(0, Math.round(ms));
  if (left === 0) return '0s';
  let text = '';
  for (const [unit, size] of [
    ['h', 3_600_000],
    ['m', 60_000],
    ['s', 1000],
    ['ms', 1],
  ] as const) {
    const amount = Math.floor(left / size);
    if (amount > 0) text += `${amount}${unit}`;
    left -= amount * size;
  }
  return text;
}

/** Cores of `1.5`, `500m`, `2`. Throws RangeError on anything else. */
export function parseCpus(text: string): number {
  const match = /^(\d{1,9}(?:\.\d{1,9})?)(m?)$/.exec(text);
  if (match === null) {
    throw new RangeError(`not a number of cores: ${JSON.stringify(text)}; write e.g. 0.5, 500m or 2`);
  }
  return match[2] === 'm' ? Number(match[1]) / 1000 : Number(match[1]);
}

const binary = ['Ki', 'Mi', 'Gi', 'Ti', 'Pi'] as const;
const decimal = ['k', 'M', 'G', 'T', 'P'] as const;

/** Bytes of `256Mi`, `1.5Gi`, `500M`, `1048576`; rounded up to a whole byte. Throws RangeError on anything else. */
export function parseBytes(text: string): number {
  const match = /^(\d{1,16}(?:\.\d{1,9})?)(Ki|Mi|Gi|Ti|Pi|k|M|G|T|P)?$/.exec(text);
  if (match === null) {
    throw new RangeError(`not a size: ${JSON.stringify(text)}; write e.g. 256Mi, 1.5Gi or 500M`);
  }
  const unit = match[2];
  const factor =
    unit === undefined
      ? 1
      : unit.length === 2
        ? 1024 ** (binary.indexOf(unit as (typeof binary)[number]) + 1)
        : 1000 ** (decimal.indexOf(unit as (typeof decimal)[number]) + 1);
  const bytes = Math.ceil(Number(match[1]) * factor);
  if (!Number.isSafeInteger(bytes)) throw new RangeError(`size too large: ${text}`);
  return bytes;
}

/** Bytes in the largest binary unit that keeps them exact (what `parseBytes` reads back), e.g. `256Mi`. */
export function formatBytes(bytes: number): string {
  const whole = Math.max(0, Math.round(bytes));
  for (let power = binary.length; power > 0; power--) {
    const size = 1024 ** power;
    if (whole >= size && whole % size === 0) return `${whole / size}${binary[power - 1] ?? ''}`;
  }
  return String(whole);
}

/** How long ago, as kubectl prints it: `45s`, `5m30s`, `3h`, `2d4h`, `400d`. */
export function formatAge(ms: number): string {
  const seconds = Math.floor(ms / 1000);
  if (seconds < -1) return '<invalid>';
  if (seconds < 0) return '0s';
  const minutes = Math.floor(seconds / 60);
  const hours = Math.floor(minutes / 60);
  const days = Math.floor(hours / 24);
  const years = Math.floor(days / 365);
  const two = (a: number, unitA: string, b: number, unitB: string): string =>
    b === 0 ? `${a}${unitA}` : `${a}${unitA}${b}${unitB}`;
  if (seconds < 120) return `${seconds}s`;
  if (minutes < 10) return two(minutes, 'm', seconds % 60, 's');
  if (hours < 3) return `${minutes}m`;
  if (hours < 8) return two(hours, 'h', minutes % 60, 'm');
  if (hours < 48) return `${hours}h`;
  if (days < 8) return two(days, 'd', hours % 24, 'h');
  if (years < 2) return `${days}d`;
  if (years < 8) return two(years, 'y', days % 365, 'd');
  return `${years}y`;
}

/** The age of an RFC 3339 time, as kubectl prints it; `<unknown>` when there is none. */
export function age(time: string | null | undefined, now: number): string {
  const at = time === null || time === undefined ? NaN : Date.parse(time);
  return Number.isNaN(at) ? '<unknown>' : formatAge(now - at);
}
