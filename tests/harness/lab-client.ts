/**
 * Calls the API of a lab's cluster from a machine beside its nodes, so that none of them has to be up for it and no
 * process is started for each call. It runs in the namespace of the switch, as nothing outside reaches in.
 */
import { execFileSync, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { KindName, Obj, ObjOf } from '../../api-schemas/index.ts';
import type { List, ListOptions, Ref, Scale } from '../../client/index.ts';
import { readPid } from '../lab/clean.mjs';
import { must } from '../lab/run.ts';
import { root } from '../lab/state.ts';
import { bridge } from '../lab/switch.ts';
import type { Lab, LabNode } from './lab.ts';
import type { Answer, Call } from './lab-client-main.ts';
import type { Write } from './prober.ts';

/** What a server refused, or why none answered; `code` is HTTP's or Node's. */
export class CallError extends Error {
  readonly code: number | string;
  readonly reason: string | undefined;

  constructor({ message, code, reason }: NonNullable<Answer['error']>) {
    super(message);
    this.name = 'CallError';
    this.code = code;
    this.reason = reason;
  }
}

export interface Told<T> {
  readonly result: T;
  /** What the server warned of. */
  readonly warnings: readonly string[];
}

/** Calls of client/, to any of some servers. */
export interface Api {
  list<K extends KindName>(kind: K, options?: ListOptions): Promise<List<ObjOf<K>>>;
  listTold<K extends KindName>(kind: K, options?: ListOptions): Promise<Told<List<ObjOf<K>>>>;
  get<K extends KindName>(kind: K, ref: Ref): Promise<ObjOf<K>>;
  apply<T extends Obj>(object: T): Promise<T>;
  create<T extends Obj>(object: T): Promise<T>;
  patch<K extends KindName>(kind: K, ref: Ref, patch: unknown): Promise<ObjOf<K>>;
  setScale(kind: KindName, ref: Ref, replicas: number): Promise<Scale>;
  delete(
    kind: KindName,
    ref: Ref,
    options?: { readonly propagation?: 'Background' | 'Foreground' },
  ): Promise<void>;
  raw(
    method: string,
    path: string,
    body?: string,
    headers?: Readonly<Record<string, string>>,
  ): Promise<string>;
}

export interface ToOptions {
  /** Longest wait for an answer. */
  readonly timeoutMs?: number;
  /** Asks with the certificate of this node. */
  readonly as?: LabNode;
}

export interface LabClient extends Api {
  /** Only these are asked, by default with the credentials of the client. */
  to(nodes: readonly LabNode[], options?: ToOptions): Api;
  /** Begins to write through each of the managers, all the time. */
  startProber(): Promise<void>;
  /** Ends that; all that was written. */
  stopProber(): Promise<readonly Write[]>;
  close(): void;
}

/** Needs a cluster that is formed; the credentials are those of the first manager. */
export async function openLabClient(
  lab: Lab,
  managers: readonly LabNode[] = lab.managers,
): Promise<LabClient> {
  const pid = readPid(join(lab.dir, 'switch.pid'));
  const [first] = managers;
  if (pid === undefined || first === undefined) throw new Error('the lab has no managers, or does not run');
  const enter = ['nsenter', '--target', String(pid), '--net', '--'];
  const address = first.address.replace(/\d+$/, '1');
  must([...enter, 'ip', 'address', 'replace', `${address}/24`, 'dev', bridge]);
  const { file, folder } = bundle();
  const config = join(first.dir, 'home/.orc/config');
  const argv = [
    ...enter,
    'setpriv',
    '--pdeathsig',
    'KILL',
    '--',
    process.execPath,
    '--no-warnings',
    file,
    config,
  ];
  const [command = '', ...args] = argv;
  const child = spawn(command, args, { stdio: ['pipe', 'pipe', 'inherit'] });
  const waiting = new Map<number, (answer: Answer) => void>();
  createInterface({ input: child.stdout }).on('line', (line) => {
    const answer = JSON.parse(line) as Answer;
    waiting.get(answer.id)?.(answer);
    waiting.delete(answer.id);
  });
  child.once('exit', () => {
    rmSync(folder, { recursive: true, force: true });
    const error = { message: 'the client of the lab has ended', code: 'ENDED' };
    for (const [id, resolve] of waiting) resolve({ id, error, warnings: [] });
    waiting.clear();
  });
  let lastId = 0;
  const call = async (to: Omit<Call, 'id' | 'method' | 'args'>, method: string, args: readonly unknown[]) => {
    const id = ++lastId;
    const answered = new Promise<Answer>((resolve) => waiting.set(id, resolve));
    child.stdin.write(`${JSON.stringify({ ...to, id, method, args } satisfies Call)}\n`);
    const answer = await answered;
    if (answer.error !== undefined) throw new CallError(answer.error);
    return answer;
  };
  const to = (nodes: readonly LabNode[], { as, ...options }: ToOptions = {}): Api => {
    const identity = as === undefined ? {} : { pki: join(as.dataDir, 'pki') };
    return apiOver((method, ...args) =>
      call({ endpoints: nodes.map(urlOf), ...options, ...identity }, method, args),
    );
  };
  const endpoints = managers.map(urlOf);
  return {
    ...to(managers),
    to,
    async startProber() {
      await call({ endpoints }, 'probe', []);
    },
    async stopProber() {
      return (await call({ endpoints }, 'probed', [])).result as readonly Write[];
    },
    close: () => child.kill('SIGKILL'),
  };
}

const urlOf = ({ address }: LabNode): string => `https://${address}:6750`;

function apiOver(call: (method: string, ...args: readonly unknown[]) => Promise<Answer>): Api {
  const result = async <T>(method: string, ...args: readonly unknown[]): Promise<T> =>
    (await call(method, ...args)).result as T;
  return {
    list: (kind, options = {}) => result('list', kind, options),
    async listTold<K extends KindName>(kind: K, options: ListOptions = {}) {
      const answer = await call('list', kind, options);
      return { result: answer.result as List<ObjOf<K>>, warnings: answer.warnings };
    },
    get: (kind, ref) => result('get', kind, ref),
    apply: (object) => result('apply', object, { fieldManager: 'test', force: true }),
    create: (object) => result('create', object),
    patch: (kind, ref, patch) => result('patch', kind, ref, 'merge', patch),
    setScale: (kind, ref, replicas) => result('setScale', kind, ref, replicas),
    async delete(kind, ref, options = {}) {
      await result('delete', kind, ref, options);
    },
    raw: (method, path, body, headers) => result('raw', method, path, body, headers),
  };
}

/** The program as one file, as deep in the tree as the sources: packages are found from there. */
function bundle(): { readonly file: string; readonly folder: string } {
  mkdirSync(join(root, '.orc'), { recursive: true });
  const folder = mkdtempSync(join(root, '.orc/lab-client-'));
  const file = join(folder, 'main.mjs');
  execFileSync(join(root, 'node_modules/.bin/esbuild'), [
    join(root, 'tests/harness/lab-client-main.ts'),
    ...['--bundle', '--packages=external', '--platform=node', '--target=node20', '--format=esm'],
    ...['--log-level=warning', `--outfile=${file}`],
  ]);
  return { file, folder };
}
