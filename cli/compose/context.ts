import { configPath, mergeContext } from '../../client/index.ts';
import { messageOf } from '../../kit/errors.ts';
import type { Logger } from '../../kit/log.ts';
import { note, type Io } from '../io.ts';
import type { Manager } from './manager.ts';

const wanted = 'orc';

/** Makes the cluster the CLI's current context, as its admin; returns which context, in words: `context "orc" in FILE`. */
export async function writeContext(
  io: Io,
  { servers, pki }: Pick<Manager, 'servers' | 'pki'>,
): Promise<string> {
  const path = configPath(io.env);
  const name = await mergeContext(
    { name: wanted, endpoints: servers(), ca: pki.ca.cert, cert: pki.admin.cert, key: pki.admin.key },
    { path },
  );
  if (name !== wanted) {
    note(
      io,
      `context "${wanted}" in ${path} is another cluster's and stays; this one is "${name}", and current now (back: \`orc config use-context ${wanted}\`)`,
    );
  }
  return `context "${name}" in ${path}`;
}

/** The same, and again after each renewal: the context has the admin's certificate. */
export async function keepContext(io: Io, manager: Manager, logger: Logger): Promise<string> {
  manager.onRenewed(() => {
    writeContext(io, manager).catch((error: unknown) =>
      logger.warn({ err: messageOf(error) }, 'the context keeps the old certificate'),
    );
  });
  return writeContext(io, manager);
}
