import { int, list, obj, oneOf, str, strings } from '../dialect.ts';
import { conditionsSchema, objectSchema } from '../metadata/schema.ts';
import { networkAddressSchema } from '../network/schema.ts';
import { portsSchema } from '../service/ports.ts';
import { taskStates } from './states.ts';

const spec = obj(
  'What the task is to be. Written by controllers.',
  {
    service: str('Service in the same namespace.', { minLength: 1 }),
    revision: str("Revision in the same namespace that holds the container's settings.", { minLength: 1 }),
    slot: int(
      '1..n in a replicated service; absent in a global one, whose slot is its node.',
      1,
      Number.MAX_SAFE_INTEGER,
    ),
    nodeName: str('Node it runs on. Written once: by the scheduler, or at creation for a global service.'),
    desiredState: oneOf(
      '`Ready` prepares without starting; `Shutdown` stops and keeps container and record. Deleting the Task removes both.',
      ['Ready', 'Running', 'Shutdown'],
    ),
    networks: strings(
      'Networks in the same namespace that the container is on: those of its revision, so that the tasks of a network can be found.',
    ),
    notBefore: str('The agent starts the container no earlier: restart back-off lives here, not in memory.', {
      format: 'date-time',
    }),
    stopOnClientAfter: str('The agent stops the container after this long without a server.', {
      format: 'duration',
    }),
    restartCondition: oneOf(
      'Which ends the node itself follows with a new start while no server is reached; `any` when absent.',
      ['any', 'on-failure', 'none'],
    ),
    restarts: int('Consecutive failures of the slot before this task.', 0, Number.MAX_SAFE_INTEGER),
  },
  { title: 'TaskSpec', required: ['service', 'revision', 'desiredState'] },
);

const time = (description: string): ReturnType<typeof str> => str(description, { format: 'date-time' });

const status = obj(
  'How the task is. From `Accepted` on written by the agent of its node.',
  {
    state: oneOf('Moves forward only, in this order.', taskStates, { title: 'TaskState' }),
    reason: str('UpperCamel, e.g. `ImagePullFailed`, `NoNodeFits`, `NonZeroExit`, `Unhealthy`, `PortTaken`.'),
    message: str('A sentence for people: what is, and what to do.'),
    since: time('When `state` was reached.'),
    containerID: str('Id of the container at its engine.'),
    exitCode: int('Exit code of the container.', -(2 ** 31), 2 ** 32 - 1),
    startedAt: time('When the container started.'),
    finishedAt: time('When the container ended.'),
    addresses: list('Addresses of the container, that of its default route first.', networkAddressSchema),
    ports: portsSchema('Host ports as the engine published them.'),
    conditions: conditionsSchema,
  },
  { title: 'TaskStatus', required: ['state'] },
);

export const taskSchema = objectSchema(
  'Task',
  'orc.dev/v1',
  'One container, one run: never restarted, only replaced.',
  { spec, status },
  { required: ['spec'] },
);
