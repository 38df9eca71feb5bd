import { ApiError } from '../kit/errors.ts';
import { backoffMs } from '../kit/backoff.ts';
import { sleep, type Clock } from '../kit/clock.ts';
import type { Logger } from '../kit/log.ts';
import type { Connection } from './connection.ts';
import { failureOf, outcomeUnknown, storeFull, storeUnavailable } from './errors.ts';
import { Fifo } from './fifo.ts';
import { encodeBatch, sizeOf, type BatchResponse } from './proto.ts';
import type { WriteOp, WriteResult } from './types.ts';
import { resultAfterDoubt, resultOf } from './outcome.ts';

/** Plain numbers for whoever exports them; all only rise but `queued` and `inFlight`. */
export interface WriterCounters {
  /** Transactions etcd answered. */
  batches: number;
  /** Ops in them. */
  ops: number;
  committed: number;
  conflicts: number;
  fenced: number;
  /** Ops that ended in an error. */
  failed: number;
  /** Batches sent again because their outcome was unknown or etcd was away. */
  resent: number;
  largestBatch: number;
  /** Sum over batches of the time from sending to the answer, in ms. */
  commitMs: number;
  queued: number;
  inFlight: number;
}

export interface WriterOptions {
  readonly connection: Pick<Connection, 'txn' | 'range'>;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Ops per transaction at first; lowered when etcd refuses it. Default 512. */
  readonly maxOps?: number;
  /** Default 2. */
  readonly maxInFlight?: number;
  /** How long one write may take, etcd's absence included. Default 10 000 ms. */
  readonly timeoutMs?: number;
  /** Told when etcd refuses a write because it is full. */
  readonly onFull?: () => void;
}

/**
 * Two smaller commits in flight beat one large one, as etcd writes the log of one while it applies the other:
 * a queue longer than this is shared among them.
 */
const worthOverlapping = 64;

interface Pending {
  readonly op: WriteOp;
  readonly size: number;
  readonly since: number;
  readonly resolve: (result: WriteResult) => void;
  readonly reject: (error: Error) => void;
}

/** Below etcd's `--max-request-bytes` of 1.5 MiB, with room for the envelope. */
const maxBatchBytes = 1_450_000;

/** Ops of one transaction that any etcd takes: `--max-txn-ops` is 128 by default, and etcd counts depth too. */
const safeOps = 128 - 2;

/**
 * Group commit: all writes that arrive while a commit is in flight ride the next one, as nested transactions
 * of one etcd transaction, and each succeeds or conflicts alone. Writes of one key are made in the order they
 * were submitted, one per transaction.
 */
export class Writer {
  readonly counters: WriterCounters = {
    batches: 0,
    ops: 0,
    committed: 0,
    conflicts: 0,
    fenced: 0,
    failed: 0,
    resent: 0,
    largestBatch: 0,
    commitMs: 0,
    queued: 0,
    inFlight: 0,
  };
  /** Highest revision this writer has committed. */
  revision = 0;

  readonly #connection: WriterOptions['connection'];
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #maxInFlight: number;
  readonly #timeoutMs: number;
  readonly #onFull: () => void;
  #maxOps: number;
  /** Ready to be sent; no key twice. */
  readonly #queue = new Fifo<Pending>();
  /** Keys queued or in flight, each with what waits behind it. */
  readonly #busy = new Map<string, Pending[] | undefined>();
  #scheduled = false;
  readonly #closed = new AbortController();

  constructor(options: WriterOptions) {
    this.#connection = options.connection;
    this.#clock = options.clock;
    this.#logger = options.logger;
    this.#maxOps = options.maxOps ?? 512;
    this.#maxInFlight = options.maxInFlight ?? 2;
    this.#timeoutMs = options.timeoutMs ?? 10_000;
    this.#onFull = options.onFull ?? (() => undefined);
  }

