/**
 * A node of a cluster in this process: an agent for as long as it runs, and beside it a manager while its role says so.
 * The role is what its Node says; a change of it never touches a container. How far a change has come is in
 * `cluster.json`, so that the next process goes on with it.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Node } from '../../api-schemas/index.ts';
import type { NodeRole } from '../../api-schemas/join.ts';
import { expiredText } from '../../client/index.ts';
import { backoffMs } from '../../kit/backoff.ts';
import { sleep } from '../../kit/clock.ts';
import { messageOf } from '../../kit/errors.ts';
import { CliError } from '../errors.ts';
import { note } from '../io.ts';
import { parseAddress, urlOf } from './advertise.ts';
import { writeClusterFile, type ClusterFile, type ManagerFile } from './cluster-file.ts';
import { keepContext } from './context.ts';
import { parseListen } from './flags.ts';
import { forgetManager } from './forget-manager.ts';
import { checkListen } from './listen.ts';
import { startManager, type Manager } from './manager.ts';
import { nodeTlsOf } from './manager-tls.ts';
import { keepNodeTls, readNodeTls, type NodeTls, type NodeTlsKeeper } from './node-tls.ts';
import { checkOwnNode, followOwnNode, tellRole, type OwnNodeOptions } from './own-node.ts';
import { readdressed } from './readdress.ts';
import { endManager, prepareManager, type RoleParts } from './role-change.ts';
import type { NodeFlags, RunContext } from './run-context.ts';
import { startWorker, type Worker } from './worker.ts';
import { untilAborted } from './wait.ts';

/** What to say once it is up. */
export type Hint = (manager: Manager) => string | undefined;

/** Runs what the file says until the signal. Rejects when it cannot begin. */
export async function runNode(
  context: RunContext,
  flags: NodeFlags,
  file: ClusterFile,
  hint?: Hint,
): Promise<void> {
  await new ClusterNode(context, flags, file, hint).run();
}

/** How long the agent lets a manager begin first: containers do not wait for a quorum. */
const managerFirstMs = 3_000;
const retry = { baseMs: 1_000, maxMs: 30_000 };

class ClusterNode {
  readonly #context: RunContext;
  readonly #flags: NodeFlags;
  readonly #hint: Hint | undefined;
  #file: ClusterFile;
  #manager: Manager | undefined;
  #agent: Worker | undefined;
  #keeper: NodeTlsKeeper | undefined;
  /** As the Node says; undefined: it says nothing, or is not known yet. */
  #wanted: NodeRole | undefined;
  #changing: Promise<void> | undefined;
  /** What is being done, or was last. */
  #target: NodeRole | undefined;
  /** Aborted when the Node says something else than what is being done. */
  #change = new AbortController();
  #saidRemoved = false;

  constructor(context: RunContext, flags: NodeFlags, file: ClusterFile, hint: Hint | undefined) {
    this.#context = context;
    this.#flags = flags;
    this.#hint = hint;
    this.#file = file;
  }

