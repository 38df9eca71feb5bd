import type { NodeStatus } from '../../api-schemas/index.ts';
import type { Clock } from '../../kit/clock.ts';
import { messageOf } from '../../kit/errors.ts';
import type { Logger } from '../../kit/log.ts';
import type { NetworksAround } from '../runtime/types.ts';
import type { Run } from './commands.ts';

type NodeRoutes = NonNullable<NodeStatus['routes']>;

export interface RoutesOptions {
  readonly run: Run;
  /** Of the engine; rejects while it does not answer: then what it said last holds. */
  readonly around: () => Promise<NetworksAround>;
  readonly onChange: () => void;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** A host's routes seldom change; a network that is in their way is refused all the same, only later. */
const everyMs = 30_000;

/** What no network of orc may overlap on this node. */
export class Routes {
  readonly #options: RoutesOptions;
  #kernel: NodeRoutes = [];
  #engine: NodeRoutes = [];
  #current: NodeRoutes = [];
  #cancel: () => void = () => undefined;
  #isClosed = false;

  constructor(options: RoutesOptions) {
    this.#options = options;
    void this.#look();
  }

  get current(): NodeRoutes {
    return this.#current;
  }

  close(): void {
    this.#isClosed = true;
    this.#cancel();
  }

  async #look(): Promise<void> {
    const { clock, onChange } = this.#options;
    this.#kernel = (await this.#try('routes', () => this.#readKernel())) ?? this.#kernel;
    const around = await this.#try('networks of the engine', this.#options.around);
    if (around !== undefined) this.#engine = rangesOf(around);
    const next = merged(this.#kernel, this.#engine);
    const isOther = JSON.stringify(next) !== JSON.stringify(this.#current);
    this.#current = next;
    if (isOther && !this.#isClosed) onChange();
    if (!this.#isClosed) this.#cancel = clock.after(everyMs, () => void this.#look());
  }

  async #readKernel(): Promise<NodeRoutes> {
    const { code, stdout, stderr } = await this.#options.run(['ip', '-j', '-4', 'route', 'show']);
    if (code !== 0) throw new Error(stderr.trim());
    // A kernel without IPv6 has none.
    const more = await this.#options.run(['ip', '-j', '-6', 'route', 'show']);
    return [...routesIn(stdout), ...(more.code === 0 ? routesIn(more.stdout) : [])];
  }

  async #try<T>(what: string, read: () => Promise<T>): Promise<T | undefined> {
    try {
      return await read();
    } catch (error) {
      this.#options.logger.debug({ err: messageOf(error) }, `the ${what} of this node cannot be read`);
      return undefined;
    }
  }
}

/** Of the answer of `ip -j route show`: all but the default, those of orc's own devices, and those of links. Pure. */
export function routesIn(json: string): NodeRoutes {
  if (json.trim() === '') return [];
  const all = JSON.parse(json) as readonly { readonly dst: string; readonly dev?: string }[];
  const foreign = all.filter(
    ({ dst, dev = '' }) =>
      dst !== 'default' &&
      !/^(orc-|o[vw][0-9a-f]{4}-)/.test(dev) &&
      !/^(fe[89ab]|ff)[0-9a-f]{0,2}:/.test(dst),
  );
  return foreign.map(({ dst, dev = '' }) => ({ to: rangeOf(dst), of: `dev ${dev}` }));
}

const rangeOf = (dst: string): string =>
  dst.includes('/') ? dst : `${dst}/${dst.includes(':') ? '128' : '32'}`;

/** What the engine has, and what it may take: a network that has no route of the host's is there all the same. Pure. */
export const rangesOf = ({ networks, pools }: NetworksAround): NodeRoutes => [
  ...networks.flatMap(({ name, subnets, isOurs }) =>
    isOurs ? [] : subnets.map((to) => ({ to, of: `engine network ${name}` })),
  ),
  ...pools.map((to) => ({ to, of: 'default-address-pools of the engine', pool: true })),
];

/** Each range once, sorted, by the name that says most. Pure. */
function merged(kernel: NodeRoutes, engine: NodeRoutes): NodeRoutes {
  const byRange = new Map<string, NodeRoutes[number]>();
  const pools = engine.filter(({ pool }) => pool === true);
  const networks = engine.filter(({ pool }) => pool !== true);
  for (const route of [...pools, ...kernel, ...networks]) byRange.set(route.to, route);
  return [...byRange.values()].sort((a, b) => (a.to < b.to ? -1 : 1));
}
