/**
 * The few etcd messages on the hot path, written and read by hand: Txn, Range and Watch.
 * The general protobuf codec costs more than etcd itself when thousands of writes ride one request.
 * Field numbers are those of etcd's `rpc.proto` and `kv.proto`.
 */
import type { WriteOp } from './types.ts';
import { ProtoReader, ProtoWriter } from './wire.ts';

export interface KeyValue {
  readonly key: string;
  readonly value: Buffer;
  readonly createRevision: number;
  readonly modRevision: number;
  readonly version: number;
}

export interface RangeRequest {
  readonly key: string;
  /** Exclusive end; absent: `key` alone. */
  readonly end?: string;
  readonly limit?: number;
  /** Absent: the newest. */
  readonly revision?: number;
  readonly keysOnly?: boolean;
  readonly countOnly?: boolean;
}

export interface RangeResponse {
  readonly clusterId: string;
  readonly revision: number;
  readonly kvs: readonly KeyValue[];
  readonly more: boolean;
}

export interface OpOutcome {
  readonly succeeded: boolean;
  /** When it failed: the op's key as it is. */
  readonly current?: KeyValue;
  /** When it failed and had a fence: the fence's create revision now, 0 when it is gone. */
  readonly fence?: number;
}

export interface BatchResponse {
  readonly revision: number;
  readonly outcomes: readonly OpOutcome[];
}

export interface WatchEvent {
  readonly kind: 'put' | 'delete';
  readonly kv: KeyValue;
}

export interface WatchResponse {
  readonly revision: number;
  readonly created: boolean;
  readonly canceled: boolean;
  /** Above 0 when the watch asked for a compacted revision. */
  readonly compactRevision: number;
  readonly cancelReason: string;
  /** More of this response follows. */
  readonly fragment: boolean;
  readonly events: readonly WatchEvent[];
}

const compareTarget = { create: 1, mod: 2 } as const;
const compareField = { create: 5, mod: 6 } as const;

/** Writes one `Compare` of a revision; etcd's proto has `Equal` as its zero, which is left out. */
function compare(w: ProtoWriter, target: 'create' | 'mod', key: string, revision: number): void {
  const end = w.position;
  w.int64(compareField[target], revision, true);
  w.text(3, key);
  w.int64(2, compareTarget[target]);
  w.close(1, end);
}

function rangeOp(w: ProtoWriter, branch: number, key: string): void {
  const op = w.position;
  const range = w.position;
  w.text(1, key);
  w.close(1, range);
  w.close(branch, op);
}

function writeOp(w: ProtoWriter, { key, expect, value, lease, fence }: WriteOp): void {
  if (fence !== undefined) rangeOp(w, 3, fence.key);
  rangeOp(w, 3, key);
  const op = w.position;
  const body = w.position;
  if (lease !== undefined) w.bigInt64(3, BigInt(lease));
  if (value !== undefined) w.bytes(2, value);
  w.text(1, key);
  w.close(value === undefined ? 3 : 2, body);
  w.close(2, op);
  if (fence !== undefined) compare(w, 'create', fence.key, fence.createRevision);
  compare(w, 'mod', key, expect);
}

/** Key of a put that is never made, see `encodeBatch`. */
const quotaKey = '/orc/quota';

/**
 * One transaction that holds each op as a nested transaction of its own. etcd's quota does not see puts of
 * nested transactions: a transaction without others would be let through when etcd is full, and fill the disk.
 * So one that puts anything has a put in its failure branch, too, which is counted and never runs.
 */
export function encodeBatch(ops: readonly WriteOp[], sizeHint: number): Buffer {
  const w = new ProtoWriter(sizeHint + 64);
  if (ops.some((op) => op.value !== undefined)) {
    const op = w.position;
    const put = w.position;
    w.text(1, quotaKey);
    w.close(2, put);
    w.close(3, op);
  }
  for (let i = ops.length - 1; i >= 0; i--) {
    const requestOp = w.position;
    const nested = w.position;
    writeOp(w, ops[i] as WriteOp);
    w.close(4, nested);
    w.close(2, requestOp);
  }
  return w.finish();
}

/** Bytes one op takes in a batch, at most. */
export function sizeOf({ key, value, fence }: WriteOp): number {
  const bytes = value === undefined ? 0 : typeof value === 'string' ? Buffer.byteLength(value) : value.length;
  return 3 * Buffer.byteLength(key) + bytes + (fence === undefined ? 0 : 2 * fence.key.length + 40) + 100;
}

