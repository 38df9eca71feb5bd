// `npm run image [-- redis]`: makes the images of the examples and of README's tour in the engine that docker and orc use.
import { ensureHelloImage, helloImage } from './hello-image.mjs';
import { ensureRedisImage, redisImage } from './redis-image.mjs';
import { defaultSocket, engineAnswers, ensurePrograms, SetupError } from './setup.mjs';

const images = {
  hello: { name: helloImage, from: 'busybox', programs: ['busybox'], ensure: ensureHelloImage },
  redis: {
    name: redisImage,
    from: 'Debian’s redis-server',
    programs: ['busybox', 'mmdebstrap'],
    ensure: ensureRedisImage,
  },
};

try {
  const [wanted = 'hello'] = process.argv.slice(2);
  const image = Object.hasOwn(images, wanted) ? images[wanted] : undefined;
  if (image === undefined)
    throw new SetupError(`no image ${wanted}: there are ${Object.keys(images).join(' and ')}`);
  const socket = defaultSocket();
  if (!(await engineAnswers(socket)))
    throw new SetupError(
      `no Docker Engine answers on ${socket}: start one, or name another: DOCKER_HOST=unix:///path/to/docker.sock npm run image`,
    );
  ensurePrograms(image.programs);
  const made = await image.ensure(socket);
  console.log(
    `${image.name} ${made ? `made from ${image.from}` : 'is there already'}, in the engine at ${socket}`,
  );
} catch (error) {
  if (!(error instanceof SetupError)) throw error;
  console.error(`image: ${error.message}`);
  process.exitCode = 1;
}
