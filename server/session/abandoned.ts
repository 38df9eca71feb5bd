import type { Node } from '../../api-schemas/index.ts';
import { timestamp, type Clock } from '../../kit/clock.ts';
import { messageOf } from '../../kit/errors.ts';
import type { Logger } from '../../kit/log.ts';
import type { Registry } from '../../store/types.ts';
import { replaceSession } from './node-record.ts';

/** After a start, how long nodes that named this server have for dialling again. */
const returnWithinMs = 10_000;

export interface AbandonedOptions {
  readonly registry: Registry;
  readonly serverName: string;
  readonly clock: Clock;
  readonly logger: Logger;
  /** A session, or signs of life. */
  readonly isHeard: (node: string) => boolean;
}

/** Some time after a start, says of nodes that had a session with this server before that they have none. */
export function clearAbandoned(options: AbandonedOptions): { close(): void } {
  const { registry, serverName, clock, logger, isHeard } = options;
  const clear = async ({ metadata: { name }, status }: Node): Promise<void> => {
    const { server, id } = status?.session ?? {};
    if (server !== serverName || id === undefined || isHeard(name)) return;
    await replaceSession(registry, name, id, { server: '', id: '', since: timestamp(clock) });
    logger.warn({ object: `Node/${name}` }, 'The node has not come back since this server started');
  };
  const cancel = clock.after(returnWithinMs, () => {
    for (const node of registry.cache.list('Node'))
      clear(node).catch((error: unknown) =>
        logger.warn(
          { object: `Node/${node.metadata.name}`, error: messageOf(error) },
          'Could not clear its session',
        ),
      );
  });
  return { close: cancel };
}
