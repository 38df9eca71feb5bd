/** Label selectors: `a=b,c!=d,e in (x,y),f notin (z),g,!h,n>1`. */
import type { Obj } from '../../api-schemas/index.ts';
import { ApiError } from '../../kit/errors.ts';

type Labels = Readonly<Record<string, string>>;
type Requirement = (labels: Labels) => boolean;

const maxTerms = 1000;
const labelName = /^([a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?\/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$/;
const labelValue = /^([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?$/;

const bad = (text: string): ApiError =>
  new ApiError(
    400,
    `unable to parse requirement: ${JSON.stringify(text.slice(0, 200))} is no label selector`,
  );

/** Undefined when the selector is empty: all match. Throws 400. */
export function parseLabelSelector(text: string | null): ((object: Obj) => boolean) | undefined {
  if (text === null || text.trim() === '') return undefined;
  const terms = splitTerms(text);
  if (terms.length > maxTerms) throw bad(text);
  const requirements = terms.map((term) => requirement(term.trim()));
  return ({ metadata }) => {
    const labels = metadata.labels ?? {};
    return requirements.every((matches) => matches(labels));
  };
}

/** Splits at commas outside parentheses. */
function splitTerms(text: string): readonly string[] {
  const terms: string[] = [];
  let start = 0;
  let depth = 0;
  for (let at = 0; at < text.length; at++) {
    const char = text[at];
    if (char === '(') depth++;
    else if (char === ')') depth--;
    else if (char === ',' && depth === 0) {
      terms.push(text.slice(start, at));
      start = at + 1;
    }
    if (depth < 0 || depth > 1) throw bad(text);
  }
  if (depth !== 0) throw bad(text);
  return [...terms, text.slice(start)];
}

const valueOf = (labels: Labels, key: string): string | undefined =>
  Object.hasOwn(labels, key) ? labels[key] : undefined;

function requirement(term: string): Requirement {
  const set = /^(\S+)\s+(in|notin)\s*\(([^()]*)\)$/.exec(term);
  if (set !== null) {
    const [, key = '', operator = '', list = ''] = set;
    const values = new Set(list.split(',').map((value) => value.trim()));
    if (!labelName.test(key) || [...values].some((value) => !labelValue.test(value))) throw bad(term);
    return operator === 'in'
      ? (labels) => values.has(valueOf(labels, key) ?? '\0')
      : (labels) => !values.has(valueOf(labels, key) ?? '\0');
  }
  const pair = /^([^\s=!<>]+)\s*(==|=|!=|>|<)\s*([^\s=!<>]*)$/.exec(term);
  if (pair !== null) {
    const [, key = '', operator = '', value = ''] = pair;
    if (!labelName.test(key) || !labelValue.test(value)) throw bad(term);
    if (operator === '!=') return (labels) => valueOf(labels, key) !== value;
    if (operator === '=' || operator === '==') return (labels) => valueOf(labels, key) === value;
    if (!/^\d+$/.test(value)) throw bad(term);
    return (labels) => {
      const mine = valueOf(labels, key);
      if (mine === undefined || !/^-?\d+$/.test(mine)) return false;
      return operator === '>' ? Number(mine) > Number(value) : Number(mine) < Number(value);
    };
  }
  const exists = /^(!?)\s*(\S+)$/.exec(term);
  const [, not = '', key = ''] = exists ?? [];
  if (exists === null || !labelName.test(key)) throw bad(term);
  return (labels) => (valueOf(labels, key) === undefined) === (not === '!');
}
