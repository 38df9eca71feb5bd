// `npm run image`: makes the image of the examples and of README's tour in the engine that docker and orc use.
import { ensureHelloImage, helloImage } from './hello-image.mjs';
import { defaultSocket, engineAnswers, ensurePrograms, SetupError } from './setup.mjs';

try {
  const socket = defaultSocket();
  if (!(await engineAnswers(socket)))
    throw new SetupError(
      `no Docker Engine answers on ${socket}: start one, or name another: DOCKER_HOST=unix:///path/to/docker.sock npm run image`,
    );
  ensurePrograms(['busybox']);
  const made = await ensureHelloImage(socket);
  console.log(`${helloImage} ${made ? 'made from busybox' : 'is there already'}, in the engine at ${socket}`);
} catch (error) {
  if (!(error instanceof SetupError)) throw error;
  console.error(`image: ${error.message}`);
  process.exitCode = 1;
}
