/** Query parameters of writes and lists. */
import type { IncomingMessage } from 'node:http';
import { badRequest } from './errors.ts';

export type FieldValidation = 'Strict' | 'Warn' | 'Ignore';

export interface WriteParams {
  readonly dryRun: boolean;
  readonly manager: string;
  readonly fieldValidation: FieldValidation;
  readonly force: boolean;
}

/** Throws 400 for values that do not exist. Unknown fields are refused unless the client asks for less. */
export function writeParams(query: URLSearchParams, req: IncomingMessage): WriteParams {
  return {
    dryRun: dryRunOf(query.getAll('dryRun')),
    manager: managerOf(query.get('fieldManager'), req.headers['user-agent']),
    fieldValidation: fieldValidationOf(query.get('fieldValidation')),
    force: boolOf(query, 'force'),
  };
}

export function dryRunOf(values: readonly unknown[]): boolean {
  const given = values.filter((value) => value !== '');
  if (given.some((value) => value !== 'All')) {
    throw badRequest(
      `invalid dryRun ${JSON.stringify(given.map(String).join(','))}: supported values: "All"`,
    );
  }
  return given.length > 0;
}

function fieldValidationOf(value: string | null): FieldValidation {
  if (value === null || value === '') return 'Strict';
  if (value === 'Strict' || value === 'Warn' || value === 'Ignore') return value;
  throw badRequest(
    `invalid fieldValidation ${JSON.stringify(value)}: supported values: "Ignore", "Strict", "Warn"`,
  );
}

/** The program's name where the client names none, as kubectl's `scale` does not. */
function managerOf(given: string | null, userAgent = ''): string {
  const name = given === null || given === '' ? (userAgent.split('/')[0] ?? '') : given;
  if (name.length > 128 || /[\u0000-\u001f\u007f]/.test(name)) {
    if (given === null || given === '') return 'unknown';
    throw badRequest('invalid fieldManager: must be at most 128 printable characters');
  }
  return name === '' ? 'unknown' : name;
}

export function boolOf(query: URLSearchParams, key: string): boolean {
  const value = query.get(key);
  if (value === null || value === 'false' || value === '0') return false;
  if (value === 'true' || value === '1' || value === '') return true;
  throw badRequest(`invalid ${key} ${JSON.stringify(value)}: must be true or false`);
}

/** A whole number, not negative; undefined when absent. */
export function intOf(query: URLSearchParams, key: string): number | undefined {
  const value = query.get(key);
  if (value === null || value === '') return undefined;
  if (!/^\d{1,15}$/.test(value)) {
    throw badRequest(`invalid ${key} ${JSON.stringify(value)}: must be a whole number, not negative`);
  }
  return Number(value);
}
