/** Manifests: YAML or JSON text to objects, each problem with its place in the text. */
import { type Document, LineCounter, type YAMLError } from 'yaml';
import type { Cause } from '../kit/errors.ts';
import { duplicateKeys, locateIn, type Position } from './manifest-position.ts';
import { parsePath } from './path.ts';
import { validate } from './validate.ts';
import type { Obj } from './types.ts';
import { isObject } from './walk.ts';
import { composeYaml, valueOf, YamlError } from './yaml.ts';

export interface Problem {
  /** File name or URL, as given. */
  readonly source: string;
  /** From 1. */
  readonly line: number;
  readonly column: number;
  /** Field path; absent when the text itself does not parse. */
  readonly path?: string;
  readonly message: string;
  /** The line of the text, cut to what a terminal shows, and where in it the problem is (from 1). */
  readonly excerpt?: { readonly text: string; readonly column: number };
}

export interface ManifestDocument {
  /** As written: no defaults, unchecked where there are problems. */
  readonly object: Obj;
  readonly source: string;
  /** Where a field is in the text; the nearest one above it when it is not there. */
  locate(path: string): Position;
}

export interface Manifest {
  readonly documents: readonly ManifestDocument[];
  /** In order of appearance. Nothing of the manifest may be applied unless this is empty. */
  readonly problems: readonly Problem[];
}

export const maxManifestBytes = 8 * 1024 * 1024;
const maxDocuments = 5000;
/** Problems shown for one manifest; more help nobody. */
const maxProblems = 200;

function excerptOf(lines: readonly string[], line: number, column: number): Problem['excerpt'] {
  const text = lines[line - 1];
  if (text === undefined) return undefined;
  const start = column > 100 ? column - 60 : 1;
  const shown = text
    .slice(start - 1, start + 139)
    .replace(/\t/g, ' ')
    .trimEnd();
  return { text: shown, column: column - start + 1 };
}

function syntaxMessage({ code, message }: YAMLError): string {
  switch (code) {
    case 'TAB_AS_INDENT':
      return 'tabs are not allowed for indentation in YAML; use spaces';
    default:
      // The rest of the message is an excerpt that we draw ourselves.
      return (message.split('\n')[0] ?? message).replace(/ at line \d+, column \d+:?$/, '');
  }
}

/**
 * Reads one text of one or more documents. `kind: List` is expanded, empty documents are skipped.
 * A pure function of its arguments; never throws. Limits: 8 MiB, 5000 documents, 100 uses of aliases.
 */
export function parseManifest(text: string, source: string): Manifest {
  const bytes = text.length > maxManifestBytes ? text.length : Buffer.byteLength(text);
  if (bytes > maxManifestBytes) {
    const message = `is larger than the limit of ${maxManifestBytes / 1024 / 1024} MiB; split it`;
    return { documents: [], problems: [{ source, line: 1, column: 1, message }] };
  }
  const counter = new LineCounter();
  const lines = text.split(/\r?\n/);
  const problems: Problem[] = [];
  const documents: ManifestDocument[] = [];
  const report = ({ line, column }: Position, message: string, path?: string): void => {
    const excerpt = excerptOf(lines, line, column);
    problems.push({
      source,
      line,
      column,
      message,
      ...(path === undefined || path === '' ? {} : { path }),
      ...(excerpt === undefined ? {} : { excerpt }),
    });
  };
  const at = (offset: number): Position => {
    const { line, col } = counter.linePos(offset);
    return { line: Math.max(1, line), column: Math.max(1, col) };
  };

  let parsed: readonly Document.Parsed[];
  try {
    parsed = composeYaml(text, counter);
  } catch (error) {
    if (!(error instanceof YamlError)) throw error;
    report(at(error.offset), error.message);
    return { documents, problems };
  }
  if (parsed.length > maxDocuments) {
    report({ line: 1, column: 1 }, `has ${parsed.length} documents; the limit is ${maxDocuments}`);
    return { documents, problems };
  }

  for (const document of parsed) {
    if (problems.length >= maxProblems) break;
    if (document.errors.length > 0) {
      // What follows the first few is mostly their echo.
      for (const error of document.errors.slice(0, 3)) report(at(error.pos[0]), syntaxMessage(error));
      continue;
    }
    const twice = duplicateKeys(document);
    for (const { offset, key } of twice.slice(0, 5))
      report(at(offset), `key ${JSON.stringify(key)} is given twice in the same map`);
    if (twice.length > 0) continue;
    let content: unknown;
    try {
      content = valueOf(document);
    } catch (error) {
      if (!(error instanceof YamlError)) throw error;
      report(at(error.offset), error.message);
      continue;
    }
    if (content === null || content === undefined) continue;
    for (const [object, prefix] of expand(content)) {
      const locate = (path: string, side: 'key' | 'value' = 'value'): Position =>
        at(locateIn(document, [...prefix, ...parsePath(path)], side));
      for (const cause of validate(object)) {
        if (problems.length >= maxProblems) break;
        const field = cause.field ?? '';
        report(
          locate(field, cause.message.startsWith('unknown field') ? 'key' : 'value'),
          wording(cause),
          field,
        );
      }
      if (isObject(object)) documents.push({ object: object as unknown as Obj, source, locate });
    }
  }
  problems.sort((a, b) => a.line - b.line || a.column - b.column);
  return { documents, problems };
}

/** The objects in a document, each with where it is. */
function expand(content: unknown): readonly (readonly [unknown, readonly (string | number)[]])[] {
  if (!isObject(content) || !isListKind(content['kind']) || !Array.isArray(content['items']))
    return [[content, []]];
  return content['items'].map((item: unknown, index) => [item, ['items', index]] as const);
}

const isListKind = (kind: unknown): boolean =>
  kind === 'List' || (typeof kind === 'string' && /^[A-Z]\w*List$/.test(kind));

/** For a person: without the words that programs look for. */
const wording = ({ message, field }: Cause): string =>
  field !== undefined && message.startsWith(`unknown field "${field}"`)
    ? `unknown field${message.slice(`unknown field "${field}"`.length)}`
    : message;

/** `file:line:column: path: message`, and the line with a caret below. */
export function formatProblem({ source, line, column, path, message, excerpt }: Problem): string {
  const head = `${source}:${line}:${column}: ${path === undefined ? '' : `${path}: `}${message}`;
  if (excerpt === undefined || excerpt.text === '') return head;
  const number = String(line);
  const margin = ' '.repeat(number.length);
  return `${head}\n  ${number} | ${excerpt.text}\n  ${margin} | ${' '.repeat(Math.max(0, excerpt.column - 1))}^`;
}
