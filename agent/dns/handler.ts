import type { Clock } from '../../kit/clock.ts';
import { messageOf } from '../../kit/errors.ts';
import type { Logger } from '../../kit/log.ts';
import { answer, type Answer } from './answer.ts';
import { domain } from './names.ts';
import { Places } from './places.ts';
import { askUpstream, type UpstreamOptions } from './upstream.ts';
import type { View } from './view.ts';
import { parseQuery, passOn, respond, respondBare, type Query, type Response } from './wire.ts';

export type Via = 'udp' | 'tcp';

/** How queries ended. `overload`: refused for want of a place. `failed`: no resolver of the host answered. */
export const results = [
  'answered',
  'empty',
  'nxdomain',
  'refused',
  'forwarded',
  'failed',
  'malformed',
  'overload',
  'dropped',
] as const;
export type Result = (typeof results)[number];

export interface HandlerOptions {
  readonly view: () => View;
  /**
   * Resolves when the rules of the container with this address are loaded. Its answers are held until then, since a
   * connection to a virtual IP that was begun before cannot be saved.
   */
  readonly ready: (source: string) => Promise<void>;
  readonly upstream: UpstreamOptions;
  /** Answers what is no query of a container, but a probe of another node's agent; undefined: it is none. */
  readonly probe?: (message: Buffer, source: string) => Buffer | undefined;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly random?: () => number;
  /** How long an answer is held at most. */
  readonly holdMs?: number;
  /** Queries in work at once, those held and those that wait for a resolver. */
  readonly mostQueries?: number;
  readonly mostQueriesEach?: number;
}

/** Seconds. A name's address changes seldom, its tasks often; that it is not there may end at any moment. */
const ttl = 5;
const negativeTTL = 1;

/** Takes a message, gives the answer to it, and counts. Knows nothing of sockets. */
export class Handler {
  readonly #options: HandlerOptions;
  readonly #places: Places;
  readonly #counts = new Map<Result, number>(results.map((result) => [result, 0]));

  constructor(options: HandlerOptions) {
    this.#options = options;
    const { mostQueries = 1_000, mostQueriesEach = 150 } = options;
    this.#places = new Places(mostQueries, mostQueriesEach);
  }

  /** By result, since the start. */
  counts(): Readonly<Record<Result, number>> {
    return Object.fromEntries(this.#counts) as Record<Result, number>;
  }

  count(result: Result): void {
    this.#counts.set(result, (this.#counts.get(result) ?? 0) + 1);
  }

  /** Undefined: nothing is to be sent. Never throws. */
  async handle(message: Buffer, source: string, via: Via): Promise<Buffer | undefined> {
    const probed = via === 'udp' ? this.#options.probe?.(message, source) : undefined;
    if (probed !== undefined) return probed;
    const parsed = parseQuery(message);
    switch (parsed.kind) {
      case 'drop':
        return this.#end('dropped', undefined);
      case 'bad':
        return this.#end('malformed', respondBare(message, parsed.rcode));
      case 'query':
        return this.#guarded(parsed.query, source, via);
    }
  }

  async #guarded(query: Query, source: string, via: Via): Promise<Buffer | undefined> {
    if ((query.edns?.version ?? 0) !== 0)
      return this.#end('malformed', respond(query, { rcode: 'BADVERS' }, via));
    // A stranger is not waited for, and takes no place.
    if (!this.#options.view().containers.has(source))
      return this.#end('refused', respond(query, { rcode: 'REFUSED' }, via));
    const giveBack = this.#places.take(source);
    if (giveBack === undefined) return this.#end('overload', respond(query, { rcode: 'SERVFAIL' }, via));
    try {
      await this.#untilReady(source);
      return await this.#answer(query, source, via);
    } catch (error) {
      this.#options.logger.warn({ err: messageOf(error), source }, 'a DNS query failed');
      return this.#end('failed', respond(query, { rcode: 'SERVFAIL' }, via));
    } finally {
      giveBack();
    }
  }

  async #answer(query: Query, source: string, via: Via): Promise<Buffer> {
    // The view of now, not of before the wait.
    const decided = answer(query, source, this.#options.view(), this.#options.random);
    if (decided.kind !== 'upstream')
      return this.#end(resultOf(decided), respond(query, responseTo(decided), via));
    const reply = await askUpstream(query, via, this.#options.upstream);
    return reply === undefined
      ? this.#end('failed', respond(query, { rcode: 'SERVFAIL' }, via))
      : this.#end('forwarded', passOn(query, reply, via));
  }

  #untilReady(source: string): Promise<void> {
    const { ready, clock, holdMs = 5_000 } = this.#options;
    return new Promise((resolve) => {
      const cancel = clock.after(holdMs, resolve);
      const end = (): void => {
        cancel();
        resolve();
      };
      // Rules that cannot be loaded are told of elsewhere; the container's other names need none.
      ready(source).then(end, end);
    });
  }

  #end<T>(result: Result, reply: T): T {
    this.count(result);
    return reply;
  }
}

type Decided = Exclude<Answer, { readonly kind: 'upstream' }>;

function resultOf({ kind }: Decided): Result {
  switch (kind) {
    case 'records':
    case 'soa':
      return 'answered';
    case 'empty':
    case 'nxdomain':
    case 'refused':
      return kind;
  }
}

function responseTo(decided: Decided): Response {
  switch (decided.kind) {
    case 'records':
      return {
        rcode: 'NOERROR',
        isOurs: true,
        answers: decided.records.map((record) => ({ ...record, name: '.', ttl })),
      };
    case 'soa':
      return { rcode: 'NOERROR', isOurs: true, answers: [soa] };
    case 'empty':
      return { rcode: 'NOERROR', isOurs: true, authorities: [soa] };
    case 'nxdomain':
      return { rcode: 'NXDOMAIN', isOurs: true, authorities: [soa] };
    case 'refused':
      return { rcode: 'REFUSED' };
  }
}

/** Its `minimum` is how long a "no" may be remembered. */
const soa = {
  type: 'SOA',
  name: domain,
  ttl: negativeTTL,
  data: {
    mname: `ns.${domain}`,
    rname: `hostmaster.${domain}`,
    serial: 1,
    refresh: 3_600,
    retry: 600,
    expire: 86_400,
    minimum: negativeTTL,
  },
} as const;
