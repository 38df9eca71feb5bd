import type { NodeEncryption, NodeKey } from '../../api-schemas/index.ts';
import { isFields, type Fields } from './fields.ts';

/** A key for each of two epochs, and room for one more. */
const maxKeys = 4;
const errorLimit = 1_000;

/**
 * What a node says of its encryption; what cannot be read is left out. A key has no other characters than those of
 * base64: it gets into the settings of other nodes. Pure.
 */
export function parseEncryption(from: Fields): NodeEncryption {
  const { method, error, keys } = from;
  const known = Array.isArray(keys) ? keys.slice(0, maxKeys).flatMap(keyOf) : [];
  return {
    ...(method === 'wireguard' || method === 'wireguard-go' ? { method } : {}),
    ...(typeof error === 'string' ? { error: error.slice(0, errorLimit) } : {}),
    ...(known.length === 0 ? {} : { keys: known }),
  };
}

function keyOf(value: unknown): readonly NodeKey[] {
  if (!isFields(value)) return [];
  const { epoch, publicKey } = value;
  return typeof epoch === 'number' &&
    Number.isSafeInteger(epoch) &&
    epoch > 0 &&
    typeof publicKey === 'string' &&
    /^[A-Za-z0-9+/]{43}=$/.test(publicKey)
    ? [{ epoch, publicKey }]
    : [];
}
