import type { Logger } from '../kit/log.ts';
import type { Connection } from './connection.ts';
import { decode, type Stored } from './decode.ts';
import { failureOf } from './errors.ts';
import { registryEnd, registryPrefix } from './keys.ts';
import type { RangeResponse } from './proto.ts';

export interface Snapshot {
  readonly objects: readonly Stored[];
  readonly revision: number;
  readonly clusterId: string;
}

const firstPage = 256;
const maxPage = 10_000;
/** What a page should weigh, well below every limit on the way. */
const pageBytes = 1024 * 1024;

/** Objects per page, after a page of `count` that weighed `bytes`. */
export const nextPage = (count: number, bytes: number): number =>
  Math.max(1, Math.min(maxPage, Math.floor((pageBytes * count) / Math.max(bytes, 1))));

/** Lists the whole registry at one revision, page by page, so that no message is large. */
export async function listRegistry(connection: Pick<Connection, 'range'>, logger: Logger): Promise<Snapshot> {
  const objects: Stored[] = [];
  let revision = 0;
  let clusterId = '0';
  let limit = firstPage;
  for (let key = registryPrefix; ;) {
    const page: RangeResponse | undefined = await connection
      .range({ key, end: registryEnd, limit, revision })
      .catch((error: unknown) => {
        if (failureOf(error) !== 'tooLarge' || limit === 1) throw error;
        return undefined;
      });
    if (page === undefined) {
      limit = Math.max(1, limit >> 2);
      continue;
    }
    if (revision === 0) ({ revision, clusterId } = page);
    let bytes = 0;
    for (const kv of page.kvs) {
      bytes += kv.key.length + kv.value.length;
      const stored = decode(kv, logger);
      if (stored !== undefined) objects.push(stored);
    }
    const last = page.kvs.at(-1);
    if (!page.more || last === undefined) return { objects, revision, clusterId };
    key = `${last.key}\0`;
    limit = nextPage(page.kvs.length, bytes);
  }
}
