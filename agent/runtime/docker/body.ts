/** JSON value of the Engine API; keys that are undefined are not sent. */
export type Body = Readonly<Record<string, unknown>>;

/** The object without its undefined values, so that they are not sent. */
export function defined(object: Body): Body {
  return Object.fromEntries(Object.entries(object).filter(([, value]) => value !== undefined));
}
