import type { IncomingHttpHeaders } from 'node:http';

/**
 * The texts of an answer's `Warning` headers with code 299, as Kubernetes' servers send them (RFC 7234 5.5). Node
 * joins several with commas.
 */
export function warningsOf({ warning }: IncomingHttpHeaders): readonly string[] {
  const found = (warning ?? '').matchAll(/299 \S+ "((?:[^"\\]|\\.)*)"/g);
  return [...found].map(([, text = '']) => text.replace(/\\(.)/g, '$1'));
}
