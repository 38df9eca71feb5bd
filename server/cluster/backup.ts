import { leastPassphrase } from '../../api-schemas/cluster-api.ts';
import { ApiError } from '../../kit/errors.ts';
import { seal } from '../../kit/sealed.ts';
import { backup, type MemberCalls } from '../../store/index.ts';
import type { Reply } from '../types.ts';
import { text } from './input.ts';
import { settledRotation } from './rotation.ts';
import type { ClusterCall, ClusterOptions } from './types.ts';

/** First line of what is sealed: what a new manager needs beside the store. */
export interface BackupHead {
  readonly format: 'orc-backup';
  readonly version: 1;
  readonly createdAt: string;
  /** Of the manager that made it. */
  readonly nodeName: string;
  /** PEM texts. */
  readonly ca: { readonly cert: string; readonly key: string };
  /** Absent in backups of earlier versions: it follows from the CA then. */
  readonly clusterId?: string;
}

/**
 * `POST backup`: the CA with its key and all of the store, sealed under the passphrase of the request. Made while the
 * cluster is used; nothing of it leaves this process unsealed. A stream that breaks off cannot be opened; what cannot
 * even begin, e.g. without a quorum, is refused with the reason (503).
 */
export async function sealedBackup(options: ClusterOptions, call: Pick<ClusterCall, 'body'>): Promise<Reply> {
  const { etcd, clock, nodeName, logger } = options;
  const body = await call.body();
  const passphrase = text(body, 'passphrase');
  if (passphrase.length < leastPassphrase)
    throw new ApiError(400, `passphrase: expected ${leastPassphrase} characters or more`);
  if (etcd === undefined)
    throw new ApiError(409, 'the state of this cluster is in an etcd of yours: back that up, and pki/');
  const staleOk = (body as { staleOk?: unknown }).staleOk === true;
  const { cache } = options.registry;
  // What this manager has not heard of yet counts, too. Without a quorum the store says below why there is no backup.
  await cache.sync({ staleOk: true });
  const rotation = settledRotation(cache);
  if (rotation === undefined) throw replaced();
  const ca = options.ca();
  const head: BackupHead = {
    format: 'orc-backup',
    version: 1,
    createdAt: new Date(clock.now()).toISOString(),
    nodeName,
    ca: { cert: ca.cert, key: ca.key },
    ...(options.clusterId === undefined ? {} : { clusterId: options.clusterId }),
  };
  logger.info('a backup is being made');
  const isStill = async (): Promise<void> => {
    await cache.sync({ staleOk });
    if (settledRotation(cache) === rotation) return;
    logger.warn('a backup was broken off, since the CA is being replaced meanwhile');
    throw replaced();
  };
  const content = contentOf(head, etcd, staleOk, isStill);
  // An answer that has begun can say nothing but that it broke off.
  const first = await content.next();
  const stream = seal(first.done === true ? [] : from(first.value, content), passphrase);
  return { code: 200, type: 'application/octet-stream', body: undefined, stream };
}

const replaced = (): ApiError =>
  new ApiError(
    409,
    'the CA is being replaced: a backup of now would hold one that is about to end. Try again when `orc ca status` says that it is done',
  );

/** The store is asked before anything is given. What `isStill` throws leaves the stream without its last piece. */
async function* contentOf(
  head: BackupHead,
  connection: MemberCalls,
  staleOk: boolean,
  isStill: () => Promise<void>,
): AsyncGenerator<Buffer, void> {
  const store = backup({ connection, staleOk });
  const first = await store.next();
  yield Buffer.from(`${JSON.stringify(head)}\n`);
  if (first.done !== true) yield* from(first.value, store);
  await isStill();
}

async function* from(first: Buffer, rest: AsyncIterable<Buffer>): AsyncGenerator<Buffer, void> {
  yield first;
  yield* rest;
}
