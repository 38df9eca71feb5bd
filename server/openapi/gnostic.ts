/**
 * OpenAPI 2.0 as the protobuf that kubectl before 1.27 insists on. Message shapes and field numbers are those
 * of google/gnostic's `OpenAPIv2.proto`.
 */
import { boolField, bytesField, doubleField } from '../protobuf/wire.ts';
import type { Node } from './schemas.ts';
import type { DocumentV2, OperationV2, ParameterV2 } from './v2.ts';

const message = (...fields: readonly (Buffer | readonly Buffer[])[]): Buffer => Buffer.concat(fields.flat());
const text = (number: number, value: unknown): readonly Buffer[] =>
  typeof value === 'string' && value !== '' ? [bytesField(number, value)] : [];
/** `Any`: JSON is YAML. */
const any = (value: unknown): Buffer => bytesField(2, `${JSON.stringify(value)}\n`);
const named = (name: string, value: Buffer): Buffer => message(text(1, name), bytesField(2, value));

const methods = { get: 2, put: 3, post: 4, delete: 5, patch: 8 } as const;

export function encodeV2({ title, version, paths, definitions }: DocumentV2): Buffer {
  const pathItems = [...paths].map(([path, operations]) => bytesField(2, named(path, pathItem(operations))));
  const schemas = [...definitions].map(([name, node]) => bytesField(1, named(name, schema(node))));
  return message(
    text(1, '2.0'),
    bytesField(2, message(text(1, title), text(2, version))),
    bytesField(8, message(pathItems)),
    bytesField(9, message(schemas)),
  );
}

function pathItem(operations: Readonly<Record<string, OperationV2>>): Buffer {
  return message(
    Object.entries(methods).flatMap(([method, number]) => {
      const found = operations[method];
      return found === undefined ? [] : [bytesField(number, operation(found))];
    }),
  );
}

function operation(one: OperationV2): Buffer {
  const responses = Object.entries(one.responses).map(([code, response]) =>
    bytesField(
      1,
      named(
        code,
        bytesField(
          1,
          message(
            text(1, response.description),
            response.schema === undefined ? [] : bytesField(2, bytesField(1, schema(response.schema))),
          ),
        ),
      ),
    ),
  );
  return message(
    text(3, one.description),
    text(5, one.operationId),
    one.produces.map((type) => bytesField(6, type)),
    one.consumes.map((type) => bytesField(7, type)),
    one.parameters.map((parameter) => bytesField(8, bytesField(1, parameterItem(parameter)))),
    bytesField(9, message(responses)),
    extensions(13, one.extensions),
  );
}

function parameterItem(one: ParameterV2): Buffer {
  const required = one.required === true;
  switch (one.in) {
    case 'body':
      return bytesField(
        1,
        message(
          text(2, one.name),
          text(3, 'body'),
          boolField(4, required),
          bytesField(5, schema(one.schema ?? {})),
        ),
      );
    case 'query':
      return bytesField(
        2,
        bytesField(
          3,
          message(
            boolField(1, required),
            text(2, 'query'),
            text(3, one.description),
            text(4, one.name),
            text(6, one.type),
          ),
        ),
      );
    case 'path':
      return bytesField(
        2,
        bytesField(
          4,
          message(
            boolField(1, required),
            text(2, 'path'),
            text(3, one.description),
            text(4, one.name),
            text(5, one.type),
          ),
        ),
      );
  }
}

function schema(node: Node): Buffer {
  const properties = Object.entries((node['properties'] ?? {}) as Readonly<Record<string, Node>>);
  const number = (key: string, field: number): readonly Buffer[] =>
    typeof node[key] === 'number' ? [doubleField(field, node[key])] : [];
  const child = (key: string): Node | undefined => node[key] as Node | undefined;
  const items = child('items');
  const extra = child('additionalProperties');
  return message(
    text(1, node['$ref']),
    text(2, node['format']),
    text(4, node['description']),
    number('maximum', 7),
    number('minimum', 9),
    ((node['required'] ?? []) as readonly string[]).map((name) => bytesField(19, name)),
    ((node['enum'] ?? []) as readonly unknown[]).map((value) => bytesField(20, any(value))),
    extra === undefined ? [] : bytesField(21, bytesField(1, schema(extra))),
    node['type'] === undefined ? [] : bytesField(22, bytesField(1, String(node['type']))),
    items === undefined ? [] : bytesField(23, bytesField(1, schema(items))),
    properties.length === 0
      ? []
      : bytesField(25, message(properties.map(([name, value]) => bytesField(1, named(name, schema(value)))))),
    extensions(31, Object.fromEntries(Object.entries(node).filter(([key]) => key.startsWith('x-')))),
  );
}

const extensions = (number: number, all: Node): readonly Buffer[] =>
  Object.entries(all).map(([name, value]) => bytesField(number, named(name, any(value))));
