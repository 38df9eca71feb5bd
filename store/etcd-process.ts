import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync, readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Clock } from '../kit/clock.ts';
import { startTimeOf } from '../kit/process.ts';

/** What a later process needs to find an etcd again that outlived us. */
export interface EtcdRecord {
  readonly pid: number;
  /** When the process started, in clock ticks since boot: with the pid it names one process for good. */
  readonly startTime: string;
  readonly clientPort: number;
  readonly peerPort: number;
  /** The command line; another one now means: start it anew. */
  readonly args: readonly string[];
}

/** True when the recorded process still runs, and its command line is the recorded one. */
export function isAlive({ pid, startTime, args }: EtcdRecord): boolean {
  if (startTimeOf(pid) !== startTime) return false;
  try {
    const [, ...running] = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0').slice(0, -1);
    return running.length === args.length && running.every((arg, i) => arg === args[i]);
  } catch {
    return false;
  }
}

/** One running etcd, started by us or by an earlier process of ours. */
export interface EtcdProcess {
  readonly pid: number;
  readonly startTime: string;
  readonly adopted: boolean;
  /** Resolves with a word on how it ended. */
  readonly ended: Promise<string>;
  kill(signal: NodeJS.Signals): void;
}

/** Starts etcd in a session of its own, so that a Ctrl-C meant for us does not end it before us. */
export async function startEtcd(
  binary: string,
  args: readonly string[],
  options: { readonly cwd: string; readonly logFile: string },
): Promise<EtcdProcess> {
  const log = openSync(options.logFile, 'a', 0o600);
  let child: ChildProcess;
  try {
    child = spawn(binary, args, { cwd: options.cwd, detached: true, stdio: ['ignore', log, log] });
  } finally {
    closeSync(log);
  }
  await once(child, 'spawn');
  const { pid = 0 } = child;
  const ended = once(child, 'exit').then(([code, signal]) =>
    signal === null ? `it exited with code ${String(code)}` : `it was ended by ${String(signal)}`,
  );
  return {
    pid,
    startTime: startTimeOf(pid) ?? '',
    adopted: false,
    ended,
    kill: (signal) => child.kill(signal),
  };
}

/** Takes over a recorded etcd that still runs. It is no child of ours, so its end is polled for. */
export function adoptEtcd(record: EtcdRecord, pollMs = 100): EtcdProcess {
  const { pid, startTime } = record;
  const alive = (): boolean => startTimeOf(pid) === startTime;
  const ended = new Promise<string>((resolve) => {
    const timer = setInterval(() => {
      if (alive()) return;
      clearInterval(timer);
      resolve('it ended');
    }, pollMs);
  });
  const kill = (signal: NodeJS.Signals): void => {
    if (alive()) process.kill(pid, signal);
  };
  return { pid, startTime, adopted: true, ended, kill };
}

/** Ends it, with SIGKILL when it takes longer than 5 s. */
export async function endEtcd(etcd: EtcdProcess, clock: Clock): Promise<void> {
  etcd.kill('SIGTERM');
  const cancel = clock.after(5000, () => etcd.kill('SIGKILL'));
  await etcd.ended;
  cancel();
}

const recordOf = (dataDir: string): string => join(dataDir, 'etcd.json');

/** What was noted of the etcd that runs on `dataDir`, or did. */
export function readRecord(dataDir: string): EtcdRecord | undefined {
  try {
    return JSON.parse(readFileSync(recordOf(dataDir), 'utf8')) as EtcdRecord;
  } catch {
    return undefined;
  }
}

export function writeRecord(dataDir: string, record: EtcdRecord): void {
  const file = recordOf(dataDir);
  writeFileSync(`${file}.new`, JSON.stringify(record), { mode: 0o600 });
  renameSync(`${file}.new`, file);
}

/** Ends an etcd that an earlier process of ours left running on `dataDir`. */
export async function endLeftOver(dataDir: string, clock: Clock): Promise<void> {
  const record = readRecord(dataDir);
  if (record !== undefined && isAlive(record)) await endEtcd(adoptEtcd(record), clock);
  await endStrays(dataDir, clock);
}

/** Ends each etcd on `dataDir` of which nothing is noted: we were killed between its start and the note. */
export async function endStrays(dataDir: string, clock: Clock): Promise<void> {
  const flag = `--data-dir=${join(dataDir, 'data')}`;
  for (const name of readdirSync('/proc')) {
    const pid = Number(name);
    if (!Number.isInteger(pid) || !argumentsOf(pid).includes(flag)) continue;
    const startTime = startTimeOf(pid);
    if (startTime === undefined) continue;
    await endEtcd(adoptEtcd({ pid, startTime, clientPort: 0, peerPort: 0, args: [] }), clock);
  }
}

/** Empty when there is no such process. */
function argumentsOf(pid: number): readonly string[] {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0').slice(1);
  } catch {
    return [];
  }
}
