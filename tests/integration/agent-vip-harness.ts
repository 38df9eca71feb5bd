/**
 * Containers' stand-ins: processes in network namespaces of their own on one bridge. Namespaces have no names, and so
 * are gone with their processes; those end with the pipe to the test. Needs root.
 */
import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { ContainerProcess } from '../../agent/network/vip/index.ts';
import { startTimeOf } from '../../kit/process.ts';

const peerScript = fileURLToPath(new URL('./agent-vip-peer.mjs', import.meta.url));

export class Peer {
  readonly ip: string;
  readonly child: ChildProcess;
  readonly process: ContainerProcess;
  readonly #waiting = new Map<number, (result: unknown) => void>();
  #count = 0;

  constructor(ip: string, child: ChildProcess) {
    this.ip = ip;
    this.child = child;
    const { pid = 0 } = child;
    this.process = { pid, startTime: startTimeOf(pid) ?? '' };
    if (child.stdout !== null)
      createInterface({ input: child.stdout }).on('line', (line) => {
        const { id, result } = JSON.parse(line) as { id: number; result: unknown };
        this.#waiting.get(id)?.(result);
        this.#waiting.delete(id);
      });
  }

  do<T = void>(op: string, args: Readonly<Record<string, unknown>> = {}): Promise<T> {
    const id = this.#count++;
    return new Promise((resolve) => {
      this.#waiting.set(id, (result) => resolve(result as T));
      this.child.stdin?.write(`${JSON.stringify({ id, op, ...args })}\n`);
    });
  }

  /** Runs a command in its network namespace, returns its output; throws when it fails. */
  run(...argv: string[]): string {
    return inside(this.process.pid, argv);
  }
}

const inside = (pid: number, argv: readonly string[], input?: string): string =>
  execFileSync('nsenter', ['-t', String(pid), '-n', ...argv], {
    encoding: 'utf8',
    stdio: ['pipe', 'pipe', 'pipe'],
    ...(input === undefined ? {} : { input }),
  });

export class Lan {
  readonly #children: ChildProcess[] = [];
  #bridge = 0;
  #count = 0;

  async start(): Promise<this> {
    const child = spawn('unshare', ['-n', 'sh', '-c', 'echo; exec cat'], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    this.#children.push(child);
    await once(child.stdout, 'data');
    this.#bridge = child.pid ?? 0;
    inside(this.#bridge, ['ip', '-batch', '-'], 'link add br0 type bridge\nlink set br0 up\n');
    return this;
  }

  async add(ip: string): Promise<Peer> {
    const child = spawn('unshare', ['-n', process.execPath, peerScript, ip], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    this.#children.push(child);
    const peer = new Peer(ip, child);
    // It is in its namespace once it answers.
    await peer.do('ready');
    const port = `p${this.#count++}`;
    inside(
      this.#bridge,
      ['ip', '-batch', '-'],
      `link add ${port} type veth peer name eth0 netns ${peer.process.pid}\nlink set ${port} master br0 up\n`,
    );
    inside(
      peer.process.pid,
      ['ip', '-batch', '-'],
      `link set lo up\naddr add ${ip}/20 dev eth0\nlink set eth0 up\n`,
    );
    return peer;
  }

  async stop(): Promise<void> {
    const live = this.#children.filter(
      ({ exitCode, signalCode }) => exitCode === null && signalCode === null,
    );
    const exits = live.map((child) => once(child, 'exit'));
    for (const child of live) child.stdin?.end();
    await Promise.all(exits);
  }
}
