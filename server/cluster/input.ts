import { ApiError } from '../../kit/errors.ts';

/** A field of a body that must be a text. Throws 400. */
export function text(body: unknown, field: string): string {
  const value = (body as Readonly<Record<string, unknown>> | null)?.[field];
  if (typeof value === 'string' && value !== '' && value.length <= 4096) return value;
  throw new ApiError(400, `${field}: expected a text`);
}
