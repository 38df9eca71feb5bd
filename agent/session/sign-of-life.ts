import { Worker } from 'node:worker_threads';
import { messageOf } from '../../kit/errors.ts';
import type { Clock } from '../../kit/clock.ts';
import type { Logger } from '../../kit/log.ts';
import { signOfLifeThread, type LifeTarget } from './sign-of-life-thread.ts';

/** Says as often as the session's heartbeat that this process lives, whatever its main thread is busy with. */
export interface SignOfLife {
  /** From now on to the first of these servers, and to the others when it is gone. */
  follow(target: LifeTarget): void;
  close(): void;
}

/** The thread has little to remember. Without limits V8 gives it as much as a whole program. */
const resourceLimits = { maxOldGenerationSizeMb: 16, maxYoungGenerationSizeMb: 1, stackSizeMb: 1 };
const againMs = 1_000;

/** Starts the second thread with the first `follow`, and again should it fail. */
export function startSignOfLife({
  clock,
  logger,
}: {
  readonly clock: Clock;
  readonly logger: Logger;
}): SignOfLife {
  let target: LifeTarget | undefined;
  let worker: Worker | undefined;
  let isClosed = false;

  const start = (): void => {
    if (isClosed || target === undefined) return;
    const own = new Worker(`(${signOfLifeThread.toString()})(require)`, {
      eval: true,
      name: 'sign of life',
      // Not source maps and the like of the main thread.
      execArgv: [],
      env: {},
      resourceLimits,
    });
    worker = own;
    own.unref();
    own.on('error', (error) =>
      logger.warn({ error: messageOf(error) }, 'the thread that gives signs of life failed'),
    );
    own.once('exit', () => {
      if (worker === own) worker = undefined;
      clock.after(againMs, start);
    });
    own.postMessage(target);
  };

  return {
    follow(next) {
      if (JSON.stringify(next) === JSON.stringify(target)) return;
      target = next;
      if (worker === undefined) start();
      else worker.postMessage(next);
    },
    close() {
      isClosed = true;
      void worker?.terminate();
    },
  };
}
