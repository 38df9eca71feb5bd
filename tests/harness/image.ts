import { importHelloImage as importImage } from '../../scripts/hello-image.mjs';
import type { Engine } from './engine.ts';

/**
 * Makes the demo's image in a test's engine; no registry is needed. Its page is the bare hostname, for tests to compare.
 * `changes` are lines of a Dockerfile.
 */
export const importHelloImage = (
  engine: Pick<Engine, 'socketPath'>,
  name = 'hello:1',
  changes: readonly string[] = [],
): Promise<void> => importImage(engine.socketPath, name, ['ENV GREETING=', ...changes]);