  /**
   * Resolves when etcd has decided, also on conflict. Rejects with ApiError: 503 `StoreUnavailable` (not
   * written), 503 `StoreFull` (not written), 504 `Timeout` (outcome unknown), 413 (too large).
   */
  submit(op: WriteOp): Promise<WriteResult> {
    return new Promise((resolve, reject) => {
      if (this.#closed.signal.aborted) return reject(storeUnavailable('it is being closed'));
      const pending = { op, size: sizeOf(op), since: this.#clock.now(), resolve, reject };
      if (pending.size > maxBatchBytes) return reject(tooLarge(op));
      this.counters.queued++;
      if (!this.#busy.has(op.key)) {
        this.#busy.set(op.key, undefined);
        this.#queue.push(pending);
        this.#schedule();
        return;
      }
      const waiting = this.#busy.get(op.key);
      if (waiting === undefined) this.#busy.set(op.key, [pending]);
      else waiting.push(pending);
    });
  }

  /** Refuses what is queued, and waits for nothing. */
  close(): void {
    this.#closed.abort(new Error('The writer is closed'));
    const behind = [...this.#busy.values()].flatMap((pending) => pending ?? []);
    const waiting = [...this.#queue.extract(() => true), ...behind];
    this.#busy.clear();
    for (const pending of waiting) pending.reject(storeUnavailable('it is being closed'));
  }

  #schedule(): void {
    if (this.#scheduled || this.#queue.length === 0) return;
    if (this.counters.inFlight >= this.#maxInFlight) return;
    this.#scheduled = true;
    setImmediate(() => {
      this.#scheduled = false;
      this.#flush();
    });
  }

  #flush(): void {
    while (this.counters.inFlight < this.#maxInFlight && this.#queue.length > 0) {
      const batch = this.#take();
      this.counters.inFlight++;
      this.counters.queued -= batch.length;
      const newest = batch.reduce((latest, { since }) => Math.max(latest, since), 0);
      void this.#send(batch, false, newest + this.#timeoutMs).finally(() => {
        this.counters.inFlight--;
        this.#schedule();
      });
    }
  }

  #take(): Pending[] {
    const batch: Pending[] = [];
    let size = 0;
    const fair = Math.ceil(this.#queue.length / (this.#maxInFlight - this.counters.inFlight));
    const limit = Math.min(this.#maxOps, Math.max(fair, worthOverlapping));
    while (batch.length < limit) {
      const pending = this.#queue.peek();
      if (pending === undefined || (batch.length > 0 && size + pending.size > maxBatchBytes)) break;
      this.#queue.shift();
      size += pending.size;
      batch.push(pending);
    }
    return batch;
  }

  /** Sends until etcd has decided. `doubtful`: an earlier attempt may have been applied. Never rejects. */
  async #send(batch: readonly Pending[], doubtful: boolean, deadline: number): Promise<void> {
    const size = batch.reduce((sum, pending) => sum + pending.size, 64);
    for (let attempt = 1; ; attempt++) {
      const started = performance.now();
      let answer: BatchResponse;
      try {
        const ops = batch.map((pending) => pending.op);
        const left = Math.max(1, deadline - this.#clock.now());
        answer = await this.#connection.txn(encodeBatch(ops, size), Math.min(left, 5000));
      } catch (error) {
        const failure = failureOf(error);
        switch (failure) {
          case 'notSent':
          case 'unknown':
            doubtful ||= failure === 'unknown';
            this.#expire();
            if (!(await this.#mayRetry(attempt, deadline))) return this.#giveUp(batch, doubtful, error);
            this.counters.resent++;
            continue;
          case 'full':
            this.#onFull();
            return this.#afterFull(batch, doubtful, deadline, error);
          case 'tooManyOps':
            this.#lowerMaxOps(batch.length);
            return this.#split(batch, doubtful, deadline, error);
          case 'tooLarge':
          case 'leaseGone':
          case 'compacted':
          case 'refused':
            return this.#split(batch, doubtful, deadline, error);
        }
      }
      this.#count(batch.length, performance.now() - started);
      await this.#settleAll(batch, answer, doubtful);
      return;
    }
  }

  async #settleAll(batch: readonly Pending[], answer: BatchResponse, doubtful: boolean): Promise<void> {
    for (const [i, pending] of batch.entries()) {
      const outcome = answer.outcomes[i];
      if (outcome === undefined) {
        this.#fail(pending, new ApiError(500, 'etcd answered a transaction with too few responses'));
        continue;
      }
      const result = resultOf(pending.op, outcome, answer.revision);
      if (!doubtful || result.committed) {
        this.#settle(pending, result);
        continue;
      }
      try {
        this.#settle(pending, await resultAfterDoubt(this.#connection, pending.op, result));
      } catch (error) {
        this.#fail(pending, outcomeUnknown(pending.op.key, this.#timeoutMs, error));
      }
    }
  }

  async #mayRetry(attempt: number, deadline: number): Promise<boolean> {
    const wait = backoffMs(attempt, { baseMs: 20, maxMs: 500, random: Math.random });
    if (this.#clock.now() + wait >= deadline) return false;
    return sleep(this.#clock, wait, this.#closed.signal).then(
      () => true,
      () => false,
    );
  }

  #giveUp(batch: readonly Pending[], doubtful: boolean, error: unknown): void {
    this.#logger.warn({ ops: batch.length, doubtful, err: error }, 'etcd did not confirm a commit');
    for (const pending of batch) {
      this.#fail(
        pending,
        doubtful
          ? outcomeUnknown(pending.op.key, this.#timeoutMs, error)
          : storeUnavailable('nothing was written', error),
      );
    }
  }

  /**
   * A full store still deletes; that is how it gets room. The request that finds it full is applied all the same, and
   * answered like those that come after it and are not (etcd's quotaApplierV3): each key tells which it was.
   */
  async #afterFull(
    batch: readonly Pending[],
    doubtful: boolean,
    deadline: number,
    error: unknown,
  ): Promise<void> {
    const puts = batch.filter(({ op }) => op.value !== undefined);
    const deletes = batch.filter(({ op }) => op.value === undefined);
    await Promise.all(puts.map((pending) => this.#settleFull(pending, doubtful, error)));
    if (deletes.length === 0) return;
    if (puts.length > 0) return this.#send(deletes, true, deadline);
    for (const pending of deletes) this.#fail(pending, storeFull(error));
  }

  async #settleFull(pending: Pending, doubtful: boolean, error: unknown): Promise<void> {
    const { op } = pending;
    try {
      const [kv] = (await this.#connection.range({ key: op.key })).kvs;
      const isOurs =
        kv !== undefined && kv.modRevision > op.expect && kv.value.equals(Buffer.from(op.value ?? ''));
      if (isOurs) return this.#settle(pending, { committed: true, revision: kv.modRevision });
      this.#fail(pending, doubtful ? outcomeUnknown(op.key, this.#timeoutMs, error) : storeFull(error));
    } catch (cause) {
      this.#fail(pending, outcomeUnknown(op.key, this.#timeoutMs, cause));
    }
  }

  /** Finds the op that etcd refuses by halving, so that it fails alone. */
  async #split(
    batch: readonly Pending[],
    doubtful: boolean,
    deadline: number,
    error: unknown,
  ): Promise<void> {
    const [only] = batch;
    if (batch.length === 1 && only !== undefined) {
      const failure = failureOf(error);
      if (failure === 'tooLarge') return this.#fail(only, tooLarge(only.op));
      return this.#fail(only, error instanceof Error ? error : new Error(String(error)));
    }
    const half = Math.min(this.#maxOps, Math.ceil(batch.length / 2));
    for (let i = 0; i < batch.length; i += half)
      await this.#send(batch.slice(i, i + half), doubtful, deadline);
  }

  #lowerMaxOps(refused: number): void {
    const lower = refused > safeOps ? safeOps : Math.max(1, refused >> 1);
    if (lower >= this.#maxOps) return;
    this.#maxOps = lower;
    this.#logger.info(
      { maxOps: lower },
      'etcd limits the operations of a transaction (--max-txn-ops): writes are grouped less',
    );
  }

  /** While etcd is away, what waits fails in its time, too: in the queue, and behind a key that is busy. */
  #expire(): void {
    const oldest = this.#clock.now() - this.#timeoutMs;
    const isLate = ({ since }: Pending): boolean => since <= oldest;
    const refuse = (pending: Pending): void => {
      this.counters.queued--;
      this.counters.failed++;
      pending.reject(storeUnavailable('nothing was written'));
    };
    // First those behind busy keys, so that none of them takes the place of one that expires.
    for (const [key, waiting = []] of this.#busy) {
      const late = waiting.filter(isLate);
      if (late.length === 0) continue;
      const rest = waiting.filter((pending) => !isLate(pending));
      this.#busy.set(key, rest.length === 0 ? undefined : rest);
      for (const pending of late) refuse(pending);
    }
    for (const pending of this.#queue.extract(isLate)) {
      refuse(pending);
      this.#release(pending.op.key);
    }
  }

  #settle(pending: Pending, result: WriteResult): void {
    if (result.committed) {
      this.counters.committed++;
      if (result.revision > this.revision) this.revision = result.revision;
    } else if (result.why === 'fenced') this.counters.fenced++;
    else this.counters.conflicts++;
    this.#release(pending.op.key);
    pending.resolve(result);
  }

  #fail(pending: Pending, error: Error): void {
    this.counters.failed++;
    this.#release(pending.op.key);
    pending.reject(error);
  }

  /** The key is free: what waits behind it joins the queue. */
  #release(key: string): void {
    const waiting = this.#busy.get(key);
    if (waiting === undefined) {
      this.#busy.delete(key);
      return;
    }
    const next = waiting.shift();
    if (waiting.length === 0) this.#busy.set(key, undefined);
    if (next === undefined) return;
    this.#queue.push(next);
    this.#schedule();
  }

  #count(ops: number, ms: number): void {
    this.counters.batches++;
    this.counters.ops += ops;
    this.counters.commitMs += ms;
    this.counters.largestBatch = Math.max(this.counters.largestBatch, ops);
  }
}

const tooLarge = ({ key }: WriteOp): ApiError =>
  new ApiError(413, `${key} is too large for the store: the limit is ${maxBatchBytes} bytes`);
