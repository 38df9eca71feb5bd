/** Node sessions against a real etcd: a server with the gateway, and agents whose convergence is the test's own. */
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Duplex } from 'node:stream';
import type { TLSSocket } from 'node:tls';
import { afterAll, afterEach, beforeAll, beforeEach } from '@jest/globals';
import { connectSession, type AgentSession, type SessionOptions } from '../../agent/session/index.ts';
import type {
  AssignmentSet,
  Node,
  Revision,
  StreamRequest,
  Task,
  TaskReport,
  TaskState,
} from '../../api-schemas/index.ts';
import type { TlsIdentity } from '../../client/index.ts';
import { systemClock } from '../../kit/clock.ts';
import { silentLogger } from '../../kit/log.ts';
import { ensurePki, generateKey, issueCertificate, type Pki } from '../../server/pki/index.ts';
import { createGateway, type Gateway } from '../../server/session/index.ts';
import { openTestRegistry, type TestRegistry } from '../../store/testing.ts';

export const heartbeatMs = 200;

/** A server as the API server routes to the gateway, which can be killed and started again on its port. */
export class TestServer {
  gateway!: Gateway;
  url = '';
  readonly events: string[] = [];
  #server!: Server;
  readonly #sockets = new Set<Duplex>();
  #port = 0;
  readonly #store: TestRegistry;
  readonly #pki: Pki;

  constructor(store: TestRegistry, pki: Pki) {
    this.#store = store;
    this.#pki = pki;
  }

  async start(): Promise<void> {
    this.gateway = createGateway({
      registry: this.#store.registry,
      serverName: 's1',
      logger: silentLogger,
      clock: systemClock,
      heartbeatMs,
      recordEvent: (object, { reason }) =>
        this.events.push(`${object.kind}/${object.metadata.name} ${reason}`),
    });
    const { ca, server } = this.#pki;
    const tls = {
      ca: ca.cert,
      cert: server.cert,
      key: server.key,
      requestCert: true,
      rejectUnauthorized: false,
    };
    this.#server = createServer({ ...tls, minVersion: 'TLSv1.3' });
    const taskOf = (url = ''): Task => {
      const [, namespace = '', name = ''] = /namespaces\/([^/]+)\/tasks\/([^/]+)\//.exec(url) ?? [];
      return this.#store.cache.get('Task', namespace, name) as Task;
    };
    this.#server.on(
      'request',
      (request, response) => void this.gateway.handleLog(request, response, taskOf(request.url)),
    );
    this.#server.on('upgrade', (request, duplex, head) => {
      const socket = duplex as TLSSocket;
      if (!request.url?.startsWith('/session/'))
        return void this.gateway.handleExec(request, duplex, head, taskOf(request.url));
      const { CN = '', O = '' } = socket.getPeerCertificate().subject ?? {};
      this.gateway.handleUpgrade(request, duplex, head, { name: String(CN), groups: [String(O)] });
    });
    this.#server.on('connection', (socket) => {
      this.#sockets.add(socket);
      socket.once('close', () => this.#sockets.delete(socket));
    });
    await new Promise<void>((resolve) => this.#server.listen(this.#port, '127.0.0.1', resolve));
    this.#port = (this.#server.address() as AddressInfo).port;
    this.url = `https://127.0.0.1:${String(this.#port)}`;
  }

  /** As a crash: no goodbye. */
  async kill(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await this.gateway.close();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}

export interface TestAgent {
  readonly session: AgentSession;
  readonly sets: AssignmentSet[];
  readonly streams: [string, string, StreamRequest][];
  connects: number;
  disconnects: string[];
  set(): AssignmentSet | undefined;
}

