import { chmodSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { backoffMs } from '../kit/backoff.ts';
import { sleep, systemClock, type Clock } from '../kit/clock.ts';
import { messageOf } from '../kit/errors.ts';
import type { Logger } from '../kit/log.ts';
import { Connection, type ConnectOptions } from './connection.ts';
import { checkEtcd } from './etcd-binary.ts';
import { causeOf, lastLines, rotate } from './etcd-log.ts';
import { adoptEtcd, isAlive, startEtcd, type EtcdProcess, type EtcdRecord } from './etcd-process.ts';
import { freePorts, isFree, isListening } from './ports.ts';

export interface SupervisorOptions {
  /** Made with mode 0700. Holds etcd's data, its log and what is needed to find a running one again. */
  readonly dataDir: string;
  readonly logger: Logger;
  readonly clock?: Clock;
  /**
   * Files. With them etcd serves https, and takes only clients that have a certificate of the CA. Its own
   * certificate must name 127.0.0.1 and be good for servers and clients: its members show it to each other.
   */
  readonly tls?: { readonly caFile: string; readonly certFile: string; readonly keyFile: string };
  /** Default: `etcd` on the PATH. */
  readonly binary?: string;
  /** etcd's database is full at this size. Default 4 GiB. */
  readonly quotaBytes?: number;
  /** Default 10 MiB, and as much for the one before. */
  readonly maxLogBytes?: number;
  /** Further flags of etcd. */
  readonly args?: readonly string[];
}

export interface SupervisorHealth {
  readonly state: 'starting' | 'running' | 'backoff' | 'stopped';
  readonly pid: number | undefined;
  readonly version: string;
  /** Times it was started again after it had died. */
  readonly restarts: number;
  /** Why it is not running, or was not the last time. */
  readonly lastExit: string | undefined;
  /** The end of etcd's log. */
  readonly lastLog: readonly string[];
}

export interface EtcdSupervisor {
  readonly endpoints: readonly string[];
  /** It was still running when we came: an earlier process of ours had been killed. */
  readonly adopted: boolean;
  health(): SupervisorHealth;
  /** Why etcd does not run, or did not until a moment ago, and what to do; undefined while all is well. */
  trouble(): string | undefined;
  /** Ends etcd, with SIGKILL when it takes longer than 5 s. Idempotent. */
  stop(): Promise<void>;
}

/** A run this long clears the count of failures. */
const stableMs = 30_000;
const startTimeoutMs = 30_000;
/** Ends in a row before the first start is given up. */
const maxFirstStarts = 3;

/**
 * Runs etcd for this process: resolves when it answers, and starts it again whenever it dies, later and later.
 * Ports are chosen once per data directory. An etcd that outlived an earlier process of ours is adopted.
 * Rejects, with the end of etcd's log, when it cannot be started at all.
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

  readonly #options: SupervisorOptions;
  readonly #binary: string;
  readonly #version: string;
  readonly #clock: Clock;
  readonly #logFile: string;
  readonly #recordFile: string;
  readonly #stopping = new AbortController();
  #state: SupervisorHealth['state'] = 'starting';
  #process: EtcdProcess | undefined;
  #restarts = 0;
  #lastExit: string | undefined;
  #cause: string | undefined;
  #runningSince = 0;
  #loop: Promise<void> | undefined;

  constructor(options: SupervisorOptions, binary: string, version: string) {
    this.#options = options;
    this.#binary = binary;
    this.#version = version;
    this.#clock = options.clock ?? systemClock;
    this.#logFile = join(options.dataDir, 'etcd.log');
    this.#recordFile = join(options.dataDir, 'etcd.json');
    mkdirSync(options.dataDir, { recursive: true, mode: 0o700 });
    chmodSync(options.dataDir, 0o700);
  }

  async begin(): Promise<void> {
    const record = this.#readRecord();
    const process = (record && (await this.#adopt(record))) ?? (await this.#firstStart(record));
    this.#loop = this.#watchOver(process);
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
    if (process !== undefined) await end(process, this.#clock);
    await this.#loop;
    this.#state = 'stopped';
  }

  async #adopt(record: EtcdRecord): Promise<EtcdProcess | undefined> {
    if (!isAlive(record)) return undefined;
    const process = adoptEtcd(record);
    if (record.args.join('\0') !== this.#args(record).join('\0') || !(await this.#answers(process, record))) {
      this.#options.logger.info({ pid: record.pid }, 'etcd runs with other settings: it is started anew');
      await end(process, this.#clock);
      return undefined;
    }
    this.#options.logger.info({ pid: record.pid }, 'etcd is still running and is adopted');
    this.adopted = true;
    this.#running(process, record);
    return process;
  }

  async #firstStart(record: EtcdRecord | undefined): Promise<EtcdProcess> {
    for (let failures = 1; ; failures++) {
      const process = await this.#start(record);
      if (process !== undefined) return process;
      if (failures === maxFirstStarts) {
        const lines = lastLines(this.#logFile, 5).join('\n  ');
        throw new Error(`etcd cannot be started (${this.#lastExit ?? ''}). The end of its log:\n  ${lines}`);
      }
      await sleep(this.#clock, 100 * failures, this.#stopping.signal);
    }
  }

  /** Starts it once; undefined when it ended before it answered. */
  async #start(
    record: Pick<EtcdRecord, 'clientPort' | 'peerPort'> | undefined,
  ): Promise<EtcdProcess | undefined> {
    this.#state = 'starting';
    rotate(this.#logFile, this.#maxLogBytes());
    const ports = await this.#ports(record);
    const args = this.#args(ports);
    const { dataDir } = this.#options;
    const process = await startEtcd(this.#binary, args, { cwd: dataDir, logFile: this.#logFile });
    this.#process = process;
    try {
      this.#writeRecord({ pid: process.pid, startTime: process.startTime, ...ports, args });
    } catch (error) {
      // One that is not on record would be started a second time.
      await end(process, this.#clock);
      throw error;
    }
    if (await this.#answers(process, ports)) {
      this.#running(process, ports);
      return process;
    }
    await end(process, this.#clock);
    this.#noteEnd(await process.ended);
    return undefined;
  }

  async #watchOver(first: EtcdProcess): Promise<void> {
    const { logger } = this.#options;
    const stopping = this.#stopping.signal;
    let process: EtcdProcess | undefined = first;
    for (let failures = 0; !stopping.aborted;) {
      if (process !== undefined) {
        const since = this.#clock.now();
        const cancelRotation = this.#rotateNowAndThen();
        this.#noteEnd(await process.ended);
        cancelRotation();
        if (stopping.aborted) return;
        if (this.#clock.now() - since > stableMs) failures = 0;
      }
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
      process = await this.#start(this.#readRecord()).catch((error: unknown) => {
        this.#lastExit = this.#cause = messageOf(error);
        return undefined;
      });
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

  /** The recorded ports; clients hold on to the client port, so it is only changed before the first start. */
  async #ports(
    record: Pick<EtcdRecord, 'clientPort' | 'peerPort'> | undefined,
  ): Promise<Pick<EtcdRecord, 'clientPort' | 'peerPort'>> {
    if (record !== undefined) {
      const { clientPort, peerPort } = record;
      if (this.endpoints.length > 0) return { clientPort, peerPort };
      if ((await isFree(clientPort)) && (await isFree(peerPort))) return { clientPort, peerPort };
    }
    const [clientPort = 0, peerPort = 0] = await freePorts(2);
    return { clientPort, peerPort };
  }

  /** Waits until etcd answers; its ports are open long before that. False when it ends, or takes too long. */
  async #answers(process: EtcdProcess, { clientPort }: Pick<EtcdRecord, 'clientPort'>): Promise<boolean> {
    let ended = false;
    void process.ended.then(() => (ended = true));
    const deadline = this.#clock.now() + startTimeoutMs;
    const connection = new Connection({ endpoints: [this.#endpoint(clientPort)], ...this.#clientTls() });
    try {
      while (!ended && !this.#stopping.signal.aborted && this.#clock.now() < deadline) {
        if (await isListening(clientPort)) {
          const answer = connection.range({ key: '/', limit: 1, keysOnly: true });
          if (
            await Promise.race([
              answer.then(
                () => true,
                () => false,
              ),
              process.ended.then(() => false),
            ])
          )
            return true;
        }
        await sleep(this.#clock, 20);
      }
      return false;
    } finally {
      connection.close();
    }
  }

  #clientTls(): Pick<ConnectOptions, 'tls'> {
    const { tls } = this.#options;
    if (tls === undefined) return {};
    return {
      tls: {
        ca: readFileSync(tls.caFile),
        cert: readFileSync(tls.certFile),
        key: readFileSync(tls.keyFile),
      },
    };
  }

  #endpoint(clientPort: number): string {
    return `${this.#options.tls === undefined ? 'http' : 'https'}://127.0.0.1:${clientPort}`;
  }

  #args({ clientPort, peerPort }: Pick<EtcdRecord, 'clientPort' | 'peerPort'>): readonly string[] {
    const { dataDir, tls, quotaBytes = 4 * 1024 ** 3, args = [] } = this.#options;
    const client = this.#endpoint(clientPort);
    const peer = this.#endpoint(peerPort);
    return [
      '--name=orc',
      `--data-dir=${join(dataDir, 'data')}`,
      `--listen-client-urls=${client}`,
      `--advertise-client-urls=${client}`,
      `--listen-peer-urls=${peer}`,
      `--initial-advertise-peer-urls=${peer}`,
      `--initial-cluster=orc=${peer}`,
      '--max-txn-ops=10000',
      `--quota-backend-bytes=${quotaBytes}`,
      // A lone member waits out its election timeout at every start; it has nobody to be late for.
      '--heartbeat-interval=20',
      '--election-timeout=200',
      // etcd keeps this many transactions, and 5,000 more, in memory; ours may be large.
      '--snapshot-count=5000',
      '--enable-grpc-gateway=false',
      '--logger=zap',
      '--log-outputs=stderr',
      ...(tls === undefined ? [] : tlsArgs(tls)),
      ...args,
    ];
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

  #readRecord(): EtcdRecord | undefined {
    try {
      return JSON.parse(readFileSync(this.#recordFile, 'utf8')) as EtcdRecord;
    } catch {
      return undefined;
    }
  }

  #writeRecord(record: EtcdRecord): void {
    writeFileSync(`${this.#recordFile}.new`, JSON.stringify(record), { mode: 0o600 });
    renameSync(`${this.#recordFile}.new`, this.#recordFile);
  }
}

function tlsArgs({ caFile, certFile, keyFile }: NonNullable<SupervisorOptions['tls']>): readonly string[] {
  return ['', 'peer-'].flatMap((prefix) => [
    `--${prefix}cert-file=${certFile}`,
    `--${prefix}key-file=${keyFile}`,
    `--${prefix}trusted-ca-file=${caFile}`,
    `--${prefix}client-cert-auth`,
  ]);
}

async function end(process: EtcdProcess, clock: Clock): Promise<void> {
  process.kill('SIGTERM');
  const cancel = clock.after(5000, () => process.kill('SIGKILL'));
  await process.ended;
  cancel();
}
