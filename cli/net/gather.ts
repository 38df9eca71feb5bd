/** Asks the agents, through the servers, what works of their networks. */
import { randomBytes } from 'node:crypto';
import type { NetCheckHeard, NetCheckReport, Node } from '../../api-schemas/index.ts';
import type { Client } from '../../client/index.ts';
import { messageOf } from '../../kit/errors.ts';

export interface Gathered {
  /** All nodes of the cluster, in order. */
  readonly nodes: readonly { readonly name: string; readonly address?: string }[];
  readonly reports: readonly NetCheckReport[];
  /** By node: what came of the probes of others; asked only of those whose peers had no answer. */
  readonly heard: ReadonlyMap<string, NetCheckHeard['heard']>;
  /** By node: why it did not say anything. */
  readonly silent: ReadonlyMap<string, string>;
}

export interface GatherOptions {
  /** `namespace/name`; all when absent. */
  readonly networks?: readonly string[];
  /** Only the paths to and from this node, and what it sees. */
  readonly node?: string;
  /** How long one node is waited for. */
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
  readonly onProgress: (done: number, total: number) => void;
}

type Asking = Pick<Client, 'list' | 'netCheck' | 'netCheckHeard'>;

/** Nodes asked at once: each starts processes, and probes the others. */
const atOnce = 16;

export async function gather(client: Asking, options: GatherOptions): Promise<Gathered> {
  const { networks, timeoutMs, signal, onProgress } = options;
  const id = randomBytes(16).toString('hex');
  const nodes = (await client.list('Node', { signal })).items.toSorted((a, b) =>
    a.metadata.name < b.metadata.name ? -1 : 1,
  );
  const silent = new Map<string, string>();
  const ask = async <T>(
    node: string,
    question: (signal: AbortSignal) => Promise<T>,
  ): Promise<readonly T[]> => {
    const late = AbortSignal.timeout(timeoutMs);
    try {
      return [await question(AbortSignal.any([signal, late]))];
    } catch (error) {
      signal.throwIfAborted();
      silent.set(node, late.aborted ? `no answer within ${String(timeoutMs / 1000)} s` : messageOf(error));
      return [];
    }
  };
  const connected = nodes.filter((node) => {
    const why = disconnection(node);
    if (why !== undefined) silent.set(node.metadata.name, why);
    return why === undefined;
  });
  let done = 0;
  onProgress(done, connected.length);
  const reports = await inParallel(connected, async ({ metadata: { name } }) => {
    const peer = options.node === undefined || options.node === name ? {} : { peer: options.node };
    const network = networks === undefined ? {} : { network: networks };
    const answer = await ask(name, (late) => client.netCheck(name, { id, ...network, ...peer }, late));
    onProgress(++done, connected.length);
    return answer;
  });
  const asked = new Set(
    reports.flat().flatMap(({ paths }) => paths.filter(({ small }) => !small).map(({ peer }) => peer)),
  );
  const heard = await inParallel(
    connected.filter(({ metadata }) => asked.has(metadata.name) && !silent.has(metadata.name)),
    ({ metadata: { name } }) => ask(name, (late) => client.netCheckHeard(name, id, late)),
  );
  return {
    nodes: nodes.map(({ metadata: { name }, status }) => {
      const address = status?.addresses?.[0];
      return { name, ...(address === undefined ? {} : { address }) };
    }),
    reports: reports.flat(),
    heard: new Map(heard.flat().map((one) => [one.node, one.heard])),
    silent,
  };
}

/** A server that is cut off from the others may go on having a session, for all that is written. */
function disconnection({ status }: Node): string | undefined {
  const connected = status?.conditions?.find(({ type }) => type === 'Connected');
  if (connected?.status === 'False')
    return `its agent is not connected since ${connected.lastTransitionTime}`;
  const { server = '', lastSeen } = status?.session ?? {};
  if (server !== '') return undefined;
  return `its agent is not connected${lastSeen === undefined ? '' : ` since ${lastSeen}`}`;
}

async function inParallel<T, R>(items: readonly T[], job: (item: T) => Promise<R>): Promise<readonly R[]> {
  const results: R[] = [];
  const left = [...items.entries()];
  const worker = async (): Promise<void> => {
    for (let next = left.shift(); next !== undefined; next = left.shift())
      results[next[0]] = await job(next[1]);
  };
  await Promise.all(Array.from({ length: atOnce }, worker));
  return results;
}
