import type Docker from 'dockerode';
import { messageOf } from '../../../kit/errors.ts';
import {
  label,
  ownerLabels,
  RuntimeError,
  type ContainerSpec,
  type ContainerState,
  type Owner,
  type Runtime,
} from '../types.ts';
import { ownerFilter } from './owner.ts';
import { tooNew, tooNewMessage } from './api-levels.ts';
import { connect, engineInfo, type Connection } from './connect.ts';
import { containerConfig, endpointConfig, laterNetworks } from './container-config.ts';
import { runtimeError, statusOf } from './errors.ts';
import { watchEvents } from './events.ts';
import { Images } from './images.ts';
import { addressesOn, ensureNetwork, listNetworks, networksAround } from './networks.ts';
import { containerState } from './state.ts';
import { startExec, readLogs } from './sessions.ts';

export interface DockerRuntimeOptions {
  /** `unix:///var/run/docker.sock`, a path, or `tcp://host:port`. */
  readonly address: string;
  /** Containers and networks carry it; nothing without it is ever touched. */
  readonly owner: Owner;
}

/** A Runtime on a Docker Engine of API 1.41 or later. Connects at the first call, and again after the engine was away. */
export function createDockerRuntime({ address, owner }: DockerRuntimeOptions): Runtime {
  let connection: Promise<Connection> | undefined;
  const connected = (): Promise<Connection> => {
    connection ??= connect(address).catch((error: unknown) => {
      connection = undefined;
      throw error;
    });
    return connection;
  };
  const client = async (): Promise<Docker> => (await connected()).docker;
  const images = new Images(client);
  const known = new Map<string, { readonly key: string; readonly state: ContainerState }>();

  /** Runs one call; what it throws becomes a RuntimeError; 404 becomes undefined where that is fine. */
  async function call<T>(doing: string, fn: (docker: Docker) => Promise<T>): Promise<T>;
  async function call<T>(
    doing: string,
    fn: (docker: Docker) => Promise<T>,
    fine: readonly number[],
  ): Promise<T | undefined>;
  async function call<T>(
    doing: string,
    fn: (docker: Docker) => Promise<T>,
    fine: readonly number[] = [],
  ): Promise<T | undefined> {
    try {
      return await fn(await client());
    } catch (error) {
      if (fine.includes(statusOf(error) ?? 0)) return undefined;
      const mapped = runtimeError(error, doing);
      // A new engine may come back in its place, of another version.
      if (mapped.kind === 'EngineUnavailable') connection = undefined;
      throw mapped;
    }
  }

  const inspect = async (id: string): Promise<ContainerState | undefined> => {
    const info = await call('inspecting a container', (d) => d.getContainer(id).inspect(), [404]);
    return info === undefined ? undefined : containerState(info);
  };

  const findByUID = async (uid: string): Promise<string | undefined> => {
    const filters = JSON.stringify({ label: [...ownerFilter(owner), `${label.taskUID}=${uid}`] });
    const found = await call('looking for a container', (d) => d.listContainers({ all: true, filters }));
    return found[0]?.Id;
  };

  /** What an engine does not take at the creation. Repeating it after a crash finds what is done. */
  const connectLater = async (id: string, spec: ContainerSpec, api: string): Promise<void> => {
    for (const network of laterNetworks(spec, api)) {
      const body = { Container: id, EndpointConfig: endpointConfig(network, api) };
      try {
        await (await client()).getNetwork(network.id).connect(body);
      } catch (error) {
        if (!/already exists|already attached/i.test(messageOf(error))) throw error;
      }
    }
  };

  const create = async (
    spec: ContainerSpec,
    signal: AbortSignal,
  ): Promise<{ id: string; found: boolean; warnings: readonly string[] }> => {
    const { api } = await connected();
    const refused = tooNew(spec.template, api);
    if (refused.length > 0) throw new RuntimeError('Rejected', 'EngineTooOld', tooNewMessage(refused, api));
    // Others send to the MAC that follows from the address.
    if (spec.template.macAddress !== undefined && spec.networks[0]?.ip !== undefined)
      throw new RuntimeError(
        'Rejected',
        'MacAddressRefused',
        `macAddress is only for an external network, and ${spec.networks[0].name} is one of orc: leave it out`,
      );
    signal.throwIfAborted();
    const labels = { ...spec.labels, ...ownerLabels(owner) };
    const body = {
      name: spec.name,
      ...(spec.template.platform === undefined ? {} : { platform: spec.template.platform }),
      ...containerConfig({ ...spec, labels }, api),
    };
    try {
      const made = (await (await client()).createContainer(body)) as { id: string };
      const warnings = (made as { Warnings?: readonly string[] | null }).Warnings ?? [];
      await connectLater(made.id, spec, api);
      return { id: made.id, found: false, warnings };
    } catch (error) {
      const existing =
        statusOf(error) === 409 ? await findByUID(spec.labels[label.taskUID] ?? '') : undefined;
      if (existing !== undefined) {
        await connectLater(existing, spec, api);
        return { id: existing, found: true, warnings: [] };
      }
      throw runtimeError(error, 'creating the container');
    }
  };

  return {
    info: async () => {
      connection = undefined;
      return engineInfo(await connected());
    },

    /** Inspects only containers whose summary changed since the last list. */
    async list() {
      const filters = JSON.stringify({ label: ownerFilter(owner) });
      const found = await call('listing containers', (d) => d.listContainers({ all: true, filters }));
      const ids = new Set(found.map(({ Id }) => Id));
      for (const id of known.keys()) if (!ids.has(id)) known.delete(id);
      const states: ContainerState[] = [];
      await eachLimited(found, 8, async ({ Id: id, State: state, Status: text }) => {
        const key = `${state} ${/\((healthy|unhealthy|health: starting)\)/.exec(text)?.[0] ?? ''}`;
        const before = known.get(id);
        const now = before?.key === key ? before.state : await inspect(id);
        if (now === undefined) return;
        known.set(id, { key, state: now });
        states.push(now);
      });
      return states;
    },

    inspect,
    ensureImage: (template, signal, onProgress) => images.ensure(template, signal, onProgress),
    create,
    start: async (id) => {
      await call('starting the container', (d) => d.getContainer(id).start(), [304]);
    },
    async stop(id, graceMs) {
      // Whole seconds in the API. Without `t` the grace period given at create holds.
      const options = graceMs === undefined ? {} : { t: Math.ceil(graceMs / 1000) };
      await call('stopping the container', (d) => d.getContainer(id).stop(options), [304, 404]);
    },
    kill: async (id, signal) => {
      await call(
        'killing the container',
        (d) => d.getContainer(id).kill({ signal: signal ?? 'SIGKILL' }),
        [404, 409],
      );
    },
    remove: async (id) => {
      // 409: a removal is under way.
      await call(
        'removing the container',
        (d) => d.getContainer(id).remove({ force: true, v: true }),
        [404, 409],
      );
      known.delete(id);
    },
    ensureNetwork: (spec) => call(`making network ${spec.name}`, (d) => ensureNetwork(d, owner, spec)),
    listNetworks: () => call('listing networks', (d) => listNetworks(d, owner)),
    removeNetwork: async (id) => {
      await call('removing a network', (d) => d.getNetwork(id).remove() as Promise<unknown>, [404]);
    },
    networksAround: () => call('listing networks', (d) => networksAround(d, owner)),
    addressesOn: (id) => call('inspecting a network', (d) => addressesOn(d, id)),
    watch: (onWake, onDown) =>
      call('following events', (d) =>
        watchEvents(d, owner, onWake, (error) => {
          connection = undefined;
          onDown(error);
        }),
      ),
    logs: (id, request, signal) => call('reading logs', (d) => readLogs(d, id, request, signal)),
    exec: (id, request) => call('running a command', (d) => startExec(d, id, request)),
  };
}

async function eachLimited<T>(
  items: readonly T[],
  limit: number,
  fn: (item: T) => Promise<void>,
): Promise<void> {
  const queue = [...items];
  const worker = async (): Promise<void> => {
    for (let item = queue.shift(); item !== undefined; item = queue.shift()) await fn(item);
  };
  await Promise.all(Array.from({ length: Math.min(limit, queue.length) }, worker));
}
