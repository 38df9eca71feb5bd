/** The server's end of one agent, in memory: gives assignments and takes reports, as the node gateway would. */
import { PassThrough } from 'node:stream';
import type { AgentSession, SessionHandlers } from '../../agent/index.ts';
import {
  channel,
  taskStates,
  type Endpoints,
  type Network,
  type NetworkPeers,
  type NodeStatus,
  type Port,
  type Revision,
  type StreamEnd,
  type StreamRequest,
  type Task,
  type TaskEvent,
  type TaskReport,
  type TaskStatus,
  type TaskTemplate,
} from '../../api-schemas/index.ts';

export interface TaskInput {
  readonly name: string;
  readonly template?: Partial<TaskTemplate>;
  readonly service?: string;
  readonly stack?: string;
  readonly namespace?: string;
  readonly desiredState?: Task['spec']['desiredState'];
  readonly notBefore?: string;
  readonly hostPorts?: readonly Port[];
}

let ranges = 0;

/** No two of one process overlap: several servers may have one engine. */
function madeNetwork(key: string): Network {
  const [namespace = '', name = ''] = key.split('/');
  const range = `10.${100 + (Math.floor(ranges / 16) % 100)}.${(ranges % 16) * 16}`;
  ranges += 1;
  const node = {
    gateway: `${range}.254`,
    blocks: [`${range.replace(/\d+$/, (third) => String(Number(third) + 1))}.0/25`],
  };
  return {
    apiVersion: 'orc.dev/v1',
    kind: 'Network',
    metadata: { name, namespace, uid: `${key}-${ranges}` },
    spec: {},
    status: { vni: 5000 + ranges, subnet: `${range}.0/20`, nodes: { node1: node } },
  };
}

export class FakeServer {
  readonly tasks = new Map<string, Task>();
  readonly revisions = new Map<string, Revision>();
  endpoints: readonly Endpoints[] = [];
  /** Of its own beside those of tasks. */
  networks: readonly Network[] = [];
  /** By `namespace/name`: made with the first task on it, and given for as long as one is. */
  readonly #made = new Map<string, Network>();
  peers: readonly NetworkPeers[] = [];
  readonly events: TaskEvent[] = [];
  readonly reports: TaskReport[] = [];
  node: NodeStatus | undefined;
  handlers: SessionHandlers | undefined;
  /** While false, it takes no report and gives no assignment. */
  online = true;
  readonly #streams = new Map<string, (socket: PassThrough) => void>();
  readonly #outbox = new Map<string, TaskReport>();
  readonly #waiting = new Set<() => void>();

  /** For `startAgent`: the first full set follows at once, unless the server is offline. */
  readonly connect = (handlers: SessionHandlers): Omit<AgentSession, 'connected' | 'servers'> => {
    this.handlers = handlers;
    const describe = (): void => void Promise.resolve(handlers.describe()).then((node) => (this.node = node)).then(() => this.#changed()); // prettier-ignore
    describe();
    queueMicrotask(() => this.push());
    return {
      report: (report) => this.#take(report),
      event: (event) => {
        this.events.push(event);
        this.#changed();
      },
      renewed: () => undefined,
      address: () => undefined,
      describeAgain: describe,
      openStream: (id) => Promise.resolve(this.#open(id)),
      close: () => undefined,
    };
  };

  /** Gives the whole set; and takes what was reported while it was away. */
  push(): void {
    if (!this.online) return;
    const late = [...this.#outbox.values()];
    this.#outbox.clear();
    for (const report of late) this.#take(report);
    void this.handlers?.onAssignments({
      tasks: [...this.tasks.values()],
      revisions: [...this.revisions.values()],
      endpoints: this.endpoints,
      networks: [...this.networks, ...this.#networks()],
      peers: this.peers,
    });
  }

  /** Assigns a task; its uid is `<name>-uid`. */
  add(...inputs: readonly TaskInput[]): void {
    for (const input of inputs) {
      const {
        name,
        service = 'web',
        namespace = 'default',
        stack,
        desiredState = 'Running',
        notBefore,
      } = input;
      const meta = { apiVersion: 'orc.dev/v1', kind: 'Task' as const };
      const labels = stack === undefined ? {} : { 'orc.dev/stack': stack };
      this.tasks.set(name, {
        ...meta,
        metadata: { name, namespace, uid: `${name}-uid`, labels },
        spec: {
          service,
          revision: `rev-${name}`,
          slot: 1,
          nodeName: 'node1',
          desiredState,
          networks: [stack === undefined ? 'default' : `${stack}-default`],
          ...(notBefore === undefined ? {} : { notBefore }),
        },
        status: { state: 'Assigned' },
      });
      this.revisions.set(name, {
        apiVersion: 'orc.dev/v1',
        kind: 'Revision',
        metadata: { name: `rev-${name}`, namespace },
        spec: {
          service,
          number: 1,
          template: { image: 'hello:1', ...input.template },
          replicas: 1,
          ...(input.hostPorts === undefined ? {} : { hostPorts: input.hostPorts }),
        },
      });
    }
    this.push();
  }

  /** Those that tasks are on, as the network controller would give them. */
  #networks(): readonly Network[] {
    const keys = [...this.tasks.values()].flatMap(({ metadata, spec }) =>
      (spec.networks ?? []).map((name) => `${metadata.namespace ?? 'default'}/${name}`),
    );
    return [...new Set(keys)].map((key) => {
      const network = this.#made.get(key) ?? madeNetwork(key);
      this.#made.set(key, network);
      return network;
    });
  }

  desire(name: string, desiredState: Task['spec']['desiredState']): void {
    const task = this.#task(name);
    this.tasks.set(name, { ...task, spec: { ...task.spec, desiredState } });
    this.push();
  }

  delete(...names: readonly string[]): void {
    for (const name of names) {
      const task = this.#task(name);
      const metadata = { ...task.metadata, deletionTimestamp: new Date().toISOString() };
      this.tasks.set(name, { ...task, metadata });
    }
    this.push();
  }

  publish(service: string, ports: readonly Port[], namespace = 'default'): void {
    const others = this.endpoints.filter(({ metadata }) => metadata.name !== service);
    const object = {
      apiVersion: 'orc.dev/v1',
      kind: 'Endpoints' as const,
      metadata: { name: service, namespace },
    };
    this.endpoints = ports.length === 0 ? others : [...others, { ...object, ports }];
    this.push();
  }

  status(name: string): TaskStatus {
    return this.#task(name).status ?? { state: 'New' };
  }

  /** Waits until `check` gives something other than undefined and false; at most 15 s. */
  async until<T>(what: string, check: () => T | undefined | false): Promise<T> {
    const end = Date.now() + 15_000;
    for (;;) {
      const value = check();
      if (value !== undefined && value !== false) return value as T;
      if (Date.now() > end) {
        const states = [...this.tasks.values()].map((t) => `${t.metadata.name}: ${JSON.stringify(t.status)}`);
        throw new Error(
          `waited 15 s: ${what}\n${states.join('\n')}\n${JSON.stringify(this.events.slice(-5))}`,
        );
      }
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, 50);
        this.#waiting.add(() => (clearTimeout(timer), resolve()));
      });
      this.#waiting.clear();
    }
  }

