import { obj, oneOf, setOf, str } from '../dialect.ts';
import { conditionsSchema, objectSchema } from '../metadata/schema.ts';

export const namespaceSchema = objectSchema(
  'Namespace',
  'v1',
  'A scope for names; goes away with all that is in it.',
  {
    spec: obj('Who cleans up before it may vanish.', {
      finalizers: setOf('Written by the server.', str('A finalizer.')),
    }),
    status: obj('How the namespace is.', {
      phase: oneOf('`Terminating` once deleted, until it is empty.', ['Active', 'Terminating']),
      conditions: conditionsSchema,
    }),
  },
);
