/** Several servers on one etcd in one process, each behind a gate of its own, and agents that may go to any of them. */
import { createPublicKey } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startAgent, createSimulatedRuntime, type Agent } from '../../agent/index.ts';
import { connectSession, type AgentSession, type SessionOptions } from '../../agent/session/index.ts';
import {
  clusterName,
  type AssignmentSet,
  type Cluster,
  type Node,
  type Task,
} from '../../api-schemas/index.ts';
import type { TlsIdentity } from '../../client/index.ts';
import { trustStateOf } from '../../kit/certificate.ts';
import { systemClock } from '../../kit/clock.ts';
import { silentLogger } from '../../kit/log.ts';
import { createCluster } from '../../server/cluster/index.ts';
import { createRecorder, startServer, type RunningServer } from '../../server/index.ts';
import { ensurePki, generateKey, issueCertificate, type Pki } from '../../server/pki/index.ts';
import { createGateway, type Gateway } from '../../server/session/index.ts';
import type { Store } from '../../store/index.ts';
import { openTestRegistry, type TestRegistry } from '../../store/testing.ts';
import { Gate } from './gate.ts';

export interface ClusterServer {
  readonly name: string;
  readonly gate: Gate;
  /** Where others reach it. */
  readonly url: string;
  readonly gateway: Gateway;
  readonly store: Store;
  /** Whether it says that it can write to the store. */
  quorum: boolean;
  /** How often it has looked whether it can. */
  readonly looks: number;
  /** From now on it uses these: as a manager whose CA is replaced. */
  useTls(pki: Pki): void;
  /** Join token of a worker. */
  token(): string;
  /** As `kill -9`, and its Lease has ended: no goodbye. */
  kill(): Promise<void>;
  /** In good order. */
  stop(): Promise<void>;
}

export interface ClusterAgent {
  readonly name: string;
  readonly session: AgentSession;
  readonly servers: string[];
  readonly disconnects: string[];
  set(): AssignmentSet | undefined;
}

export interface ServerSettings {
  readonly heartbeatMs?: number;
  readonly nodeDays?: number;
}

export class SessionCluster {
  readonly dir: string;
  readonly pki: Pki;
  readonly registry: TestRegistry;
  readonly #closers: (() => unknown)[] = [];

  private constructor(dir: string, pki: Pki, registry: TestRegistry) {
    this.dir = dir;
    this.pki = pki;
    this.registry = registry;
  }

  static async open(): Promise<SessionCluster> {
    const dir = await mkdtemp(join(tmpdir(), 'orc-cluster-'));
    const [pki, registry] = await Promise.all([ensurePki(dir, { nodeName: 'own' }), openTestRegistry()]);
    return new SessionCluster(dir, pki, registry);
  }

  async startServer(
    name: string,
    { heartbeatMs = 200, nodeDays }: ServerSettings = {},
  ): Promise<ClusterServer> {
    const store = await this.registry.another();
    const { registry } = store;
    let current = this.pki;
    const tls = () => ({ ca: current.trust, cert: current.server.cert, key: current.server.key });
    const parts = { registry, clock: systemClock, logger: silentLogger };
    const lease = store.holdLease(`server-${name}`, { identity: name, ttlSeconds: 2 });
    await lease.ready();
    const cluster = createCluster({
      ...parts,
      nodeName: name,
      ca: () => current.ca,
      trust: () => current.trust,
      next: () => current.next,
      ...(nodeDays === undefined ? {} : { nodeDays }),
    });
    const state = { quorum: true, looks: 0 };
    const gateway = createGateway({
      ...parts,
      serverName: name,
      heartbeatMs,
      recordEvent: createRecorder({ ...parts, component: 'gateway' }),
      hasQuorum: () => (state.looks++, state.quorum),
      servers: cluster.servers,
      certificates: () => trustStateOf(current.server.cert, current.trust),
      peerTls: tls,
    });
    const server: RunningServer = await startServer({
      ...parts,
      listen: { host: '127.0.0.1', port: 0 },
      tls: tls(),
      version: '0',
      sessions: gateway,
      streams: gateway,
      cluster,
    });
    const gate = await Gate.open(() => Number(new URL(server.url).port));
    const key = createPublicKey(await generateKey());
    await cluster.announce(key, { url: gate.url, since: new Date().toISOString() });
    let ended: Promise<void> | undefined;
    const end = async (isKilled: boolean): Promise<void> => {
      // Who is dead writes nothing.
      if (isKilled) await Promise.all([gate.cut(), lease.close().then(() => store.close())]);
      await gateway.close();
      if (!isKilled) await gate.cut();
      await server.close();
      if (isKilled) return;
      await lease.close();
      await store.close();
    };
    const once = (isKilled: boolean): Promise<void> => (ended ??= end(isKilled));
    this.#closers.push(() => once(false));
    return {
      ...{ name, gate, url: gate.url, gateway, store },
      get quorum() {
        return state.quorum;
      },
      set quorum(ok) {
        state.quorum = ok;
      },
      get looks() {
        return state.looks;
      },
      useTls(pki) {
        current = pki;
        server.renewTls(tls());
      },
      token: () => cluster.token('worker'),
      kill: () => once(true),
      stop: () => once(false),
    };
  }