/** Polls until `check` gives something, for 10 s. */
export async function until<T>(what: string, check: () => T | undefined | false | 0): Promise<T> {
  const deadline = Date.now() + 10_000;
  for (;;) {
    const value = check();
    if (value !== undefined && value !== false && value !== 0) return value;
    if (Date.now() > deadline) throw new Error(`timed out: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}

export const task = (
  name: string,
  nodeName: string,
  more: { finalizers?: string[]; revision?: string } = {},
): Task => ({
  apiVersion: 'orc.dev/v1',
  kind: 'Task',
  metadata: {
    namespace: 'default',
    name,
    ...(more.finalizers === undefined ? {} : { finalizers: more.finalizers }),
  },
  spec: { service: 'web', revision: more.revision ?? 'web-r1', nodeName, desiredState: 'Running' },
  status: {
    state: 'Assigned',
    conditions: [
      {
        type: 'Scheduled',
        status: 'True',
        reason: 'Fits',
        message: '',
        lastTransitionTime: '2030-01-01T00:00:00Z',
      },
    ],
  },
});
export const revision = (name: string): Revision => ({
  apiVersion: 'orc.dev/v1',
  kind: 'Revision',
  metadata: { namespace: 'default', name },
  spec: { service: 'web', number: 1, template: { image: 'hello' }, replicas: 1 },
});
export const report = ({ metadata }: Task, state: TaskState, more: Partial<TaskReport> = {}): TaskReport => ({
  namespace: metadata.namespace ?? '',
  name: metadata.name,
  uid: metadata.uid ?? '',
  status: { state },
  ...more,
});
export const names = (set: AssignmentSet | undefined): string[] =>
  (set?.tasks ?? []).map(({ metadata }) => metadata.name).sort();

let serial = 0;
/** A name no other test of the file uses. */
export const unique = (prefix: string): string => `${prefix}-${String(++serial)}`;

/** What the tests of a file share; each test has a server of its own. */
export class SessionBench {
  pki!: Pki;
  store!: TestRegistry;
  server!: TestServer;
  readonly #open: AgentSession[] = [];

  /** Sets the file's hooks. */
  constructor() {
    let dir = '';
    beforeAll(async () => {
      dir = await mkdtemp(join(tmpdir(), 'orc-session-'));
      [this.pki, this.store] = await Promise.all([ensurePki(dir, { nodeName: 'n1' }), openTestRegistry()]);
    }, 30_000);
    afterAll(async () => {
      await this.store.close();
      await rm(dir, { recursive: true, force: true });
    });
    beforeEach(async () => {
      this.server = new TestServer(this.store, this.pki);
      await this.server.start();
    });
    afterEach(async () => {
      for (const session of this.#open.splice(0)) session.close();
      await this.server.kill();
    });
  }

  async identityOf(name: string): Promise<TlsIdentity> {
    const key = await generateKey();
    const commonName = `system:node:${name}`;
    const request = { commonName, organization: 'system:nodes', usage: 'client', days: 1 } as const;
    return { ca: this.pki.ca.cert, key, cert: issueCertificate(this.pki.ca, request, key, systemClock) };
  }

  async startAgent(name: string, more: Partial<SessionOptions> = {}): Promise<TestAgent> {
    const identity = await this.identityOf(name);
    const agent: TestAgent = {
      sets: [],
      streams: [],
      connects: 0,
      disconnects: [],
      set: () => agent.sets.at(-1),
      session: connectSession({
        endpoints: [this.server.url],
        tls: () => identity,
        describe: () => ({ hostname: name, role: 'worker' }),
        logger: silentLogger,
        clock: systemClock,
        onAssignments: (set) => void agent.sets.push(set),
        onStream: (...request) => agent.streams.push(request),
        onConnect: () => void agent.connects++,
        onDisconnect: (reason) => void agent.disconnects.push(reason),
        ...more,
      }),
    };
    this.#open.push(agent.session);
    return agent;
  }

  create(object: Task): Promise<Task> {
    return this.store.registry.create(object);
  }

  task(name: string): Task | undefined {
    return this.store.cache.get('Task', 'default', name);
  }

  node(name: string): Node | undefined {
    return this.store.cache.get('Node', '', name);
  }
}
