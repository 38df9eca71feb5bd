// The few calls of the Docker Engine API that the scripts need, without a package: they run before `npm ci`.
import { request } from 'node:http';

/**
 * One Engine API call over its socket; resolves with whatever status it answers, throws when it does not answer.
 * @param {string} socketPath
 * @param {string} method
 * @param {string} path
 * @param {Buffer} [archive] body, a tar archive
 * @returns {Promise<{ status: number, body: string }>}
 */
export function call(socketPath, method, path, archive) {
  return new Promise((resolve, reject) => {
    const headers =
      archive === undefined ? {} : { 'content-type': 'application/x-tar', 'content-length': archive.length };
    const req = request({ socketPath, method, path, headers }, (res) => {
      let body = '';
      res.setEncoding('utf8');
      res.on('data', (chunk) => (body += chunk));
      res.on('end', () => resolve({ status: res.statusCode ?? 0, body }));
      res.on('error', reject);
    });
    req.on('error', reject);
    req.end(archive);
  });
}

/** Ids of what carries the label: containers (running or not) or networks. */
export async function idsWithLabel(socketPath, kind, label) {
  const filters = encodeURIComponent(JSON.stringify({ label: [label] }));
  const path = kind === 'containers' ? '/containers/json?all=1&' : '/networks?';
  const { status, body } = await call(socketPath, 'GET', `${path}filters=${filters}`);
  return status === 200 ? JSON.parse(body).map(({ Id }) => Id) : [];
}
