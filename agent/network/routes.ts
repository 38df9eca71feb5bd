import type { NodeStatus } from '../../api-schemas/index.ts';
import type { Clock } from '../../kit/clock.ts';
import { messageOf } from '../../kit/errors.ts';
import type { Logger } from '../../kit/log.ts';
import type { Run } from './commands.ts';

type NodeRoutes = NonNullable<NodeStatus['routes']>;

export interface RoutesOptions {
  readonly run: Run;
  readonly onChange: () => void;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** A host's routes seldom change; a network that is in their way is refused all the same, only later. */
const everyMs = 30_000;

/** What no network of orc may overlap on this node. */
export class Routes {
  readonly #options: RoutesOptions;
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
    const { run, onChange, clock, logger } = this.#options;
    try {
      const { code, stdout, stderr } = await run(['ip', '-j', '-4', 'route', 'show']);
      if (code !== 0) throw new Error(stderr.trim());
      // A kernel without IPv6 has none.
      const more = await run(['ip', '-j', '-6', 'route', 'show']);
      const next = [...routesIn(stdout), ...(more.code === 0 ? routesIn(more.stdout) : [])];
      const isOther = JSON.stringify(next) !== JSON.stringify(this.#current);
      this.#current = next;
      if (isOther && !this.#isClosed) onChange();
    } catch (error) {
      logger.debug({ err: messageOf(error) }, 'the routes of this node cannot be read');
    }
    if (!this.#isClosed) this.#cancel = clock.after(everyMs, () => void this.#look());
  }
}

/**
 * Of the answer of `ip -j route show`: all but the default, those of orc's own devices, and those of links. Sorted. Pure.
 */
export function routesIn(json: string): NodeRoutes {
  if (json.trim() === '') return [];
  const all = JSON.parse(json) as readonly { readonly dst: string; readonly dev?: string }[];
  const foreign = all.filter(
    ({ dst, dev = '' }) =>
      dst !== 'default' && !/^(orc-|o[vw][0-9a-f]{4})/.test(dev) && !/^(fe[89ab]|ff)[0-9a-f]{0,2}:/.test(dst),
  );
  const byRange = new Map(foreign.map(({ dst, dev = '' }) => [rangeOf(dst), `dev ${dev}`]));
  return [...byRange].map(([to, of]) => ({ to, of })).sort((a, b) => (a.to < b.to ? -1 : 1));
}

const rangeOf = (dst: string): string =>
  dst.includes('/') ? dst : `${dst}/${dst.includes(':') ? '128' : '32'}`;
