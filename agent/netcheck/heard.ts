import type { NetCheckHeard } from '../../api-schemas/index.ts';
import type { Clock } from '../../kit/clock.ts';
import { packetHeaders, readProbe, replyTo } from './message.ts';

/** Whose gateway address it is, and where. */
export interface Neighbour {
  readonly node: string;
  /** Key of the network. */
  readonly network: string;
}

export interface HeardOptions {
  /** By gateway address: the other nodes on the networks of this one. */
  readonly neighbours: () => ReadonlyMap<string, Neighbour>;
  readonly clock: Clock;
}

/** Checks whose probes are remembered; and for how long. */
const mostChecks = 8;
const keepMs = 120_000;

/**
 * Answers the probes of other nodes and remembers what has come of whom. Only gateway addresses of nodes on this node's
 * networks are answered, and told nothing but that the probe came: for a container there is no such name.
 */
export class Heard {
  readonly #options: HeardOptions;
  readonly #last = new Map<string, { readonly atMs: number }>();
  readonly #checks = new Map<string, { readonly atMs: number; readonly bytes: Map<string, number> }>();
  #count = 0;

  constructor(options: HeardOptions) {
    this.#options = options;
  }

  /** Probes answered since the start. */
  get count(): number {
    return this.#count;
  }

  /** The answer; undefined when it is no probe of a neighbour. */
  answer(message: Buffer, source: string): Buffer | undefined {
    const probe = readProbe(message);
    const from = probe === undefined ? undefined : this.#options.neighbours().get(source);
    if (probe === undefined || from === undefined) return undefined;
    this.#count += 1;
    const atMs = this.#options.clock.now();
    this.#last.set(source, { atMs });
    const { bytes } = this.#check(probe.id, atMs);
    const packet = message.length + packetHeaders;
    bytes.set(source, Math.max(packet, bytes.get(source) ?? 0));
    return replyTo(message);
  }

  /** When a probe from that gateway address was last heard; undefined: never, or it is no neighbour any more. */
  lastMs(gateway: string): number | undefined {
    return this.#last.get(gateway)?.atMs;
  }

  /** What has come of the probes of one check. */
  of(id: string): NetCheckHeard['heard'] {
    const neighbours = this.#options.neighbours();
    return [...(this.#checks.get(id)?.bytes ?? [])].flatMap(([source, bytes]) => {
      const from = neighbours.get(source);
      return from === undefined ? [] : [{ network: from.network, peer: from.node, bytes }];
    });
  }

  /** Forgets who is no neighbour any more. */
  sweep(): void {
    const neighbours = this.#options.neighbours();
    for (const gateway of this.#last.keys()) if (!neighbours.has(gateway)) this.#last.delete(gateway);
  }

  #check(id: string, nowMs: number): { readonly bytes: Map<string, number> } {
    const known = this.#checks.get(id);
    if (known !== undefined) return known;
    for (const [old, { atMs }] of this.#checks)
      if (nowMs - atMs > keepMs || this.#checks.size >= mostChecks) this.#checks.delete(old);
    const check = { atMs: nowMs, bytes: new Map<string, number>() };
    this.#checks.set(id, check);
    return check;
  }
}
