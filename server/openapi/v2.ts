/**
 * OpenAPI 2.0 of the whole API, for kubectl before 1.27. It can say less: what it cannot say is left out, so
 * that old clients do not refuse what the server accepts (as apiextensions' conversion does).
 */
import { kinds } from '../../api-schemas/index.ts';
import { operationsOf, type Operation } from './operations.ts';
import { componentsOf, type Node } from './schemas.ts';

export interface ParameterV2 {
  readonly name: string;
  readonly in: 'path' | 'query' | 'body';
  readonly required?: boolean;
  readonly description?: string;
  readonly type?: string;
  readonly schema?: Node;
}

export interface OperationV2 {
  readonly description: string;
  readonly operationId: string;
  readonly consumes: readonly string[];
  readonly produces: readonly string[];
  readonly parameters: readonly ParameterV2[];
  readonly responses: Readonly<Record<string, { readonly description: string; readonly schema?: Node }>>;
  readonly extensions: Node;
}

export interface DocumentV2 {
  readonly title: string;
  readonly version: string;
  readonly paths: ReadonlyMap<string, Readonly<Record<string, OperationV2>>>;
  readonly definitions: ReadonlyMap<string, Node>;
}

export function documentV2(version: string): DocumentV2 {
  const paths = new Map<string, Record<string, OperationV2>>();
  for (const operation of kinds.flatMap(operationsOf)) {
    paths.set(operation.path, { ...paths.get(operation.path), [operation.method]: operationV2(operation) });
  }
  const definitions = new Map(
    componentsOf(kinds).map(({ name, schema }) => [name, schemaV2(schema)] as const),
  );
  return { title: 'orc', version, paths, definitions };
}

/** As JSON. */
export function jsonV2({ title, version, paths, definitions }: DocumentV2): object {
  return {
    swagger: '2.0',
    info: { title, version },
    paths: Object.fromEntries(
      [...paths].map(([path, operations]) => [
        path,
        Object.fromEntries(
          Object.entries(operations).map(([method, { extensions, ...rest }]) => [
            method,
            { ...rest, ...extensions },
          ]),
        ),
      ]),
    ),
    definitions: Object.fromEntries(definitions),
  };
}

const reference = (name: string): Node => ({ $ref: `#/definitions/${name}` });

function operationV2(operation: Operation): OperationV2 {
  const { id, description, action, gvk, pathParams, query, body, consumes, code, answer } = operation;
  const hasBody = body !== undefined || action === 'patch';
  return {
    description,
    operationId: id,
    consumes,
    produces: ['application/json'],
    parameters: [
      ...pathParams.map((name): ParameterV2 => ({ name, in: 'path', required: true, type: 'string' })),
      ...query.map(({ name, type, description: what }): ParameterV2 => ({
        name,
        in: 'query',
        description: what,
        type,
      })),
      ...(hasBody
        ? [
            {
              name: 'body',
              in: 'body' as const,
              required: true,
              schema: body === undefined ? { type: 'object' } : reference(body),
            },
          ]
        : []),
    ],
    responses: {
      [code]: { description: 'OK', schema: reference(answer) },
      401: { description: 'Unauthorized' },
    },
    extensions: { 'x-kubernetes-action': action, 'x-kubernetes-group-version-kind': gvk },
  };
}

function schemaV2(schema: Node): Node {
  const kept: Record<string, unknown> = {};
  const all = schema['allOf'];
  const [inherited] = Array.isArray(all) ? (all as readonly Node[]) : [];
  if (inherited !== undefined) {
    return { $ref: String(inherited['$ref']).replace('#/components/schemas/', '#/definitions/') };
  }
  const free = schema['x-kubernetes-preserve-unknown-fields'] === true;
  const nullable = schema['nullable'] === true;
  for (const [key, value] of Object.entries(schema)) {
    switch (key) {
      case 'nullable':
      case 'anyOf':
      case 'oneOf':
      case 'not':
      case 'default':
        break;
      case 'type':
        if (!free && !nullable && !(value === 'array' && schema['items'] === undefined)) kept[key] = value;
        break;
      case 'properties':
        if (!free && !nullable) {
          kept[key] = Object.fromEntries(
            Object.entries(value as Readonly<Record<string, Node>>).map(([name, child]) => [
              name,
              schemaV2(child),
            ]),
          );
        }
        break;
      case 'items':
      case 'additionalProperties':
        if (!free && !nullable) kept[key] = schemaV2(value as Node);
        break;
      default:
        kept[key] = value;
    }
  }
  return kept;
}