  async run(): Promise<void> {
    const { io, signal, logger } = this.#context;
    const { dataDir } = this.#flags;
    const file = await readdressed(this.#file, this.#flags);
    if (file !== this.#file) await this.#replace(file);
    if (this.#file.role === 'worker') await forgetManager(io, dataDir);
    const begun = this.#begin();
    this.#changing = begun
      .then((failure) => (failure === undefined ? this.#converge() : undefined))
      .finally(() => (this.#changing = undefined));
    try {
      // A machine that is new has no containers to look after, and maybe no certificate yet.
      if (this.#wasNode()) await this.#atMost(managerFirstMs, begun);
      else await begun;
      if (!signal.aborted && (await this.#atMost(0, begun)) === undefined) {
        await this.#startAgent();
        void followOwnNode(this.#own(), {
          onNode: (node) => this.#onNode(node),
          onRemoved: (why) => this.#onRemoved(why),
        });
      }
      const failure = await begun;
      if (failure !== undefined) throw failure.error;
      await untilAborted(signal);
      logger.info('stopping; containers run on');
      await this.#changing;
    } finally {
      await this.#agent?.close();
      this.#keeper?.close();
      await this.#manager?.close();
    }
  }

  /** Starts the manager, if it is one; resolves with why that failed, which is none when it is not to be one any more. */
  async #begin(): Promise<{ readonly error: unknown } | undefined> {
    if (!this.#isToServe()) return undefined;
    this.#target = 'manager';
    const stop = AbortSignal.any([this.#context.signal, this.#change.signal]);
    try {
      await this.#startManager(stop);
      return undefined;
    } catch (error) {
      if (stop.aborted) return undefined;
      const removed = this.#wasNode() && (await checkOwnNode(this.#own()));
      return { error: typeof removed === 'string' ? removedError(removed) : error };
    }
  }

  #wasNode(): boolean {
    const { dataDir } = this.#flags;
    return ['agent', 'pki/node.crt'].every((name) => existsSync(join(dataDir, name)));
  }

  #isToServe(): boolean {
    const { role, manager } = this.#file;
    return role === 'manager' && manager?.etcd !== 'leaving';
  }

  /** The result, or undefined when it is not there in time. */
  async #atMost<T>(ms: number, result: Promise<T>): Promise<T | undefined> {
    const { clock } = this.#context;
    let cancel = (): void => undefined;
    const time = new Promise<undefined>((resolve) => (cancel = clock.after(ms, () => resolve(undefined))));
    return Promise.race([result, time]).finally(() => cancel());
  }

  async #startManager(signal: AbortSignal): Promise<void> {
    const { io, clock, logger } = this.#context;
    const { nodeName, manager: file, servers } = this.#file;
    if (file === undefined) throw new Error('no manager');
    const started = clock.now();
    const listen = parseListen(file.listen);
    await checkListen(listen);
    const member = { file, servers, save: (next: ManagerFile) => this.#save({ manager: next }) };
    const onWait = (message: string): void => {
      note(io, message);
      if (file.etcd === 'joining') void this.#tell(false, 'Promoting', message);
    };
    const options = { ...this.#flags, nodeName, listen, member, logger, signal, clock, onWait };
    const manager = await startManager(options);
    this.#manager = manager;
    manager.onRenewed(() => this.#agent?.renewed());
    const context = await keepContext(io, manager, logger);
    this.#agent?.describeAgain();
    note(io, `orc is up at ${manager.url} (${((clock.now() - started) / 1000).toFixed(1)} s); ${context}`);
    const more = this.#hint?.(manager);
    if (more !== undefined) note(io, more);
  }

  async #startAgent(): Promise<void> {
    const { io, clock, logger } = this.#context;
    const { dataDir, runtime, dockerHost } = this.#flags;
    const { nodeName, servers, manager } = this.#file;
    const keeper = keepNodeTls({
      dataDir,
      nodeName,
      servers: () => this.#servers(),
      clock,
      logger,
      onRenewed: () => this.#agent?.renewed(),
    });
    this.#keeper = keeper;
    this.#agent = await startWorker({
      ...{ runtime, dockerHost, dataDir, nodeName, logger },
      role: () => (this.#manager === undefined ? 'worker' : 'manager'),
      endpoints: this.#servers(),
      ...(manager === undefined ? {} : { prefer: urlOf(parseAddress(manager.advertise)) }),
      tls: () => this.#tls(),
      // A manager has its own part in it.
      onCertificates: (certificates, endpoint) => {
        if (this.#manager === undefined && !this.#isToServe()) keeper.follow(certificates, endpoint);
      },
    });
    if (manager !== undefined) return;
    note(io, `orc agent is up: node ${nodeName}, managers ${servers.join(', ')}`);
    // The containers are looked after all the same.
    const expired = expiredText(keeper.current.cert, servers, clock.now());
    if (expired !== undefined) note(io, expired);
  }

  #tls(): NodeTls {
    if (this.#manager !== undefined) return nodeTlsOf(this.#manager.pki);
    return this.#keeper?.current ?? readNodeTls(this.#flags.dataDir);
  }

  #servers(): readonly string[] {
    return [
      ...new Set([
        ...(this.#manager?.servers() ?? []),
        ...(this.#agent?.servers() ?? []),
        ...this.#file.servers,
      ]),
    ];
  }

  #own(): OwnNodeOptions {
    const { clock, logger, signal } = this.#context;
    const { nodeName } = this.#file;
    return { nodeName, servers: () => this.#servers(), tls: () => this.#tls(), clock, logger, signal };
  }

  #onNode({ spec }: Node): void {
    this.#saidRemoved = false;
    this.#want(spec.role);
  }

  #onRemoved(why: string): void {
    if (this.#saidRemoved) return;
    this.#saidRemoved = true;
    const { io, logger } = this.#context;
    logger.error({ why }, 'this machine is no node of the cluster any more');
    note(io, `${why}. ${afterRemoval}`);
  }

  #want(role: NodeRole | undefined): void {
    this.#wanted = role;
    if (role !== undefined && role !== this.#target)
      this.#change.abort(new Error('the role is to be another one'));
    this.#changing ??= this.#converge().finally(() => (this.#changing = undefined));
  }

  /** What it is; `between` when a change was begun, by this process or an earlier one. */
  #role(): NodeRole | 'between' {
    if (this.#file.role === 'worker') return 'worker';
    return this.#isToServe() && this.#manager !== undefined ? 'manager' : 'between';
  }

  /** One change at a time, until it is what the Node says. What was begun to end is ended first. */
  async #converge(): Promise<void> {
    const { signal, clock, logger } = this.#context;
    for (let failures = 0; !signal.aborted;) {
      const isLeaving = this.#file.manager?.etcd === 'leaving';
      const to = isLeaving ? 'worker' : (this.#wanted ?? this.#file.role);
      if (to === this.#role()) return;
      this.#target = to;
      this.#change = new AbortController();
      const stop = AbortSignal.any([signal, this.#change.signal]);
      try {
        await (to === 'manager' ? this.#becomeManager(stop) : this.#becomeWorker(stop));
        failures = 0;
        await this.#tell(true, to === 'manager' ? 'IsManager' : 'IsWorker', '');
      } catch (error) {
        if (stop.aborted) continue;
        failures += 1;
        logger.warn({ to, err: messageOf(error) }, 'the role is not changed yet');
        await this.#tell(false, 'Waiting', messageOf(error));
        const ms = backoffMs(failures, { ...retry, random: Math.random });
        await sleep(clock, ms, stop).catch(() => undefined);
      }
    }
  }

  async #becomeManager(stop: AbortSignal): Promise<void> {
    await prepareManager(this.#parts(), stop);
    await this.#tell(false, 'Promoting', 'its etcd joins the others');
    await this.#startManager(stop);
    note(this.#context.io, `node ${this.#file.nodeName} is a manager now`);
  }

  async #becomeWorker(stop: AbortSignal): Promise<void> {
    await endManager(this.#parts(), this.#manager, stop);
    this.#manager = undefined;
    this.#agent?.describeAgain();
    note(this.#context.io, `node ${this.#file.nodeName} is a worker now`);
  }

  #parts(): RoleParts {
    return {
      context: this.#context,
      flags: this.#flags,
      file: this.#file,
      replace: (file) => this.#replace(file),
      own: this.#own(),
      tell: (reason, message) => this.#tell(false, reason, message),
    };
  }

  #tell(applied: boolean, reason: string, message: string): Promise<void> {
    return tellRole(this.#own(), { applied, reason, message });
  }

  #save(change: Partial<ClusterFile>): Promise<void> {
    return this.#replace({ ...this.#file, ...change });
  }

  async #replace(file: ClusterFile): Promise<void> {
    await writeClusterFile(this.#flags.dataDir, file);
    this.#file = file;
  }
}

/** What the servers' words do not say: they tell how it becomes a node again. */
const afterRemoval =
  'Its containers run on until `orc leave` removes them; stop orc first (`orc token show` on a manager prints the ' +
  'command to join)';

const removedError = (why: string): CliError => new CliError(why, { remedy: afterRemoval });
