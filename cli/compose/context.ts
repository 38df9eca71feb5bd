import { join } from 'node:path';
import { configPath, dropContextsOf, mergeContext, type KubeConfig } from '../../client/index.ts';
import { messageOf } from '../../kit/errors.ts';
import { readIfThere } from '../../kit/files.ts';
import type { Logger } from '../../kit/log.ts';
import { note, type Io } from '../io.ts';
import type { Manager } from './manager.ts';

const wanted = 'orc';

type Contextual = Pick<Manager, 'servers' | 'pki'>;

const mergeOf = (io: Io, { servers, pki }: Contextual, makeCurrent: boolean): Promise<string> =>
  mergeContext(
    { name: wanted, endpoints: servers(), ca: pki.trust, cert: pki.admin.cert, key: pki.admin.key },
    { path: configPath(io.env), makeCurrent },
  );

async function writeContext(io: Io, manager: Contextual): Promise<string> {
  const path = configPath(io.env);
  const name = await mergeOf(io, manager, true);
  if (name !== wanted) {
    note(
      io,
      `context "${wanted}" in ${path} is another cluster's and stays; this one is "${name}", and current now (back: \`orc config use-context ${wanted}\`)`,
    );
  }
  return `context "${name}" in ${path}`;
}

/**
 * Makes the cluster the CLI's current context, as its admin, and keeps the context's certificate that of the admin:
 * written again after each renewal, with the current context left to the user. Returns which context, in words:
 * `context "orc" in FILE`.
 */
export async function keepContext(
  io: Io,
  manager: Contextual & Pick<Manager, 'onRenewed'>,
  logger: Pick<Logger, 'warn'>,
): Promise<string> {
  manager.onRenewed(() => {
    mergeOf(io, manager, false).catch((error: unknown) =>
      logger.warn({ err: messageOf(error) }, 'the context keeps the old certificate'),
    );
  });
  return writeContext(io, manager);
}

/**
 * Takes out the contexts that this data directory's managers have written, told by the admin's key that is nowhere
 * else; says which, and which is current then. A file that cannot be changed is said, and no reason to stay.
 */
export async function dropContext(io: Io, dataDir: string): Promise<void> {
  const key = await readIfThere(join(dataDir, 'pki', 'admin.key'));
  if (key === undefined) return;
  const path = configPath(io.env);
  try {
    const { names, config } = await dropContextsOf(key, path);
    if (names.length === 0) return;
    const gone = names.map((name) => `"${name}"`).join(', ');
    note(io, `context ${gone} is gone from ${path}; ${currentText(config)}`);
  } catch (error) {
    note(io, `the context of this machine stays: ${messageOf(error)}`);
  }
}

function currentText({ contexts = [], ...config }: KubeConfig): string {
  const current = config['current-context'];
  if (current !== undefined) return `current is "${current}"`;
  if (contexts.length === 0) return 'there is no other';
  const others = contexts.map(({ name }) => name).join(', ');
  return `none is current: choose one with \`orc config use-context\` (${others})`;
}
