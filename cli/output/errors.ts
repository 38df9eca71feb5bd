/** What a user reads when something failed: one line, the details beneath it, and what to do about it. */
import { ApiError, messageOf, type Cause } from '../../kit/errors.ts';
import { CliError } from '../errors.ts';
import type { Palette } from './color.ts';
import { visible } from './text.ts';

interface Report {
  readonly message: string;
  readonly lines?: readonly string[];
  readonly remedy?: string | undefined;
}

/** The lines for stderr. The stack is in them only with `verbose`. */
export function renderError(error: unknown, palette: Palette, verbose = false): string[] {
  const { message, lines = [], remedy } = reportOf(error);
  return [
    `${palette.red('error:')} ${visible(message)}`,
    ...lines.map((line) => (line === '' ? '' : `  ${visible(line)}`)),
    ...(remedy === undefined ? [] : [`${palette.cyan('hint:')} ${visible(remedy)}`]),
    ...(verbose && error instanceof Error ? stackOf(error).map(palette.dim) : []),
  ];
}

function reportOf(error: unknown): Report {
  if (error instanceof CliError) return error;
  if (error instanceof ApiError) return apiReport(error);
  if (error instanceof Error && error.name === 'ConnectionError') return { message: error.message };
  return { message: messageOf(error) };
}

function apiReport(error: ApiError): Report {
  const causes = error.details?.causes ?? [];
  switch (error.reason) {
    case 'Conflict':
      return causes.some(isFieldConflict)
        ? fieldConflict(causes.filter(isFieldConflict))
        : { message: error.message };
    case 'Unauthorized':
      return {
        message: `the server does not accept this context's certificate (${error.message})`,
        remedy: '`orc config current-context` shows which one is used; `orc up` writes a fresh one',
      };
    case 'Forbidden':
      return {
        message: error.message,
        remedy: 'use a context whose user may do this: `orc config get-contexts`',
      };
    default:
      return causes.length > 0 ? withCauses(error, causes) : { message: error.message };
  }
}

/** As kubectl: one cause on the line itself, several as a list under `… is invalid:`. */
function withCauses(error: ApiError, causes: readonly Cause[]): Report {
  const { kind, name } = error.details ?? {};
  const who =
    kind === undefined || name === undefined || name === '' ? undefined : `The ${kind} "${name}" is invalid`;
  if (who === undefined || error.reason !== 'Invalid') {
    return { message: error.message, lines: causes.length > 1 ? causes.map(causeLine) : [] };
  }
  const [only] = causes;
  return causes.length === 1 && only !== undefined
    ? { message: `${who}: ${causeText(only)}` }
    : { message: `${who}:`, lines: causes.map(causeLine) };
}

const causeText = ({ field, message }: Cause): string =>
  field === undefined || field === '' || names(message, field) ? message : `${field}: ${message}`;
const names = (message: string, field: string): boolean =>
  message.startsWith(`${field}:`) || message.includes(` ${field} `) || message.includes(`"${field}"`);
const causeLine = (cause: Cause): string => `* ${causeText(cause)}`;
const isFieldConflict = (cause: Cause): boolean => cause.reason === 'FieldManagerConflict';

function fieldConflict(causes: readonly Cause[]): Report {
  const byManager = new Map<string, string[]>();
  for (const { message, field } of causes) {
    const manager = /conflict with "([^"]*)"/.exec(message)?.[1] ?? message;
    byManager.set(manager, [...(byManager.get(manager) ?? []), field ?? '?']);
  }
  const managers = [...byManager.keys()].map((name) => `"${name}"`).join(', ');
  return {
    message: `the manifest sets ${causes.length === 1 ? 'a field' : 'fields'} that ${managers} also manages with another value:`,
    lines: [...byManager].flatMap(([manager, fields]) =>
      fields.map((field) => `* ${field}  (set by "${manager}")`),
    ),
    remedy:
      'leave the field out of the manifest to keep their value, write their value to share it, or take it over with --force-conflicts',
  };
}

function stackOf(error: Error): string[] {
  const own = (error.stack ?? '').split('\n').slice(1);
  return error.cause instanceof Error
    ? [...own, `caused by: ${error.cause.message}`, ...stackOf(error.cause)]
    : own;
}
