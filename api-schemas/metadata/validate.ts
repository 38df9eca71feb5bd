import type { Cause } from '../../kit/errors.ts';
import { dnsLabel, dnsSubdomain } from '../formats.ts';
import type { KindDef } from '../kind.ts';
import { joinPath } from '../path.ts';
import * as problem from '../problems.ts';
import { isObject, type Json } from '../walk.ts';

const labelWords =
  'must be at most 63 lower-case letters, digits and `-`, beginning and ending with a letter or digit (a DNS label)';
const subdomainWords =
  'must be at most 253 lower-case letters, digits, `-` and `.`, beginning and ending with a letter or digit (a DNS subdomain)';

const namePart = /^[A-Za-z0-9]([\w.-]{0,61}[A-Za-z0-9])?$/;

/** Whether `key` is a qualified name: `name` or `prefix.example.com/name`. */
export function isQualifiedName(key: string): boolean {
  const [prefix, name, ...more] = key.includes('/') ? key.split('/') : [undefined, key];
  return (
    more.length === 0 && (prefix === undefined || dnsSubdomain.test(prefix)) && namePart.test(name ?? '')
  );
}

/** Problems of label keys and values; `field` is the path of the map. */
export function validateLabels(labels: unknown, field: string): readonly Cause[] {
  if (!isObject(labels)) return [];
  return Object.entries(labels).flatMap(([key, value]) => [
    ...(isQualifiedName(key)
      ? []
      : [
          problem.invalid(
            field,
            key,
            'must be a label name: letters, digits, `-`, `_`, `.`, optionally after a DNS prefix and `/`',
          ),
        ]),
    ...(typeof value !== 'string' || value === '' || namePart.test(value)
      ? []
      : [
          problem.invalid(
            joinPath(field, key),
            value,
            'must be a label value: at most 63 letters, digits, `-`, `_`, `.`',
          ),
        ]),
  ]);
}

export const isName = (name: string, format: KindDef['nameFormat']): boolean =>
  (format === 'label' ? dnsLabel : dnsSubdomain).test(name);

/** Problems of `metadata` beyond its schema. */
export function validateMetadata(
  metadata: Json,
  def: Pick<KindDef, 'namespaced' | 'nameFormat' | 'kind'>,
): readonly Cause[] {
  const causes: Cause[] = [];
  const { name, generateName, namespace, finalizers, annotations } = metadata;
  if (typeof name === 'string') {
    if (!isName(name, def.nameFormat))
      causes.push(
        problem.invalid('metadata.name', name, def.nameFormat === 'label' ? labelWords : subdomainWords),
      );
  } else if (typeof generateName !== 'string' || generateName === '') {
    causes.push(problem.required('metadata.name', 'name or generateName is required'));
  }
  if (
    typeof generateName === 'string' &&
    generateName !== '' &&
    !isName(generateName.replace(/-$/, ''), 'subdomain')
  )
    causes.push(problem.invalid('metadata.generateName', generateName, subdomainWords));
  if (typeof namespace === 'string' && namespace !== '') {
    if (!def.namespaced)
      causes.push(problem.forbidden('metadata.namespace', `a ${def.kind} is of the whole cluster`));
    else if (!dnsLabel.test(namespace))
      causes.push(problem.invalid('metadata.namespace', namespace, labelWords));
  }
  causes.push(...validateLabels(metadata['labels'], 'metadata.labels'));
  if (isObject(annotations)) {
    let size = 0;
    for (const [key, value] of Object.entries(annotations)) {
      size += key.length + (typeof value === 'string' ? value.length : 0);
      if (!isQualifiedName(key.toLowerCase()))
        causes.push(
          problem.invalid(
            'metadata.annotations',
            key,
            'must be a qualified name: `name` or `prefix.example.com/name`',
          ),
        );
    }
    if (size > 256 * 1024)
      causes.push(problem.invalid('metadata.annotations', '…', 'must have at most 256 KiB in all'));
  }
  if (Array.isArray(finalizers))
    finalizers.forEach((finalizer: unknown, index) => {
      if (typeof finalizer === 'string' && !isQualifiedName(finalizer))
        causes.push(problem.invalid(`metadata.finalizers[${index}]`, finalizer, 'must be a qualified name'));
    });
  return causes;
}
