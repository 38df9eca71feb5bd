/**
 * Bodies that newer kubectl sends as protobuf (`application/vnd.kubernetes.protobuf`): a magic number, then
 * an envelope with the kind and the message. Field numbers are those of Kubernetes' generated .proto files.
 */
import { ApiError } from '../../kit/errors.ts';
import { put, type Json, type JsonObject } from '../apply/value.ts';
import { unsupported } from '../http/body.ts';
import { fieldsOf } from './wire.ts';

export const protobufType = 'application/vnd.kubernetes.protobuf';

const magic = Buffer.from('k8s\0');

type Shape =
  | 'string'
  | 'bool'
  | 'int'
  | { readonly list: 'string' }
  | { readonly map: 'string' }
  | { readonly message: Readonly<Record<number, readonly [name: string, shape: Shape]>> };

const metadata: Shape = {
  message: {
    1: ['name', 'string'],
    2: ['generateName', 'string'],
    3: ['namespace', 'string'],
    5: ['uid', 'string'],
    6: ['resourceVersion', 'string'],
    11: ['labels', { map: 'string' }],
    12: ['annotations', { map: 'string' }],
  },
};

const bodies: Readonly<Record<string, Shape>> = {
  Namespace: { message: { 1: ['metadata', metadata] } },
  DeleteOptions: {
    message: {
      1: ['gracePeriodSeconds', 'int'],
      2: ['preconditions', { message: { 1: ['uid', 'string'], 2: ['resourceVersion', 'string'] } }],
      3: ['orphanDependents', 'bool'],
      4: ['propagationPolicy', 'string'],
      5: ['dryRun', { list: 'string' }],
    },
  },
  SelfSubjectAccessReview: {
    message: {
      2: [
        'spec',
        {
          message: {
            1: [
              'resourceAttributes',
              {
                message: {
                  1: ['namespace', 'string'],
                  2: ['verb', 'string'],
                  3: ['group', 'string'],
                  4: ['version', 'string'],
                  5: ['resource', 'string'],
                  6: ['subresource', 'string'],
                  7: ['name', 'string'],
                },
              },
            ],
            2: ['nonResourceAttributes', { message: { 1: ['path', 'string'], 2: ['verb', 'string'] } }],
          },
        },
      ],
    },
  },
  SelfSubjectRulesReview: { message: { 2: ['spec', { message: { 1: ['namespace', 'string'] } }] } },
  SelfSubjectReview: { message: {} },
};

/** The object in the envelope, which must be of `kind`. Throws 400, and 415 for kinds that we do not read so. */
export function decodeKubernetes(body: Buffer, kind: string): JsonObject {
  if (!body.subarray(0, 4).equals(magic)) throw new ApiError(400, 'the request body is not valid protobuf');
  let apiVersion = '';
  let given = '';
  let raw = Buffer.alloc(0);
  for (const { number, value } of fieldsOf(body.subarray(4))) {
    if (typeof value === 'number') continue;
    if (number === 1) {
      for (const field of fieldsOf(value)) {
        if (field.number === 1) apiVersion = String(field.value);
        if (field.number === 2) given = String(field.value);
      }
    }
    if (number === 2) raw = Buffer.from(value);
  }
  if (given !== '' && given !== kind) throw new ApiError(400, `the body holds a ${given}, not a ${kind}`);
  const shape = Object.hasOwn(bodies, kind) ? bodies[kind] : undefined;
  if (shape === undefined) throw unsupported(['application/json', 'application/yaml']);
  return { apiVersion, kind, ...(decode(raw, shape) as JsonObject) };
}

function decode(value: number | Buffer, shape: Shape): Json {
  if (shape === 'int') return Number(value);
  if (shape === 'bool') return value === 1;
  if (typeof value === 'number') return null;
  if (shape === 'string') return value.toString('utf8');
  if (!('message' in shape)) return null;
  const out: Record<string, Json> = {};
  for (const field of fieldsOf(value)) {
    const [name, inner] = shape.message[field.number] ?? [];
    if (name === undefined || inner === undefined) continue;
    if (typeof inner === 'object' && 'list' in inner) {
      out[name] = [...((out[name] as readonly Json[] | undefined) ?? []), String(field.value)];
    } else if (typeof inner === 'object' && 'map' in inner) {
      const map: Record<string, Json> = { ...(out[name] as JsonObject | undefined) };
      const entry = [...fieldsOf(Buffer.isBuffer(field.value) ? field.value : Buffer.alloc(0))];
      const part = (number: number): string =>
        String(entry.find((one) => one.number === number)?.value ?? '');
      put(map, part(1), part(2));
      out[name] = map;
    } else out[name] = decode(field.value, inner);
  }
  return out;
}
