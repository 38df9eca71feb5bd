import type { Connection } from './connection.ts';
import type { KeyValue, OpOutcome } from './proto.ts';
import type { WriteOp, WriteResult } from './types.ts';

/** What etcd's answer to one op means. */
export function resultOf(op: WriteOp, outcome: OpOutcome, revision: number): WriteResult {
  if (outcome.succeeded) return { committed: true, revision };
  const fenced = op.fence !== undefined && outcome.fence !== op.fence.createRevision;
  const { current } = outcome;
  return {
    committed: false,
    why: fenced ? 'fenced' : 'conflict',
    revision,
    ...(current === undefined ? {} : { current: { value: current.value, modRevision: current.modRevision } }),
  };
}

/** Versions of a key looked at, newest first, before its history is given up. */
const maxVersions = 50;

/**
 * An op was sent, its answer was lost, and sending it again was refused: decides whether the first attempt
 * had been committed, by finding its value in the key's history. Rejects when the history cannot tell.
 */
export async function resultAfterDoubt(
  connection: Pick<Connection, 'range'>,
  op: WriteOp,
  result: WriteResult & { committed: false },
): Promise<WriteResult> {
  const { current } = result;
  if (op.value === undefined) {
    if (current === undefined) return { committed: true, revision: result.revision };
    const [kv] = (await connection.range({ key: op.key })).kvs;
    const recreated = kv === undefined || kv.createRevision > op.expect;
    return recreated ? { committed: true, revision: result.revision } : result;
  }
  if (current === undefined) return result;
  const wanted = Buffer.from(op.value);
  let version: Pick<KeyValue, 'value' | 'modRevision'> | undefined = current;
  for (let i = 0; i < maxVersions; i++) {
    if (version === undefined || version.modRevision <= op.expect) return result;
    if (version.value.equals(wanted)) return { committed: true, revision: version.modRevision };
    [version] = (await connection.range({ key: op.key, revision: version.modRevision - 1 })).kvs;
  }
  throw new Error(`${op.key} changed more than ${maxVersions} times since it was written`);
}
