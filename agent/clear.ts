import { messageOf } from '../kit/errors.ts';
import type { Logger } from '../kit/log.ts';
import { run as runCommand, type Run } from './network/commands.ts';
import { clearMesh } from './network/encryption/clear.ts';
import { IngressKernel } from './network/ingress/kernel.ts';
import { defaultTable } from './network/ingress/table.ts';
import { tunnelTag } from './network/names.ts';
import { clearTunnels } from './network/overlay/clear.ts';
import type { Owner, Runtime } from './runtime/types.ts';
import { Limiter } from './tasks/limiter.ts';

export interface ClearOptions {
  readonly runtime: Pick<Runtime, 'list' | 'stop' | 'remove' | 'listNetworks' | 'removeNetwork'>;
  readonly owner: Owner;
  /** Of the agent that is no more. */
  readonly dataDir: string;
  /** False where there is no kernel to program. */
  readonly ingress: boolean;
  readonly logger: Logger;
  readonly run?: Run;
}

const atATime = 8;

/**
 * Removes what agents of this node have made: containers (each is given its time to stop), networks, the rules of
 * published ports. Named volumes stay. Resolves with how many containers there were; may be repeated.
 */
export async function clearNode(options: ClearOptions): Promise<number> {
  const { runtime, logger } = options;
  const containers = await runtime.list();
  const limiter = new Limiter(atATime);
  await Promise.all(
    containers.map(({ id, status }) =>
      limiter.run(async () => {
        if (status === 'running') await runtime.stop(id);
        await runtime.remove(id);
      }),
    ),
  );
  for (const { id, name } of await runtime.listNetworks())
    await runtime
      .removeNetwork(id)
      .catch((error: unknown) => logger.warn({ network: name, err: messageOf(error) }, 'a network stays'));
  if (options.ingress) {
    await removeTunnels(options);
    await removeRules(options);
  }
  return containers.length;
}

/** Those in clear, then those that are encrypted with their keys. */
async function removeTunnels({ owner, logger, run = runCommand }: ClearOptions): Promise<void> {
  const tag = tunnelTag(owner);
  for (const clear of [clearTunnels, clearMesh])
    await clear(run, tag).catch((error: unknown) =>
      logger.warn({ err: messageOf(error) }, 'tunnels of networks could not be removed'),
    );
}

/** A machine that never published a port need not have the commands. */
async function removeRules({ dataDir, logger, run = runCommand }: ClearOptions): Promise<void> {
  if ((await run(['nft', 'list', 'tables'])).code !== 0) return;
  const kernel = new IngressKernel({ run, table: defaultTable(dataDir), ipv6: () => false });
  await kernel
    .remove()
    .catch((error: unknown) =>
      logger.warn({ err: messageOf(error) }, 'the rules of published ports could not be removed'),
    );
}
