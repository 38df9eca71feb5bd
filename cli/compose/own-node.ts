/** This machine's Node, read and spoken for with its own certificate. */
import { nodeRefused, type PromoteAnswer, type RoleNote } from '../../api-schemas/cluster-api.ts';
import type { Node } from '../../api-schemas/index.ts';
import { Client } from '../../client/index.ts';
import { backoffMs } from '../../kit/backoff.ts';
import { sleep, type Clock } from '../../kit/clock.ts';
import { isApiError, messageOf } from '../../kit/errors.ts';
import type { Logger } from '../../kit/log.ts';
import { shuffled } from '../../kit/shuffle.ts';
import type { NodeTls } from './node-tls.ts';

export interface OwnNodeOptions {
  readonly nodeName: string;
  /** `https://host:port` of all servers that are known now. */
  readonly servers: () => readonly string[];
  readonly tls: () => NodeTls;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly signal: AbortSignal;
}

/** A connection is made anew that often, with the certificate of then; and when the servers are others. */
const anewMs = 10 * 60_000;
const lookMs = 2_000;
const retry = { baseMs: 250, maxMs: 15_000 };

export interface NodeFollower {
  /** Now, and after each change. */
  onNode(node: Node): void;
  /** It is no node of the cluster any more: `why`, as the server says it. May come again. */
  onRemoved(why: string): void;
}

/** Calls back until the signal, whatever happens to servers and connections. Never throws. */
export async function followOwnNode(options: OwnNodeOptions, follower: NodeFollower): Promise<void> {
  const { nodeName, servers, tls, clock, logger, signal } = options;
  for (let failures = 0; !signal.aborted; failures++) {
    const over = new AbortController();
    const known = servers();
    const cancel = [clock.after(anewMs, () => over.abort()), whenOther(known, options, () => over.abort())];
    const client = new Client({ endpoints: shuffled(known), tls: tls() });
    try {
      const watch = client.watch('Node', {
        fieldSelector: `metadata.name=${nodeName}`,
        signal: AbortSignal.any([signal, over.signal]),
      });
      for await (const event of watch) {
        failures = 0;
        if (event.type === 'BOOKMARK') continue;
        const node = event.type === 'SYNC' ? event.items[0] : event.object;
        if (node !== undefined && event.type !== 'DELETED') follower.onNode(node);
        // Asking again tells why.
        else break;
      }
    } catch (error) {
      if (isApiError(error, nodeRefused)) follower.onRemoved(error.message);
      else logger.debug({ err: messageOf(error) }, 'the Node of this machine cannot be read now');
    } finally {
      for (const each of cancel) each();
      client.close();
    }
    await sleep(clock, backoffMs(failures + 1, { ...retry, random: Math.random }), signal).catch(
      () => undefined,
    );
  }
}

/** Why this machine is no node of the cluster any more; undefined when it is one, or nobody says. */
export async function checkOwnNode({ nodeName, servers, tls }: OwnNodeOptions): Promise<string | undefined> {
  const client = new Client({ endpoints: shuffled(servers()), tls: tls(), requestTimeoutMs: 3_000 });
  try {
    await client.get('Node', { name: nodeName });
    return undefined;
  } catch (error) {
    return isApiError(error, nodeRefused) ? error.message : undefined;
  } finally {
    client.close();
  }
}

/** Calls back once the servers that are known are not these any more. The returned function cancels it. */
function whenOther(
  known: readonly string[],
  { servers, clock }: Pick<OwnNodeOptions, 'servers' | 'clock'>,
  call: () => void,
): () => void {
  let cancel = (): void => undefined;
  const look = (): void => {
    const now = servers();
    if (now.length !== known.length || now.some((server) => !known.includes(server))) call();
    else cancel = clock.after(lookMs, look);
  };
  cancel = clock.after(lookMs, look);
  return () => cancel();
}

/** Asks for what a manager needs. Throws ApiError and ConnectionError. */
export const askPromotion = (options: OwnNodeOptions): Promise<PromoteAnswer> =>
  post(options, 'promote', {}) as Promise<PromoteAnswer>;

/** Says how the change of role goes. What cannot be said is said with the next step, or not at all. */
export async function tellRole(options: OwnNodeOptions, note: RoleNote): Promise<void> {
  await post(options, 'role', note).catch((error: unknown) =>
    options.logger.debug({ err: messageOf(error) }, 'the servers were not told of the change of role'),
  );
}

async function post({ servers, tls }: OwnNodeOptions, path: string, body: object): Promise<unknown> {
  const client = new Client({ endpoints: shuffled(servers()), tls: tls(), requestTimeoutMs: 10_000 });
  try {
    const text = await client.raw('POST', `/cluster/v1/${path}`, JSON.stringify(body), {
      'content-type': 'application/json',
    });
    return JSON.parse(text) as unknown;
  } finally {
    client.close();
  }
}
