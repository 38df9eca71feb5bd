/** OpenAPI 3.0 of one group and version. */
import { kinds } from '../../api-schemas/index.ts';
import { operationsOf, type Operation } from './operations.ts';
import { componentsOf, ref, type Node } from './schemas.ts';

export function documentV3(
  group: { readonly group: string; readonly version: string },
  version: string,
): object {
  const defs = kinds.filter((def) => def.group === group.group && def.version === group.version);
  const paths: Record<string, Record<string, Node>> = {};
  for (const operation of defs.flatMap(operationsOf)) {
    paths[operation.path] = { ...paths[operation.path], [operation.method]: operationV3(operation) };
  }
  return {
    openapi: '3.0.0',
    info: { title: 'orc', version },
    paths,
    components: { schemas: Object.fromEntries(componentsOf(defs).map(({ name, schema }) => [name, schema])) },
  };
}

function operationV3(operation: Operation): Node {
  const { id, description, action, gvk, pathParams, query, body, consumes, code, answer } = operation;
  const bodySchema = body === undefined ? { type: 'object' } : { $ref: ref(body) };
  const hasBody = body !== undefined || action === 'patch';
  return {
    description,
    operationId: id,
    parameters: [
      ...pathParams.map((name) => ({ name, in: 'path', required: true, schema: { type: 'string' } })),
      ...query.map(({ name, type, description: what }) => ({
        name,
        in: 'query',
        description: what,
        schema: { type },
      })),
    ],
    ...(hasBody
      ? {
          requestBody: {
            content: Object.fromEntries(consumes.map((type) => [type, { schema: bodySchema }])),
          },
        }
      : {}),
    responses: {
      [code]: { description: 'OK', content: { 'application/json': { schema: { $ref: ref(answer) } } } },
      401: { description: 'Unauthorized' },
    },
    'x-kubernetes-action': action,
    'x-kubernetes-group-version-kind': gvk,
  };
}
