// The demo's image, made from local files only: a root file system with busybox and a web root.
import { mkdtempSync, chmodSync, copyFileSync, mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { spawn } from 'node:child_process';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { which } from './setup.mjs';

export const helloImage = 'orc.local/hello:1';

const applets = [
  'sh',
  'httpd',
  'nc',
  'hostname',
  'date',
  'sleep',
  'cat',
  'echo',
  'env',
  'ls',
  'ps',
  'wget',
  'kill',
  'id',
  'ip',
  'nslookup',
  'mkdir',
  'touch',
  'head',
  'tail',
  'mount',
  'df',
  'true',
  'false',
  'test',
];

/** Writes its name to the page that httpd serves, then becomes httpd, which ends at once on SIGTERM. */
const serve = `#!/bin/sh
echo "hello from $(hostname)" > /www/index.html
trap 'exit 0' TERM INT
httpd -f -p 80 -h /www &
wait $!
`;

/** Imports the image through the Engine API unless it is there; returns whether it had to. */
export async function ensureHelloImage(socketPath) {
  if ((await call(socketPath, 'GET', `/images/${encodeURIComponent(helloImage)}/json`)).status === 200)
    return false;
  const dir = mkdtempSync(join(tmpdir(), 'orc-hello-'));
  try {
    for (const folder of ['bin', 'etc', 'tmp', 'www', 'proc', 'dev', 'sys', 'run'])
      mkdirSync(join(dir, folder));
    copyFileSync(which('busybox'), join(dir, 'bin/busybox'));
    chmodSync(join(dir, 'bin/busybox'), 0o755);
    for (const applet of applets) symlinkSync('busybox', join(dir, 'bin', applet));
    writeFileSync(join(dir, 'bin/serve'), serve, { mode: 0o755 });
    writeFileSync(join(dir, 'etc/passwd'), 'root:x:0:0:root:/:/bin/sh\n');
    const [repo, tag] = helloImage.split(/:(?=[^/]*$)/);
    const query = new URLSearchParams({ fromSrc: '-', repo, tag });
    query.append('changes', 'CMD ["/bin/serve"]');
    query.append('changes', 'ENV PATH=/bin');
    const tar = spawn('tar', ['-C', dir, '--owner=0', '--group=0', '-c', '.'], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const { status, body } = await call(socketPath, 'POST', `/images/create?${query}`, tar.stdout);
    if (status !== 200 || body.includes('"error"'))
      throw new Error(`import of ${helloImage} failed: ${body.slice(0, 300)}`);
    return true;
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

/** One Engine API call over its socket. */
export function call(socketPath, method, path, stream) {
  return new Promise((resolve, reject) => {
    const headers = stream === undefined ? {} : { 'content-type': 'application/x-tar' };
    const req = request({ socketPath, method, path, headers }, (res) => {
      let body = '';
      res.setEncoding('utf8');
      res.on('data', (chunk) => (body += chunk));
      res.on('end', () => resolve({ status: res.statusCode, body }));
    });
    req.on('error', reject);
    if (stream === undefined) req.end();
    else stream.pipe(req);
  });
}
