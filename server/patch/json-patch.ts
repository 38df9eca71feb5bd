/** JSON patch (RFC 6902), with bounds: `copy` can double a document with each operation. */
import { applyPatch, type Operation } from 'rfc6902';
import { ApiError } from '../../kit/errors.ts';
import { isList, isObject, own, type Json, type JsonObject } from '../apply/value.ts';
import { badRequest } from '../resources/errors.ts';

const maxOperations = 1000;
const maxBytes = 4 * 1024 * 1024;
const operations = new Set(['add', 'remove', 'replace', 'move', 'copy', 'test']);

/** A patched copy of `document`. Throws 400 for what is no patch, 422 when an operation does not apply. */
export function jsonPatch(document: JsonObject, patch: Json): Json {
  if (!isList(patch)) throw badRequest('a JSON patch must be a list of operations');
  if (patch.length > maxOperations) {
    throw new ApiError(413, `a JSON patch may have at most ${maxOperations} operations`);
  }
  const root = structuredClone(document) as Json;
  for (const [index, step] of patch.entries()) {
    const operation = operationOf(step, index);
    const [error] = applyPatch(root, [operation]);
    if (error !== null && error !== undefined) throw refused(operation, index, error.message);
    if (operation.op === 'copy' && JSON.stringify(root).length > maxBytes) {
      throw new ApiError(413, `the patched object is larger than ${maxBytes} bytes`);
    }
  }
  return root;
}

function operationOf(step: Json, index: number): Operation {
  if (!isObject(step)) throw badRequest(`operation ${index} of the JSON patch is no object`);
  const op = own(step, 'op');
  const path = own(step, 'path');
  const from = own(step, 'from');
  const pointer = (value: Json | undefined): boolean =>
    typeof value === 'string' &&
    (value === '' || value.startsWith('/')) &&
    !value.split('/').includes('__proto__');
  const needsValue = op === 'add' || op === 'replace' || op === 'test';
  const needsFrom = op === 'move' || op === 'copy';
  if (
    typeof op !== 'string' ||
    !operations.has(op) ||
    !pointer(path) ||
    (needsFrom && !pointer(from)) ||
    (needsValue && !Object.hasOwn(step, 'value'))
  ) {
    throw badRequest(
      `operation ${index} of the JSON patch is not valid: ${JSON.stringify(step).slice(0, 200)}`,
    );
  }
  if (path === '' && op !== 'test')
    throw badRequest(`operation ${index} of the JSON patch names the whole object`);
  return step as unknown as Operation;
}

function refused(operation: Operation, index: number, message: string): ApiError {
  const what =
    operation.op === 'test'
      ? `testing value ${operation.path} failed`
      : `${operation.op} operation does not apply: ${operation.path}: ${message}`;
  return new ApiError(
    422,
    `the server rejected our request due to an error in our request: operation ${index}: ${what}`,
    {
      details: { causes: [{ reason: 'FieldValueInvalid', message: what, field: operation.path }] },
    },
  );
}
