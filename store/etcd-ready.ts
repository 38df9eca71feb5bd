import { sleep, type Clock } from '../kit/clock.ts';
import type { Logger } from '../kit/log.ts';
import { Connection, type ConnectOptions } from './connection.ts';
import { lastLines } from './etcd-log.ts';
import type { EtcdProcess } from './etcd-process.ts';
import { isListening } from './ports.ts';

export interface ReadyOptions extends ConnectOptions {
  readonly clientPort: number;
  /** It waits for a majority of its cluster, as long as that takes. */
  readonly isMember: boolean;
  readonly logFile: string;
  readonly logger: Logger;
  readonly clock: Clock;
  readonly stopping: AbortSignal;
}

const startTimeoutMs = 30_000;
/** How often one that waits says so. */
const waitingMs = 10_000;

/**
 * Waits until etcd answers; its ports are open long before that. False when it ends or is to be stopped, or when
 * a lone one takes too long. A member is not ended for being slow: the others need it to become a majority.
 */
export async function isReady(process: EtcdProcess, options: ReadyOptions): Promise<boolean> {
  const { clientPort, isMember, logFile, logger, clock, stopping } = options;
  let ended = false;
  const end = process.ended.then(() => {
    ended = true;
    return false;
  });
  const began = clock.now();
  const deadline = isMember ? Infinity : began + startTimeoutMs;
  let nextWord = began + waitingMs;
  const connection = new Connection(options);
  // A learner, and a member that lost the majority, read nothing; they know their own state.
  const ask = (): Promise<unknown> =>
    isMember
      ? connection.call('Maintenance', 'status', {}, 1000)
      : connection.range({ key: '/', limit: 1, keysOnly: true });
  const answers = (): Promise<boolean> =>
    ask().then(
      () => true,
      () => false,
    );
  try {
    while (!ended && !stopping.aborted && clock.now() < deadline) {
      if ((await isListening(clientPort)) && (await Promise.race([answers(), end]))) return true;
      if (clock.now() >= nextWord) {
        nextWord += waitingMs;
        const what = isMember ? 'etcd waits for a majority of the members' : 'etcd does not answer yet';
        logger.warn({ log: lastLines(logFile, 3) }, what);
      }
      await sleep(clock, 20);
    }
    return false;
  } finally {
    connection.close();
  }
}
