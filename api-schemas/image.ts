/** Image references, read as Docker reads them. */

export interface ImageReference {
  /** Registry, e.g. `docker.io`, `localhost:5000`. */
  readonly domain: string;
  /** e.g. `library/nginx` */
  readonly path: string;
  /** Absent when there is a digest and no tag. */
  readonly tag?: string;
  /** e.g. `sha256:…` */
  readonly digest?: string;
}

const component = '[a-z0-9]+(?:(?:\\.|_|__|-+)[a-z0-9]+)*';
const pathPattern = new RegExp(`^${component}(?:/${component})*$`);
const domainPattern =
  /^(?:[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?(?:\.[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?)*|\[[a-fA-F0-9:]+\])(?::[0-9]+)?$/;
const tagPattern = /^\w[\w.-]{0,127}$/;
const digestPattern = /^[a-z0-9]+(?:[.+_-][a-z0-9]+)*:[0-9a-fA-F]{32,}$/;

/**
 * Splits and normalises a reference: `nginx` is `docker.io/library/nginx:latest`.
 * Throws RangeError that says what is wrong with it.
 */
export function parseImage(text: string): ImageReference {
  const bad = (why: string): never => {
    throw new RangeError(`${JSON.stringify(text.slice(0, 300))} is not an image reference: ${why}`);
  };
  if (text === '') return bad('it is empty');
  if (text.length > 600) return bad('it is too long');
  if (/\s/.test(text)) return bad('it has white space');
  if (/^[a-f0-9]{64}$/.test(text)) return bad('a bare image id cannot be pulled; use name@sha256:…');

  const [named = '', digest, ...more] = text.split('@');
  if (more.length > 0) return bad('more than one @');
  if (digest !== undefined && !digestPattern.test(digest))
    return bad('the digest must be like sha256:<64 hex digits>');
  if (digest?.startsWith('sha256:') === true && digest.length !== 71)
    return bad('a sha256 digest has 64 hex digits');

  const slash = named.indexOf('/');
  const first = slash < 0 ? '' : named.slice(0, slash);
  const isDomain =
    first !== '' && (/[.:[]/.test(first) || first === 'localhost' || first !== first.toLowerCase());
  let domain = isDomain ? first : 'docker.io';
  if (domain === 'index.docker.io') domain = 'docker.io';
  if (!domainPattern.test(domain)) return bad(`${JSON.stringify(domain)} is not a registry`);

  const rest = isDomain ? named.slice(slash + 1) : named;
  const colon = rest.lastIndexOf(':');
  const hasTag = colon > rest.lastIndexOf('/');
  const rawPath = hasTag ? rest.slice(0, colon) : rest;
  const tag = hasTag ? rest.slice(colon + 1) : undefined;
  if (tag !== undefined && !tagPattern.test(tag)) return bad(`${JSON.stringify(tag)} is not a tag`);
  if (rawPath === '') return bad('the name is missing');
  if (rawPath !== rawPath.toLowerCase()) return bad('the name must be lower case');
  if (!pathPattern.test(rawPath)) return bad(`${JSON.stringify(rawPath)} is not a repository name`);

  const path = domain === 'docker.io' && !rawPath.includes('/') ? `library/${rawPath}` : rawPath;
  if (domain.length + path.length + 1 > 255) return bad('the name is longer than 255');
  const finalTag = tag ?? (digest === undefined ? 'latest' : undefined);
  return {
    domain,
    path,
    ...(finalTag === undefined ? {} : { tag: finalTag }),
    ...(digest === undefined ? {} : { digest }),
  };
}

/** The full form: `nginx` to `docker.io/library/nginx:latest`. Throws as `parseImage`. */
export function normalizeImage(text: string): string {
  const { domain, path, tag, digest } = parseImage(text);
  return `${domain}/${path}${tag === undefined ? '' : `:${tag}`}${digest === undefined ? '' : `@${digest}`}`;
}

/** The short form people know: without `docker.io/library/`, and without a digest's tail. Never throws. */
export function shortImage(text: string): string {
  return text.replace(/^docker\.io\/(library\/)?/, '').replace(/@(sha256:[0-9a-f]{12})[0-9a-f]+$/, '@$1');
}
