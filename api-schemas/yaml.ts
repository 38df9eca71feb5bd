/** YAML of strangers: refused before it can exhaust the stack, the memory or the time of the process that reads it. */
import { Composer, type CST, type Document, LineCounter, Parser } from 'yaml';
import { duplicateKeys } from './manifest-position.ts';

/** Deeper text is refused. No object of ours is half as deep. */
export const maxYamlDepth = 200;
/** How often aliases may be followed in one document: a bomb of aliases needs thousands. */
export const maxAliasCount = 100;

/** The text cannot be read; `offset` is where. */
export class YamlError extends Error {
  readonly offset: number;

  constructor(message: string, offset: number) {
    super(message);
    this.name = 'YamlError';
    this.offset = offset;
  }
}

/**
 * Parses text into documents; their own errors are in them. Throws YamlError when it is nested too deeply. The
 * package's composer recurses, and a stack that is nearly full can abort the whole process (V8 gives up when it
 * compiles a regular expression there), so the depth is measured on the tokens, which are made without recursion.
 */
export function composeYaml(text: string, counter = new LineCounter()): Document.Parsed[] {
  const tokens: CST.Token[] = [];
  for (const token of new Parser(counter.addNewLine).parse(text)) {
    tooDeep(token);
    tokens.push(token);
  }
  // The package's own check for keys given twice takes time by the square of their number: see `duplicateKeys`.
  const composer = new Composer({ merge: true, uniqueKeys: false, logLevel: 'silent', prettyErrors: false });
  return [...composer.compose(tokens)] as Document.Parsed[];
}

/** The value of a text of one document. Throws YamlError on anything else, and on keys that are given twice. */
export function parseYaml(text: string): unknown {
  const documents = composeYaml(text);
  const [document, second] = documents;
  if (document === undefined) return null;
  if (second !== undefined) throw new YamlError('more than one document', second.range[0]);
  const [error] = document.errors;
  if (error !== undefined) throw new YamlError(error.message, error.pos[0]);
  const [twice] = duplicateKeys(document);
  if (twice !== undefined)
    throw new YamlError(`key ${JSON.stringify(twice.key)} is given twice`, twice.offset);
  return valueOf(document);
}

/** The document as plain values. Throws YamlError when its aliases would multiply it. */
export function valueOf(document: Document.Parsed): unknown {
  try {
    return document.toJS({ maxAliasCount });
  } catch (error) {
    if (!(error instanceof ReferenceError)) throw error;
    throw new YamlError(
      `aliases are followed more than ${maxAliasCount} times: refused, as they could expand without end`,
      document.range[0],
    );
  }
}

function tooDeep(root: CST.Token): void {
  const waiting: (readonly [CST.Token, number])[] = [[root, 0]];
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    const [token, depth] = next;
    if (depth > maxYamlDepth) throw new YamlError('is nested too deeply', token.offset);
    if ('items' in token) {
      for (const { key, value } of token.items) {
        if (key) waiting.push([key, depth + 1]);
        if (value) waiting.push([value, depth + 1]);
      }
    } else if (token.type === 'document' && token.value) waiting.push([token.value, depth + 1]);
  }
}
