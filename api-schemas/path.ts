/** Paths of fields, as Kubernetes writes them: `spec.ports[0].target`, `metadata.labels[app.kubernetes.io/name]`. */

export type PathSegment = string | number;

/** `parent` with one more segment. */
export function joinPath(parent: string, segment: PathSegment): string {
  if (typeof segment === 'number') return `${parent}[${segment}]`;
  if (!/^[A-Za-z_$][\w$-]*$/.test(segment)) return `${parent}[${segment}]`;
  return parent === '' ? segment : `${parent}.${segment}`;
}

export const formatPath = (segments: readonly PathSegment[]): string =>
  segments.reduce<string>((path, segment) => joinPath(path, segment), '');

/** The segments of a path that `formatPath` made; digits in brackets are an index. */
export function parsePath(path: string): readonly PathSegment[] {
  return [...path.matchAll(/\[([^\]]*)\]|([^.[\]]+)/g)].map(([, bracket, word]) =>
    bracket === undefined ? (word ?? '') : /^\d+$/.test(bracket) ? Number(bracket) : bracket,
  );
}
