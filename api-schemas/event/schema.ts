import { int, num, obj, oneOf, str } from '../dialect.ts';
import { objectSchema } from '../metadata/schema.ts';

const objectReference = obj(
  'The object that the event is about.',
  {
    apiVersion: str('API version of the object.'),
    kind: str('Kind of the object.'),
    namespace: str('Namespace of the object.'),
    name: str('Name of the object.'),
    uid: str('UID of the object.'),
    resourceVersion: str('Version of the object at the event.'),
    fieldPath: str('Part of the object.'),
  },
  { title: 'ObjectReference' },
);
const time = (description: string, nullable = false): ReturnType<typeof str> =>
  str(description, { format: 'date-time', ...(nullable ? { nullable } : {}) });

export const eventSchema = objectSchema(
  'Event',
  'v1',
  'Something that happened to an object, for people. Kept for a while.',
  {
    involvedObject: objectReference,
    reason: str('UpperCamel word for programs.', { maxLength: 128 }),
    message: str('A sentence for people.'),
    type: oneOf('`Warning` asks for attention.', ['Normal', 'Warning'], { default: 'Normal' }),
    count: int('How often it happened.', 0, 2 ** 31 - 1, { default: 1 }),
    firstTimestamp: time('When it happened first.', true),
    lastTimestamp: time('When it happened last.', true),
    eventTime: time('As Kubernetes writes it; not used.', true),
    source: obj(
      'Who says so.',
      { component: str('Program, e.g. `scheduler`.'), host: str('Node it ran on.') },
      { 'x-orc-always': ['component'] },
    ),
    reportingComponent: str("Who says so, in Kubernetes' newer form."),
    reportingInstance: str('Which of them.'),
    action: str('What was done.'),
    series: obj('As Kubernetes writes it; not used.', {
      count: num('How often.'),
      lastObservedTime: time('When last.'),
    }),
    related: objectReference,
  },
  {
    required: ['involvedObject'],
    'x-orc-always': ['reason', 'message', 'type', 'count', 'firstTimestamp', 'lastTimestamp', 'source'],
  },
);
