/** Paths of the Kubernetes API to what they name. */
import { kinds, type AnyKindDef } from '../../api-schemas/kinds.ts';
import { ApiError } from '../../kit/errors.ts';

export type Target =
  | {
      readonly kind: 'resource';
      readonly def: AnyKindDef;
      readonly namespace: string;
      readonly name: string;
      readonly subresource: string;
    }
  /** Anything else: its segments. */
  | { readonly kind: 'other'; readonly path: string };

export const pathNotFound = (): ApiError =>
  new ApiError(404, 'the server could not find the requested resource');

/** Throws 400 for segments that are no names (encoded slashes, `..`, control characters). */
export function parsePath(pathname: string): Target {
  const segments = pathname.split('/').slice(1).map(decodeSegment);
  if (segments[segments.length - 1] === '') segments.pop();
  const [root, ...rest] = segments;
  if (root === 'api' && rest[0] === 'v1' && rest.length > 1) {
    return resource('', 'v1', rest.slice(1)) ?? { kind: 'other', path: pathname };
  }
  if (root === 'apis' && rest.length > 2) {
    const [group = '', version = '', ...tail] = rest;
    return resource(group, version, tail) ?? { kind: 'other', path: pathname };
  }
  return { kind: 'other', path: pathname.length > 1 ? pathname.replace(/\/+$/, '') : pathname };
}

function decodeSegment(segment: string): string {
  let text: string;
  try {
    text = decodeURIComponent(segment);
  } catch (error) {
    throw new ApiError(400, 'the path holds an encoding that is not valid', { cause: error });
  }
  if (text === '.' || text === '..' || /[/%\u0000-\u001f\u007f]/.test(text)) {
    throw new ApiError(400, `the path segment ${JSON.stringify(text)} cannot be a name`);
  }
  return text;
}

function resource(group: string, version: string, tail: readonly string[]): Target | undefined {
  const find = (plural: string | undefined): AnyKindDef | undefined =>
    kinds.find((def) => def.group === group && def.version === version && def.plural === plural);
  const target = (def: AnyKindDef, namespace: string, rest: readonly string[]): Target | undefined => {
    const [name = '', subresource = '', ...more] = rest;
    if (more.length > 0 || rest.includes('')) return undefined;
    return { kind: 'resource', def, namespace, name, subresource };
  };
  if (tail[0] === 'namespaces' && tail.length > 2) {
    const def = find(tail[2]);
    if (def?.namespaced === true) return target(def, tail[1] ?? '', tail.slice(3));
    if (tail[2] !== 'status') return undefined;
  }
  const def = find(tail[0]);
  if (def === undefined) return undefined;
  // A namespaced object is only reached through its namespace; without one there is the list of all.
  if (def.namespaced && tail.length > 1) return undefined;
  return target(def, '', tail.slice(1));
}
