import { call } from './engine-api.mjs';

/**
 * Makes an image of a tar archive in the engine, whether it is there or not; `changes` are lines of a Dockerfile.
 * @param {string} socketPath
 * @param {string} name
 * @param {Buffer} archive
 * @param {readonly string[]} changes
 */
export async function importImage(socketPath, name, archive, changes) {
  const [repo, tag = 'latest'] = name.split(/:(?=[^/]*$)/);
  const query = new URLSearchParams({ fromSrc: '-', repo, tag });
  for (const change of changes) query.append('changes', change);
  const { status, body } = await call(socketPath, 'POST', `/images/create?${query}`, archive);
  if (status !== 200 || body.includes('"error"'))
    throw new Error(`import of ${name} failed: ${body.slice(0, 300)}`);
}

/** Whether the engine has the image. */
export async function hasImage(socketPath, name) {
  const { status } = await call(socketPath, 'GET', `/images/${encodeURIComponent(name)}/json`);
  return status === 200;
}
