import { randomUUID } from 'node:crypto';
import { chmodSync, mkdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { backoffMs } from '../kit/backoff.ts';
import { sleep, systemClock, type Clock } from '../kit/clock.ts';
import { messageOf } from '../kit/errors.ts';
import { clientUrl, etcdArgs, sameSettings, type EtcdTls } from './etcd-args.ts';
import { checkEtcd } from './etcd-binary.ts';
import { forgetForced, hasData, noteForced, wasForced } from './etcd-data.ts';
import { causeOf, lastLines, rotate, sizeOfLog, wasRemoved } from './etcd-log.ts';
import {
  adoptEtcd,
  endEtcd,
  endLeftOver,
  endStrays,
  isAlive,
  readRecord,
  startEtcd,
  writeRecord,
  type EtcdProcess,
  type EtcdRecord,
} from './etcd-process.ts';
import { isReady } from './etcd-ready.ts';
import { commonNameOf, tlsFiles } from './etcd-tls.ts';
import { freePorts, isFree } from './ports.ts';
import type { EtcdSupervisor, SupervisorHealth, SupervisorOptions } from './supervisor-types.ts';

export type { EtcdSupervisor, SupervisorHealth, SupervisorOptions } from './supervisor-types.ts';

type Ports = Pick<EtcdRecord, 'clientPort' | 'peerPort'>;

/** A run this long clears the count of failures. */
const stableMs = 30_000;
/** Ends in a row before the first start is given up. */
const maxFirstStarts = 3;

/**
 * Runs etcd for this process: resolves when it answers, and starts it again whenever it dies, later and later.
 * Ports are chosen once per data directory. An etcd that outlived an earlier process of ours is adopted.
 * Rejects, with the end of etcd's log, when it cannot be started at all. A member that runs and waits for the
 * others is waited for, and the log says so.
 */
export async function superviseEtcd(options: SupervisorOptions): Promise<EtcdSupervisor> {
  const binary = options.binary ?? 'etcd';
  const version = await checkEtcd(binary);
  const supervisor = new Supervisor({ ...options, dataDir: resolve(options.dataDir) }, binary, version);
  await supervisor.begin();
  return supervisor;
}

class Supervisor implements EtcdSupervisor {
  adopted = false;
  endpoints: readonly string[] = [];

  #options: SupervisorOptions;
  readonly #binary: string;
  readonly #version: string;
  readonly #clock: Clock;
  readonly #logFile: string;
  readonly #stopping = new AbortController();
  readonly #clusterToken = randomUUID();
  #state: SupervisorHealth['state'] = 'starting';
  /** Where the log of the running etcd begins. */
  #logStart = 0;
  #process: EtcdProcess | undefined;
  #restarts = 0;
  #lastExit: string | undefined;
  #cause: string | undefined;
  #runningSince = 0;
  /** It is ended to be started again at once. */
  #isRestarting = false;
  #loop: Promise<void> | undefined;

  constructor(options: SupervisorOptions, binary: string, version: string) {
    this.#options = options;
    this.#binary = binary;
    this.#version = version;
    this.#clock = options.clock ?? systemClock;
    this.#logFile = join(options.dataDir, 'etcd.log');
    mkdirSync(options.dataDir, { recursive: true, mode: 0o700 });
    chmodSync(options.dataDir, 0o700);
  }

  async begin(): Promise<void> {
    const { signal } = this.#options;
    const giveUp = (): void => this.#stopping.abort(signal?.reason);
    if (signal?.aborted === true) giveUp();
    signal?.addEventListener('abort', giveUp, { once: true });
    try {
      await this.#force();
      const record = readRecord(this.#options.dataDir);
      const adopted = record && (await this.#adopt(record));
      if (adopted === undefined) await endStrays(this.#options.dataDir, this.#clock);
      const process = adopted ?? (await this.#firstStart(record));
      this.#loop = this.#watchOver(process);
    } finally {
      signal?.removeEventListener('abort', giveUp);
    }
  }

  /**
   * Makes the data a cluster of this member alone, when that is asked for and not done. etcd is started with the
   * flag, ended when it answers, and the deed noted; it never runs on with the flag. A repeat after a crash in
   * between does no harm: nobody could have been added yet.
   */
  async #force(): Promise<void> {
    const { dataDir, logger, member } = this.#options;
    if (member?.bootstrap.kind !== 'force-new') return forgetForced(dataDir);
    if (wasForced(dataDir)) {
      logger.info(
        { member: member.name },
        'the data was made a cluster of its own before: it is not done again',
      );
      return;
    }
    if (!hasData(dataDir))
      throw new Error(`There is no etcd data in ${dataDir} to make a cluster of: restore a backup instead`);
    await endLeftOver(dataDir, this.#clock);
    logger.warn({ member: member.name }, 'the data is made a cluster of this member alone');
    const process = await this.#firstStart(readRecord(dataDir), ['--force-new-cluster']);
    await endEtcd(process, this.#clock);
    this.endpoints = [];
    noteForced(dataDir);
  }

  health(): SupervisorHealth {
    return {
      state: this.#state,
      pid: this.#state === 'running' ? this.#process?.pid : undefined,
      version: this.#version,
      restarts: this.#restarts,
      lastExit: this.#lastExit,
      lastLog: lastLines(this.#logFile, 20),
    };
  }

  trouble(): string | undefined {
    const isSettled = this.#state === 'running' && this.#clock.now() - this.#runningSince > stableMs;
    if (this.#cause === undefined || isSettled) return undefined;
    const remedy = this.#cause.includes('no space left on device')
      ? `make room on the disk of ${this.#options.dataDir}`
      : `its log is ${this.#logFile}`;
    return `etcd ended (${this.#cause}) and is started again by itself; ${remedy}`;
  }

  async stop(): Promise<void> {
    this.#stopping.abort(new Error('etcd is being stopped'));
    const process = this.#process;
    if (process !== undefined) await endEtcd(process, this.#clock);
    await this.#loop;
    this.#state = 'stopped';
  }

  async useTls(tls: EtcdTls, signal: AbortSignal, before?: () => Promise<unknown>): Promise<void> {
    const { dataDir, logger } = this.#options;
    this.#options = { ...this.#options, tls };
    const old = this.#process;
    const record = readRecord(dataDir);
    if (old === undefined || record === undefined || sameSettings(record.args, this.#args(record))) return;
    logger.info({ pid: old.pid }, 'etcd is started again, to go by other certificates');
    await before?.().catch(() => undefined);
    signal.throwIfAborted();
    // One that has ended meanwhile is started again as it is to be, all the same.
    if (this.#process === old && this.#state === 'running') {
      this.#isRestarting = true;
      await endEtcd(old, this.#clock);
    }
    const enough = AbortSignal.any([this.#stopping.signal, signal]);
    while (this.#process === old || this.#state !== 'running') {
      if (this.#isRemoved()) throw new Error(this.#removed());
      await sleep(this.#clock, 20, enough);
    }
  }

  async #adopt(record: EtcdRecord): Promise<EtcdProcess | undefined> {
    if (!isAlive(record)) return undefined;
    const process = adoptEtcd(record);
    if (!sameSettings(record.args, this.#args(record)) || !(await this.#answers(process, record))) {
      this.#stopping.signal.throwIfAborted();
      this.#options.logger.info({ pid: record.pid }, 'etcd runs with other settings: it is started anew');
      await endEtcd(process, this.#clock);
      return undefined;
    }
    this.#options.logger.info({ pid: record.pid }, 'etcd is still running and is adopted');
    this.adopted = true;
    this.#logStart = sizeOfLog(this.#logFile);
    this.#running(process, record);
    return process;
  }

  async #firstStart(record: EtcdRecord | undefined, more: readonly string[] = []): Promise<EtcdProcess> {
    for (let failures = 1; ; failures++) {
      const process = await this.#start(record, more);
      if (process !== undefined) return process;
      this.#stopping.signal.throwIfAborted();
      if (this.#state === 'removed') throw new Error(this.#removed());
      if (failures === maxFirstStarts) {
        const lines = lastLines(this.#logFile, 5).join('\n  ');
        throw new Error(`etcd cannot be started (${this.#lastExit ?? ''}). The end of its log:\n  ${lines}`);
      }
      await sleep(this.#clock, 100 * failures, this.#stopping.signal);
    }
  }

  /** Starts it once; undefined when it ended before it answered. */
  async #start(record: Ports | undefined, more: readonly string[] = []): Promise<EtcdProcess | undefined> {
    this.#state = 'starting';
    rotate(this.#logFile, this.#maxLogBytes());
    this.#logStart = sizeOfLog(this.#logFile);
    const ports = await this.#ports(record);
    const args = [...this.#args(ports), ...more];
    const { dataDir } = this.#options;
    const process = await startEtcd(this.#binary, args, { cwd: dataDir, logFile: this.#logFile });
    this.#process = process;
    try {
      writeRecord(dataDir, { pid: process.pid, startTime: process.startTime, ...ports, args });
    } catch (error) {
      // One that is not on record would be started a second time.
      await endEtcd(process, this.#clock);
      throw error;
    }
    if (await this.#answers(process, ports)) {
      this.#running(process, ports);
      return process;
    }
    await endEtcd(process, this.#clock);
    this.#noteEnd(await process.ended);
    if (wasRemoved(this.#logFile, this.#logStart)) this.#state = 'removed';
    return undefined;
  }

  async #watchOver(first: EtcdProcess): Promise<void> {
    const { logger } = this.#options;
    const stopping = this.#stopping.signal;
    let process: EtcdProcess | undefined = first;
    const noted = (error: unknown): undefined => {
      this.#lastExit = this.#cause = messageOf(error);
    };
    for (let failures = 0; !stopping.aborted;) {
      if (process !== undefined) {
        const since = this.#clock.now();
        const cancelRotation = this.#rotateNowAndThen();
        this.#noteEnd(await process.ended);
        cancelRotation();
        if (stopping.aborted) return;
        if (this.#isRestarting) {
          this.#isRestarting = false;
          this.#lastExit = this.#cause = undefined;
          process = await this.#start(readRecord(this.#options.dataDir)).catch(noted);
          if (process !== undefined) continue;
        }
        if (wasRemoved(this.#logFile, this.#logStart)) this.#state = 'removed';
        if (this.#clock.now() - since > stableMs) failures = 0;
      }
      if (this.#isRemoved()) return logger.error({ member: this.#options.member?.name }, this.#removed());
      failures++;
      this.#state = 'backoff';
      const wait = backoffMs(failures, { baseMs: 50, maxMs: 10_000 });
      logger.error(
        { etcd: this.#lastExit, waitMs: wait, log: lastLines(this.#logFile, 3) },
        'etcd has ended',
      );
      await sleep(this.#clock, wait, stopping).catch(() => undefined);
      if (stopping.aborted) return;
      this.#restarts++;
      process = await this.#start(readRecord(this.#options.dataDir)).catch(noted);
    }
  }

  #noteEnd(exit: string): void {
    this.#lastExit = exit;
    this.#cause = causeOf(lastLines(this.#logFile, 20)) ?? exit;
  }

  #running(process: EtcdProcess, { clientPort }: Pick<EtcdRecord, 'clientPort'>): void {
    this.#process = process;
    this.#state = 'running';
    this.#runningSince = this.#clock.now();
    this.endpoints = [this.#endpoint(clientPort)];
  }

  #isRemoved(): boolean {
    return this.#state === 'removed';
  }

  #removed(): string {
    const name = this.#options.member?.name ?? '';
    return (
      `The member ${name} was removed from its cluster: its data is of no use any more. ` +
      'Stop orc here, run `orc leave`, then `orc join` (`orc token show manager` on a manager prints the command)'
    );
  }

  /** The recorded ports; clients hold on to the client port, so it is only changed before the first start. */
  async #ports(record: Ports | undefined): Promise<Ports> {
    const { member } = this.#options;
    const given = member === undefined ? undefined : Number(new URL(member.peerUrl.listen).port);
    if (record !== undefined) {
      const { clientPort, peerPort } = record;
      const ports = { clientPort, peerPort: given ?? peerPort };
      if (this.endpoints.length > 0) return ports;
      if ((await isFree(clientPort)) && (given !== undefined || (await isFree(peerPort)))) return ports;
    }
    const [clientPort = 0, peerPort = 0] = await freePorts(2);
    return { clientPort, peerPort: given ?? peerPort };
  }

  #answers(process: EtcdProcess, { clientPort }: Pick<Ports, 'clientPort'>): Promise<boolean> {
    const { logger, member } = this.#options;
    return isReady(process, {
      endpoints: [this.#endpoint(clientPort)],
      ...tlsFiles(this.#options.tls),
      clientPort,
      isMember: member !== undefined,
      logFile: this.#logFile,
      logger,
      clock: this.#clock,
      stopping: this.#stopping.signal,
    });
  }

  #endpoint(clientPort: number): string {
    return clientUrl({ clientPort, tls: this.#options.tls });
  }

  #args({ clientPort, peerPort }: Ports): readonly string[] {
    const { dataDir, tls, quotaBytes = 4 * 1024 ** 3, member, args = [] } = this.#options;
    return etcdArgs({
      dataDir,
      clientPort,
      peerPort,
      tls,
      quotaBytes,
      member,
      peerName: tls === undefined ? undefined : commonNameOf(tls.certFile),
      clusterToken: this.#clusterToken,
      initialized: hasData(dataDir),
      args,
    });
  }

  #rotateNowAndThen(): () => void {
    let cancel = (): void => undefined;
    const next = (): void => {
      rotate(this.#logFile, this.#maxLogBytes());
      cancel = this.#clock.after(60_000, next);
    };
    next();
    return () => cancel();
  }

  #maxLogBytes(): number {
    return this.#options.maxLogBytes ?? 10 * 1024 * 1024;
  }
}