  async identityOf(node: string, days = 1): Promise<Required<TlsIdentity>> {
    const key = await generateKey();
    const request = {
      commonName: `system:node:${node}`,
      organization: 'system:nodes',
      usage: 'client',
      days,
    } as const;
    return { ca: this.pki.ca.cert, key, cert: issueCertificate(this.pki.ca, request, key, systemClock) };
  }

  /** An agent's session, whose convergence is the test's own. */
  async connect(
    name: string,
    endpoints: readonly string[],
    more: Partial<SessionOptions> = {},
  ): Promise<ClusterAgent> {
    const identity = await this.identityOf(name);
    const sets: AssignmentSet[] = [];
    const servers: string[] = [];
    const disconnects: string[] = [];
    const session = connectSession({
      endpoints,
      tls: () => identity,
      describe: () => ({ hostname: name, role: 'worker' }),
      logger: silentLogger,
      clock: systemClock,
      onAssignments: (set) => void sets.push(set),
      onStream: () => undefined,
      onConnect: (server) => servers.push(server),
      onDisconnect: (reason) => disconnects.push(reason),
      ...more,
    });
    this.#closers.push(() => session.close());
    return { name, session, servers, disconnects, set: () => sets.at(-1) };
  }

  /** A whole agent with simulated containers. */
  async startNode(name: string, endpoints: readonly string[]): Promise<Agent> {
    const identity = await this.identityOf(name);
    const agent = await startAgent({
      owner: { cluster: 'test', nodeName: name },
      runtime: createSimulatedRuntime({ nodeName: name, clock: systemClock }),
      role: 'worker',
      logger: silentLogger,
      ingress: false,
      resyncMs: 0,
      connect: (handlers) =>
        connectSession({
          ...{ endpoints, tls: () => identity, logger: silentLogger, clock: systemClock },
          ...handlers,
        }),
    });
    this.#closers.push(() => agent.close());
    return agent;
  }

  node(name: string): Node | undefined {
    return this.registry.cache.get('Node', '', name);
  }

  sessionOf(name: string): NonNullable<Node['status']>['session'] {
    return this.node(name)?.status?.session;
  }

  task(name: string): Task | undefined {
    return this.registry.cache.get('Task', 'default', name);
  }

  /** Ends what a test has started. */
  async clear(): Promise<void> {
    for (const close of this.#closers.splice(0).reverse()) await close();
    if (this.registry.cache.get('Cluster', '', clusterName) === undefined) return;
    await this.registry.registry.modify<Cluster>(
      { kind: 'Cluster', namespace: '', name: clusterName },
      (current) => ({ ...current, status: { ...current.status, managers: {} } }),
    );
  }

  async close(): Promise<void> {
    await this.clear();
    await this.registry.close();
    await rm(this.dir, { recursive: true, force: true });
  }
}
