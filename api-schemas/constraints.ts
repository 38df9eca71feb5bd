/** Placement constraints: `node.labels.zone == eu`, `node.hostname in (a, b)`, `!exists node.labels.ssd`. */
import { BlockList, isIP } from 'node:net';
import { suggestion } from './problems.ts';
import type { Node } from './types.ts';

export type ConstraintOperator = '==' | '!=' | 'in' | 'notin' | 'exists' | '!exists';

export interface Constraint {
  readonly key: string;
  readonly operator: ConstraintOperator;
  /** One for `==` and `!=`, one or more for `in` and `notin`, none for `exists` and `!exists`. */
  readonly values: readonly string[];
}

/** What a constraint may be about; `*` stands for a label's name. */
export const constraintKeys = [
  'node.id',
  'node.hostname',
  'node.ip',
  'node.role',
  'node.platform.os',
  'node.platform.arch',
  'node.labels.*',
  'engine.labels.*',
] as const;

const labelKey = /^(node|engine)\.labels\.([A-Za-z0-9](?:[A-Za-z0-9._/-]*[A-Za-z0-9])?)$/;
const forms =
  'write `key == value`, `key != value`, `key in (a, b)`, `key notin (a, b)`, `key exists` or `key !exists`';

function checkKey(key: string): string {
  if (labelKey.test(key) || constraintKeys.some((known) => known === key)) return key;
  const label = /^[^.]+\.[^.]+\.(.+)$/.exec(key);
  const known = constraintKeys.map((word) => word.replace('*', label?.[1] ?? '*'));
  throw new RangeError(
    `unknown key ${JSON.stringify(key)}; known are ${constraintKeys.join(', ')}${suggestion(key, known)}`,
  );
}

function checkValue(key: string, value: string): string {
  if (value === '' || !/^[\w.:/@+*-]+$/.test(value)) {
    throw new RangeError(`${JSON.stringify(value)} is not a value; use letters, digits and .:/@+*_-`);
  }
  if (key === 'node.ip' && isIP(value.replace(/\/\d{1,3}$/, '')) === 0) {
    throw new RangeError(`${JSON.stringify(value)} is not an IP address or CIDR`);
  }
  if (key === 'node.role' && !['manager', 'worker'].includes(value.toLowerCase())) {
    throw new RangeError(`node.role is manager or worker, not ${JSON.stringify(value)}`);
  }
  return value;
}

/** Reads one constraint. Throws RangeError that says what was expected. */
export function parseConstraint(text: string): Constraint {
  const input = text.trim();
  if (input.length > 1024) throw new RangeError('constraint is longer than 1024 characters');
  const binary = /^(\S+?)\s*(==|!=)\s*(.*)$/.exec(input);
  if (binary !== null) {
    const key = checkKey(binary[1] ?? '');
    const operator = binary[2] === '==' ? '==' : '!=';
    return { key, operator, values: [checkValue(key, (binary[3] ?? '').trim())] };
  }
  const set = /^(\S+)\s+(in|notin)\s*\((.*)\)$/i.exec(input);
  if (set !== null) {
    const key = checkKey(set[1] ?? '');
    const values = (set[3] ?? '').split(',').map((value) => checkValue(key, value.trim()));
    return { key, operator: set[2]?.toLowerCase() === 'in' ? 'in' : 'notin', values };
  }
  const exists = /^(\S+)\s+(!?)exists$/i.exec(input) ?? /^(?=(!?)exists\s)!?exists\s+(\S+)$/i.exec(input);
  if (exists !== null) {
    const [key, not] = /^!?$/.test(exists[1] ?? '') ? [exists[2], exists[1]] : [exists[1], exists[2]];
    return { key: checkKey(key ?? ''), operator: not === '!' ? '!exists' : 'exists', values: [] };
  }
  throw new RangeError(`${JSON.stringify(text)} is not a constraint: ${forms}`);
}

/** The values a key has on a node: none when it is not set, several for `node.ip`. */
function valuesOf(key: string, node: Node): readonly string[] {
  const one = (value: string | undefined): readonly string[] => (value === undefined ? [] : [value]);
  const label = labelKey.exec(key);
  if (label !== null) {
    const labels = label[1] === 'node' ? node.metadata.labels : node.status?.engine?.labels;
    const name = label[2] ?? '';
    return labels !== undefined && Object.hasOwn(labels, name) ? one(labels[name]) : [];
  }
  switch (key) {
    case 'node.id':
      return [node.metadata.name, ...one(node.metadata.uid)];
    case 'node.hostname':
      return one(node.status?.hostname ?? node.metadata.name);
    case 'node.ip':
      return node.status?.addresses ?? [];
    case 'node.role':
      return one(node.status?.role);
    case 'node.platform.os':
      return one(node.status?.platform?.os);
    case 'node.platform.arch':
      return one(node.status?.platform?.arch);
    default:
      return [];
  }
}

const archAlias: Readonly<Record<string, string>> = { x86_64: 'amd64', aarch64: 'arm64', armv7l: 'arm' };

function sameValue(key: string, wanted: string, actual: string): boolean {
  if (key === 'node.ip') {
    const [address = '', bits] = wanted.split('/');
    const family = isIP(address) === 6 ? 'ipv6' : 'ipv4';
    if (isIP(actual) !== isIP(address)) return false;
    const block = new BlockList();
    block.addSubnet(address, Number(bits ?? (family === 'ipv6' ? 128 : 32)), family);
    return block.check(actual, family);
  }
  const [a, b] = [wanted.toLowerCase(), actual.toLowerCase()];
  return key === 'node.platform.arch' ? (archAlias[a] ?? a) === (archAlias[b] ?? b) : a === b;
}

/**
 * Whether a node satisfies a constraint. Values compare without case, label names with it (as in Swarm).
 * A node without the label satisfies `!=`, `notin` and `!exists`.
 */
export function matchesConstraint({ key, operator, values }: Constraint, node: Node): boolean {
  const actual = valuesOf(key, node);
  const any = values.some((value) => actual.some((have) => sameValue(key, value, have)));
  switch (operator) {
    case '==':
    case 'in':
      return any;
    case '!=':
    case 'notin':
      return !any;
    case 'exists':
      return actual.length > 0;
    case '!exists':
      return actual.length === 0;
  }
}

/** The constraint as text that `parseConstraint` reads back. */
export function formatConstraint({ key, operator, values }: Constraint): string {
  switch (operator) {
    case '==':
    case '!=':
      return `${key} ${operator} ${values[0] ?? ''}`;
    case 'in':
    case 'notin':
      return `${key} ${operator} (${values.join(', ')})`;
    case 'exists':
    case '!exists':
      return `${key} ${operator}`;
  }
}
