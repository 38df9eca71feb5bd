// The image of the demo, the examples and the tests, made from this machine's busybox: no registry is needed.
import { readFileSync } from 'node:fs';
import { hasImage, importImage } from './import-image.mjs';
import { SetupError, which } from './setup.mjs';
import { tar } from './tar.mjs';

export const helloImage = 'orc.local/hello:1';

const applets =
  'sh cat chroot cp date df echo env false grep head hostname httpd id ip kill ls mkdir mount nc nslookup ps rm seq ' +
  'sleep stat stty tail test touch true wget';

/**
 * Answers each HTTP request on port 80 with a greeting and the container's name, and ends at once on SIGTERM. The page
 * lies on /dev/shm, so that it also works with a read-only root.
 */
const serve =
  'trap "exit 0" TERM INT; mkdir -p /dev/shm/www; echo "${GREETING-hello from }$(hostname)" > /dev/shm/www/index.html; ' +
  'echo serving; httpd -f -p 80 -h /dev/shm/www & wait';

function archive() {
  const busybox = which('busybox');
  if (busybox === undefined) throw new SetupError('busybox is missing: apt-get install busybox-static');
  const file = (path, text) => ({ path, kind: 'file', data: Buffer.from(text) });
  return tar([
    ...['bin', 'tmp', 'dev', 'proc', 'sys', 'etc', 'run'].map((path) => ({ path, kind: 'dir' })),
    file('etc/passwd', 'root:x:0:0::/:/bin/sh\nweb:x:1000:1000::/:/bin/sh\n'),
    file('etc/group', 'root:x:0:\nweb:x:1000:\n'),
    { path: 'bin/busybox', kind: 'file', data: readFileSync(busybox), mode: 0o755 },
    ...applets.split(' ').map((applet) => ({ path: `bin/${applet}`, kind: 'link', to: 'busybox' })),
  ]);
}

/** Makes the image in the engine, whether it is there or not; `changes` are lines of a Dockerfile. */
export const importHelloImage = (socketPath, name = helloImage, changes = []) =>
  importImage(socketPath, name, archive(), [
    `CMD ["sh","-c",${JSON.stringify(serve)}]`,
    'ENV PATH=/bin',
    ...changes,
  ]);

/** Makes the image unless it is there; returns whether it had to. */
export async function ensureHelloImage(socketPath) {
  if (await hasImage(socketPath, helloImage)) return false;
  await importHelloImage(socketPath);
  return true;
}
