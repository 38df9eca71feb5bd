import { pino } from 'pino';
import pretty from 'pino-pretty';

export type Logger = pino.Logger;
export type LogFormat = 'json' | 'text';

/** Field names that never reach a log, wherever they sit in the logged object (two levels deep). */
const secretFields = ['token', 'password', 'key', 'data', 'stringData', 'authorization', 'env'];

/**
 * Returns the process's logger: JSON lines, or readable lines when `format` is `text`
 * (the default in a terminal). Each line names the object it is about in `object`
 * (`Kind/namespace/name`) where there is one.
 */
export function createLogger(options: { level?: string; format?: LogFormat; name?: string } = {}): Logger {
  const format = options.format ?? (process.stderr.isTTY ? 'text' : 'json');
  const base = {
    ...(options.name === undefined ? {} : { name: options.name }),
    level: options.level ?? process.env['ORC_LOG_LEVEL'] ?? 'info',
    redact: { paths: secretFields.flatMap((f) => [f, `*.${f}`]), censor: '[hidden]' },
    base: null,
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (label: string) => ({ level: label }) },
  };
  if (format === 'json') return pino(base, pino.destination({ fd: 2, sync: true }));
  return pino(
    base,
    pretty({
      destination: 2,
      sync: true,
      colorize: process.stderr.isTTY,
      ignore: 'pid,hostname',
      translateTime: 'SYS:HH:MM:ss.l',
      singleLine: true,
    }),
  );
}

export const silentLogger: Logger = pino({ level: 'silent' });
