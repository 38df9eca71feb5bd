import { createHash } from 'node:crypto';
import type { Task } from '../../api-schemas/index.ts';
import type { Logger } from '../../kit/log.ts';
import { messageOf } from '../../kit/errors.ts';
import { label, type NetworkSpec, type Owner, type Runtime } from '../runtime/types.ts';

export interface EngineNetwork {
  readonly id: string;
  readonly name: string;
  readonly bridge: string;
}

/**
 * Name of the engine network of a task: one per stack, and one per namespace for services without a stack. A namespace
 * with a dash has `_` behind it, which no name may hold, so that two stacks never share a network by accident. Pure.
 */
export function networkName(task: Task): string {
  const { namespace = 'default', labels = {} } = task.metadata;
  const stack = labels['orc.dev/stack'];
  const separator = namespace.includes('-') ? '_' : '-';
  return stack === undefined && separator === '-'
    ? `orc-${namespace}`
    : `orc-${namespace}${separator}${stack ?? ''}`;
}

const digest = ({ cluster, nodeName }: Owner, name: string): string =>
  createHash('sha256').update(`${cluster}\0${nodeName}\0${name}`).digest('hex');

/** Its name in the engine, which nodes of other clusters may share. Pure. */
export const engineNetworkName = (owner: Owner, name: string): string =>
  `${name}.${digest(owner, name).slice(0, 6)}`;

/** Interface name of its bridge: the kernel takes 15 characters. Pure. */
export const bridgeName = (owner: Owner, name: string): string => `orc-${digest(owner, name).slice(0, 10)}`;

/** A /64 of the unique local addresses (RFC 4193) that is the same each time. Pure. */
export function subnet6(owner: Owner, name: string): string {
  const hex = digest(owner, name);
  return `fd${hex.slice(0, 2)}:${hex.slice(2, 6)}:${hex.slice(6, 10)}:${hex.slice(10, 14)}::/64`;
}

/** The networks of the node's stacks: each is there before its first task starts, and goes after its last. */
export class Networks {
  readonly #runtime: Pick<Runtime, 'ensureNetwork' | 'listNetworks' | 'removeNetwork'>;
  readonly #owner: Owner;
  readonly #ipv6: boolean;
  readonly #logger: Logger;
  readonly #made = new Map<string, Promise<EngineNetwork>>();
  /** Makes and removals follow each other, so that a removal never takes a network that was just asked for. */
  #last: Promise<unknown> = Promise.resolve();
  /** By name: those that a task needs, as of the last `keep` and every `use` since. */
  #kept: Set<string> = new Set();

  constructor(options: {
    runtime: Pick<Runtime, 'ensureNetwork' | 'listNetworks' | 'removeNetwork'>;
    owner: Owner;
    /** Whether new networks have IPv6, too. */
    ipv6: boolean;
    logger: Logger;
  }) {
    this.#runtime = options.runtime;
    this.#owner = options.owner;
    this.#ipv6 = options.ipv6;
    this.#logger = options.logger;
  }

  /** The task's network, made when it is not there. */
  use(task: Task): Promise<EngineNetwork> {
    const name = networkName(task);
    this.#kept.add(name);
    const known = this.#made.get(name);
    if (known !== undefined) return known;
    const made = this.#inTurn(() => this.#runtime.ensureNetwork(this.#specOf(task, name)));
    this.#made.set(name, made);
    made.catch(() => this.#made.get(name) === made && this.#made.delete(name));
    return made;
  }

  forget(task: Task): void {
    this.#made.delete(networkName(task));
  }

  forgetAll(): void {
    this.#made.clear();
  }

  bridgeOf(task: Task): string {
    return bridgeName(this.#owner, networkName(task));
  }

  /** Removes our networks that none of these tasks needs. One that still has containers stays until the next call. */
  keep(tasks: readonly Task[]): void {
    this.#kept = new Set(tasks.map(networkName));
    void this.#inTurn(() => this.#sweep()).catch((error: unknown) => {
      this.#logger.debug({ err: error }, 'networks could not be looked through');
    });
  }

  async #sweep(): Promise<void> {
    for (const { id, name, labels } of await this.#runtime.listNetworks()) {
      const ours = labels[label.network] ?? name;
      if (this.#kept.has(ours)) continue;
      this.#made.delete(ours);
      await this.#runtime.removeNetwork(id).catch((error: unknown) => {
        this.#logger.debug({ network: name, err: messageOf(error) }, 'a network is still in use');
      });
    }
  }

  #specOf(task: Task, name: string): NetworkSpec {
    const { namespace = 'default', labels = {} } = task.metadata;
    const stack = labels['orc.dev/stack'];
    return {
      name: engineNetworkName(this.#owner, name),
      bridge: bridgeName(this.#owner, name),
      labels: {
        [label.network]: name,
        [label.namespace]: namespace,
        ...(stack === undefined ? {} : { [label.stack]: stack }),
      },
      ...(this.#ipv6 ? { subnet6: subnet6(this.#owner, name) } : {}),
    };
  }

  #inTurn<T>(job: () => Promise<T>): Promise<T> {
    const result = this.#last.then(job);
    this.#last = result.catch(() => undefined);
    return result;
  }
}
