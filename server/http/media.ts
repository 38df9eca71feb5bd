/** The Accept header, as far as Kubernetes clients use it. */
import { ApiError } from '../../kit/errors.ts';

export interface MediaRange {
  readonly type: string;
  readonly params: Readonly<Record<string, string>>;
}

/** How an object is to be shown. */
export type Form =
  | { readonly kind: 'object' }
  | { readonly kind: 'metadata' }
  | { readonly kind: 'table'; readonly version: 'v1' | 'v1beta1' };

export function parseAccept(header: string | undefined): readonly MediaRange[] {
  return (header ?? '*/*').split(',').slice(0, 32).flatMap(parseRange);
}

function parseRange(text: string): readonly MediaRange[] {
  const [type = '', ...rest] = text.split(';').map((part) => part.trim());
  if (type === '') return [];
  const params = rest.map((part): [string, string] => {
    const at = part.indexOf('=');
    return at < 0 ? [part.toLowerCase(), ''] : [part.slice(0, at).toLowerCase(), part.slice(at + 1)];
  });
  return [{ type: type.toLowerCase(), params: Object.fromEntries(params) }];
}

const jsonTypes = new Set(['application/json', 'application/*', '*/*']);

/** The first form in the header that we have. Throws 406 when there is none. */
export function formOf(header: string | undefined): Form {
  for (const { type, params } of parseAccept(header)) {
    if (!jsonTypes.has(type)) continue;
    const { as, g: group, v: version } = params;
    if (as === undefined) return { kind: 'object' };
    if (group !== 'meta.k8s.io') continue;
    if (as === 'Table' && (version === 'v1' || version === 'v1beta1')) return { kind: 'table', version };
    if (as === 'PartialObjectMetadata' || as === 'PartialObjectMetadataList') return { kind: 'metadata' };
  }
  throw new ApiError(
    406,
    'only the following media types are accepted: application/json, application/json;as=Table;v=v1;g=meta.k8s.io, application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io',
    { reason: 'NotAcceptable' },
  );
}

/** The media type of a Content-Type header, without parameters; empty when there is none. */
export const mediaType = (header: string | undefined): string =>
  (header ?? '').split(';')[0]?.trim().toLowerCase() ?? '';