  untilState(name: string, state: TaskStatus['state']): Promise<TaskStatus> {
    return this.until(`${name} is ${state}`, () =>
      this.tasks.has(name) && this.status(name).state === state ? this.status(name) : undefined,
    );
  }

  /** Asks for logs or a command, gives `input` to it, and collects what comes. */
  async stream(
    name: string,
    request: StreamRequest,
    input?: string,
  ): Promise<{ stdout: string; stderr: string; end: StreamEnd }> {
    const id = `stream-${name}-${this.#streams.size}`;
    const opened = new Promise<PassThrough>((resolve) => this.#streams.set(id, resolve));
    this.handlers?.onStream(id, `${name}-uid`, request);
    const toAgent = await opened;
    if (input !== undefined) {
      toAgent.emit('toAgent', Buffer.concat([Buffer.from([channel.stdin]), Buffer.from(input)]));
      toAgent.emit('toAgent', Buffer.from([channel.close, channel.stdin]));
    }
    const got = { [channel.stdout]: '', [channel.stderr]: '', [channel.status]: '' };
    for await (const frame of toAgent) {
      const [kind = 0] = frame as Buffer;
      got[kind as 1 | 2 | 3] += (frame as Buffer).subarray(1).toString('utf8');
    }
    const end = JSON.parse(got[channel.status]) as StreamEnd;
    return { stdout: got[channel.stdout], stderr: got[channel.stderr], end };
  }

  #open(id: string): ReturnType<typeof wire> {
    const pipe = new PassThrough({ objectMode: true });
    this.#streams.get(id)?.(pipe);
    return wire(pipe);
  }

  #take(report: TaskReport): void {
    if (!this.online) return void this.#outbox.set(report.uid, report);
    this.reports.push(report);
    const task = this.tasks.get(report.name);
    if (task !== undefined && task.metadata.uid === report.uid) {
      const rank = (status: TaskStatus | undefined): number => taskStates.indexOf(status?.state ?? 'New');
      if (report.gone) {
        this.tasks.delete(report.name);
        queueMicrotask(() => this.push());
      } else if (rank(report.status) >= rank(task.status)) {
        this.tasks.set(report.name, { ...task, status: report.status });
        queueMicrotask(() => this.push());
      }
    }
    this.#changed();
  }

  #changed(): void {
    for (const wake of [...this.#waiting]) wake();
  }

  #task(name: string): Task {
    const task = this.tasks.get(name);
    if (task === undefined) throw new Error(`no task ${name}`);
    return task;
  }
}

function wire(pipe: PassThrough): Awaited<ReturnType<AgentSession['openStream']>> {
  return {
    send: (data, done) => {
      pipe.write(Buffer.from(data), () => done());
    },
    on: (event: 'message' | 'close', listener: (data: Buffer) => void) =>
      pipe.on(event === 'message' ? 'toAgent' : 'peerClose', listener),
    close: () => void pipe.end(),
  } as Awaited<ReturnType<AgentSession['openStream']>>;
}