export function encodeRange(request: RangeRequest): Buffer {
  const w = new ProtoWriter(256);
  if (request.countOnly === true) w.int64(9, 1);
  if (request.keysOnly === true) w.int64(8, 1);
  w.int64(4, request.revision ?? 0);
  w.int64(3, request.limit ?? 0);
  if (request.end !== undefined) w.text(2, request.end);
  w.text(1, request.key);
  return w.finish();
}

export function encodeWatchCreate(key: string, end: string, startRevision: number): Buffer {
  const w = new ProtoWriter(256);
  const body = w.position;
  w.int64(8, 1);
  w.int64(3, startRevision);
  w.text(2, end);
  w.text(1, key);
  w.close(1, body);
  return w.finish();
}

function readHeader(r: ProtoReader): { revision: number; clusterId: string } {
  let revision = 0;
  let clusterId = '0';
  r.message((field) => {
    if (field === 3) revision = r.number();
    else if (field === 1) clusterId = r.bigInt().toString();
    else r.skip();
  });
  return { revision, clusterId };
}

const nothing: Buffer = Buffer.alloc(0);

function readKeyValue(r: ProtoReader): KeyValue {
  const kv = { key: '', value: nothing, createRevision: 0, modRevision: 0, version: 0 };
  r.message((field) => {
    if (field === 1) kv.key = r.text();
    else if (field === 2) kv.createRevision = r.number();
    else if (field === 3) kv.modRevision = r.number();
    else if (field === 4) kv.version = r.number();
    else if (field === 5) kv.value = r.bytes();
    else r.skip();
  });
  return kv;
}

function readRange(r: ProtoReader, end: number): RangeResponse {
  let header = { revision: 0, clusterId: '0' };
  let more = false;
  const kvs: KeyValue[] = [];
  r.fields(end, (field) => {
    if (field === 1) header = readHeader(r);
    else if (field === 2) kvs.push(readKeyValue(r));
    else if (field === 3) more = r.number() !== 0;
    else r.skip();
  });
  return { ...header, kvs, more };
}

export const decodeRange = (data: Buffer): RangeResponse => readRange(new ProtoReader(data), data.length);

const succeeded: OpOutcome = { succeeded: true };

/** Reads the `TxnResponse` of one op. On failure it holds the op's key and, with a fence, the fence's. */
function readOutcome(r: ProtoReader): OpOutcome {
  let ok = false;
  const found: (KeyValue | undefined)[] = [];
  r.message((field) => {
    if (field === 2) ok = r.number() !== 0;
    else if (field === 3 && !ok) {
      r.message((branch) => {
        if (branch === 1) found.push(readRange(r, r.end()).kvs[0]);
        else r.skip();
      });
    } else r.skip();
  });
  if (ok) return succeeded;
  const [current, fence] = found;
  return {
    succeeded: false,
    ...(current === undefined ? {} : { current }),
    ...(found.length < 2 ? {} : { fence: fence?.createRevision ?? 0 }),
  };
}

export function decodeBatch(data: Buffer): BatchResponse {
  const r = new ProtoReader(data);
  let revision = 0;
  const outcomes: OpOutcome[] = [];
  r.fields(data.length, (field) => {
    if (field === 1) ({ revision } = readHeader(r));
    else if (field === 3) {
      r.message((branch) => {
        if (branch === 4) outcomes.push(readOutcome(r));
        else r.skip();
      });
    } else r.skip();
  });
  return { revision, outcomes };
}

export function decodeWatch(data: Buffer): WatchResponse {
  const r = new ProtoReader(data);
  const answer = {
    revision: 0,
    created: false,
    canceled: false,
    compactRevision: 0,
    cancelReason: '',
    fragment: false,
    events: [] as WatchEvent[],
  };
  r.fields(data.length, (field) => {
    if (field === 1) answer.revision = readHeader(r).revision;
    else if (field === 3) answer.created = r.number() !== 0;
    else if (field === 4) answer.canceled = r.number() !== 0;
    else if (field === 5) answer.compactRevision = r.number();
    else if (field === 6) answer.cancelReason = r.text();
    else if (field === 7) answer.fragment = r.number() !== 0;
    else if (field === 11) answer.events.push(readEvent(r));
    else r.skip();
  });
  return answer;
}

function readEvent(r: ProtoReader): WatchEvent {
  let kind: WatchEvent['kind'] = 'put';
  let kv: KeyValue | undefined;
  r.message((field) => {
    if (field === 1) kind = r.number() === 1 ? 'delete' : 'put';
    else if (field === 2) kv = readKeyValue(r);
    else r.skip();
  });
  if (kv === undefined) throw new Error('etcd sent an event without a key');
  return { kind, kv };
}
