/** GET of a collection: selectors, pages, and a consistent snapshot over all pages. */
import type { Obj } from '../../api-schemas/index.ts';
import { parseFieldSelector } from '../selectors/fields.ts';
import { parseLabelSelector } from '../selectors/labels.ts';
import type { Api, ResourceCall } from '../types.ts';
import { badRequest } from './errors.ts';
import { intOf } from './params.ts';
import type { ListMeta } from './reply.ts';
import { keyOf, listAt, reach, reachRevision, versionOf } from './version.ts';

export interface Listing {
  readonly items: readonly Obj[];
  readonly metadata: ListMeta;
}

/** The filter of a list or watch; undefined when all match. Throws 400. */
export function filterOf({ def, query, name }: ResourceCall): ((object: Obj) => boolean) | undefined {
  const labels = parseLabelSelector(query.get('labelSelector'));
  const fields = parseFieldSelector(def, query.get('fieldSelector'));
  if (labels === undefined && fields === undefined && name === '') return undefined;
  return (object) =>
    (name === '' || object.metadata.name === name) &&
    (fields === undefined || fields.matches(object)) &&
    (labels === undefined || labels(object));
}

/** Throws 400, 410 (a page of a snapshot that is no longer known), 504 (a version in the future). */
export async function list(api: Api, call: ResourceCall): Promise<Listing> {
  const { def, query } = call;
  const matches = filterOf(call);
  const limit = intOf(query, 'limit') ?? 0;
  const token = tokenOf(query.get('continue'));
  const namespace = def.namespaced && call.namespace !== '' ? call.namespace : undefined;
  const { cache } = api.registry;

  const exact = exactVersion(query, token);
  if (exact === undefined) await reach(api, query.get('resourceVersion'), (text) => call.warn(text));
  else await reachRevision(api, exact);
  const revision = exact ?? cache.revision;
  const all = listAt(api, def.kind, namespace, revision);
  const rest = token === undefined ? all : all.filter((object) => keyOf(object) > token.after);
  const found = matches === undefined ? rest : rest.filter(matches);
  const page = limit === 0 ? found : found.slice(0, limit);
  const last = page[page.length - 1];
  const left = found.length - page.length;
  return {
    items: page,
    metadata: {
      resourceVersion: String(revision),
      ...(left === 0 || last === undefined
        ? {}
        : { continue: encodeToken({ revision, after: keyOf(last) }) }),
      ...(left === 0 || matches !== undefined ? {} : { remainingItemCount: left }),
    },
  };
}

interface Token {
  readonly revision: number;
  readonly after: string;
}

function exactVersion(query: URLSearchParams, token: Token | undefined): number | undefined {
  const version = versionOf(query.get('resourceVersion'));
  const match = query.get('resourceVersionMatch');
  if (token !== undefined) {
    if (version !== undefined && version !== 0) {
      throw badRequest('specifying resource version is not allowed when using continue');
    }
    return token.revision;
  }
  switch (match) {
    case null:
    case '':
      return undefined;
    case 'NotOlderThan':
    case 'Exact':
      if (version === undefined)
        throw badRequest('resourceVersionMatch is forbidden unless resourceVersion is provided');
      if (match === 'NotOlderThan') return undefined;
      if (version === 0)
        throw badRequest('resourceVersionMatch "Exact" is forbidden for resourceVersion "0"');
      return version;
    default:
      throw badRequest(
        `invalid resourceVersionMatch ${JSON.stringify(match)}: supported values: "Exact", "NotOlderThan"`,
      );
  }
}

const encodeToken = ({ revision, after }: Token): string =>
  Buffer.from(JSON.stringify({ v: 1, rv: revision, start: after })).toString('base64url');

function tokenOf(text: string | null): Token | undefined {
  if (text === null || text === '') return undefined;
  try {
    const value: unknown = JSON.parse(Buffer.from(text, 'base64url').toString());
    if (typeof value === 'object' && value !== null && 'v' in value && 'rv' in value && 'start' in value) {
      const { v, rv, start } = value;
      if (
        v === 1 &&
        typeof rv === 'number' &&
        Number.isSafeInteger(rv) &&
        rv > 0 &&
        typeof start === 'string'
      ) {
        return { revision: rv, after: start };
      }
    }
  } catch {
    // Falls through to the refusal.
  }
  throw badRequest('continue key is not valid');
}
