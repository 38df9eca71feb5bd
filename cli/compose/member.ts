/** How a manager's etcd becomes a member: servers of the cluster are asked, again and again, until it is one. */
import type { Added, Promoted } from '../../store/index.ts';
import { Client } from '../../client/index.ts';
import { sleep, type Clock } from '../../kit/clock.ts';
import { isApiError, messageOf } from '../../kit/errors.ts';
import type { Logger } from '../../kit/log.ts';
import { CliError } from '../errors.ts';

export interface AskOptions {
  /** `https://host:port` of other managers. */
  readonly servers: readonly string[];
  /** PEM texts of an admin of the cluster: who has the CA's key is one. */
  readonly tls: { readonly ca: string; readonly cert: string; readonly key: string };
  readonly logger: Logger;
  readonly clock: Clock;
  readonly signal: AbortSignal;
  /** Told now and then why it takes long. */
  onWait?(message: string): void;
}

const againMs = 500;
/** A line in the log at most this often while it waits. */
const sayMs = 10_000;
/** What takes no longer is not worth a word to a person. */
const patienceMs = 3_000;

/** Has this machine added as a learner. A repeat after a crash finds the one that was added. */
export const addMember = (name: string, peerUrl: string, options: AskOptions): Promise<Added> =>
  ask(options, 'members', { name, peerUrl }, 'to be added to etcd', (answer) => answer as Added);

/** Waits until the learner has its vote. */
export async function promoteMember(id: string, options: AskOptions): Promise<void> {
  await ask(options, 'members/promote', { id }, 'to get a vote in etcd', (answer) => {
    const promoted = answer as Promoted;
    return promoted.kind === 'promoted' ? true : promoted.message;
  });
}

/** Waits until a server reaches the address, `https://host:port`. */
export async function askReach(url: string, options: AskOptions): Promise<void> {
  await ask(options, 'members/reach', { url }, 'to be reached by the others', (answer) => {
    const { why } = answer as { readonly why?: string };
    return why === undefined ? true : `${why}: ${howReached}`;
  });
}

const howReached =
  'say with --advertise by which address others reach this machine, and see that no firewall is between';

/** Posts until `read` gives something else than a text, which says why it is not there yet. */
async function ask<T>(
  { servers, tls, logger, clock, signal, onWait }: AskOptions,
  path: string,
  body: object,
  what: string,
  read: (answer: unknown) => T | string,
): Promise<T> {
  const client = new Client({ endpoints: servers, tls });
  let saidAt = Number.NEGATIVE_INFINITY;
  let toldAt = clock.now() - sayMs + patienceMs;
  try {
    for (;;) {
      let why: string;
      try {
        const text = await client.raw('POST', `/cluster/v1/${path}`, JSON.stringify(body), {
          'content-type': 'application/json',
        });
        const result = read(JSON.parse(text));
        if (typeof result !== 'string') return result;
        why = result;
      } catch (error) {
        if (isApiError(error) && error.code < 500 && error.code !== 429)
          throw new CliError(error.message, { cause: error });
        why = messageOf(error);
      }
      if (clock.now() - saidAt >= sayMs) {
        logger.info({ why }, `waiting ${what}`);
        saidAt = clock.now();
      }
      if (clock.now() - toldAt >= sayMs) {
        onWait?.(`waiting ${what}: ${why}`);
        toldAt = clock.now();
      }
      await sleep(clock, againMs, signal);
    }
  } finally {
    client.close();
  }
}
