/** The demo as a person starts it, in a folder of the test's own; and what it could leave on the machine. */
import { execFileSync, spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = fileURLToPath(new URL('../..', import.meta.url));
const script = join(root, 'scripts/demo.mjs');

export interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface Start {
  /** argv that runs what follows it in an engine's namespaces. */
  readonly prefix?: readonly string[];
  readonly env?: NodeJS.ProcessEnv;
}

const argvOf = (args: readonly string[], { prefix = [] }: Start): [string, string[]] => {
  const [command = '', ...rest] = [...prefix, process.execPath, script, ...args];
  return [command, rest];
};

/** Runs the demo to its end. */
export function runDemo(args: readonly string[], start: Start = {}): Ended {
  const { status, stdout, stderr } = spawnSync(...argvOf(args, start), {
    cwd: root,
    env: start.env ?? process.env,
    encoding: 'utf8',
    timeout: 240_000,
  });
  return { code: status, stdout, stderr };
}

/** A demo that stays until it is told to end. */
export class RunningDemo {
  readonly child: ChildProcess;
  readonly ended: Promise<Ended>;
  #stdout = '';
  #stderr = '';

  constructor(args: readonly string[], start: Start = {}) {
    const env = start.env ?? process.env;
    this.child = spawn(...argvOf(args, start), { cwd: root, env, stdio: ['ignore', 'pipe', 'pipe'] });
    this.child.stdout?.setEncoding('utf8').on('data', (text: string) => (this.#stdout += text));
    this.child.stderr?.setEncoding('utf8').on('data', (text: string) => (this.#stderr += text));
    this.ended = once(this.child, 'close').then(([code]) => ({
      code: code as number | null,
      stdout: this.#stdout,
      stderr: this.#stderr,
    }));
  }

  /** Resolves with all that was printed when it has printed the text; throws when it ends before. */
  async printed(text: string): Promise<string> {
    const over = this.ended.then(({ stdout, stderr }) => {
      throw new Error(`the demo ended before it printed "${text}":\n${stdout}${stderr}`);
    });
    over.catch(() => undefined);
    while (!this.#stdout.includes(text))
      await Promise.race([once(this.child.stdout ?? this.child, 'data'), over]);
    return this.#stdout;
  }

  end(signal: NodeJS.Signals = 'SIGTERM'): Promise<Ended> {
    this.child.kill(signal);
    return this.ended;
  }
}

const run = (...argv: readonly string[]): string =>
  spawnSync(argv[0] ?? '', argv.slice(1), { encoding: 'utf8' }).stdout;
const lines = (text: string, keep: (line: string) => boolean = () => true): string =>
  text.split('\n').filter(keep).sort().join('\n');

/** Processes, mounts, interfaces, cgroups and rules of the machine; engines of other tests have names of their own. */
export function machine(dir: string): Record<string, string> {
  const isOurs = (name: string): boolean => !name.startsWith('orct');
  const cgroups = '/sys/fs/cgroup';
  return {
    processes: lines(execFileSync('ps', ['-eo', 'args'], { encoding: 'utf8' }), (line) =>
      line.includes(`${dir}/`),
    ),
    mounts: lines(readFileSync('/proc/self/mounts', 'utf8'), (line) => line.includes(dir)),
    links: lines(run('ip', '-br', 'link').replace(/[ @].*$/gm, ''), isOurs),
    cgroups: readdirSync(cgroups)
      .filter((name) => existsSync(join(cgroups, name, 'cgroup.procs')))
      .flatMap((name) => [
        name,
        ...readdirSync(join(cgroups, name)).filter((below) => /^(orc-|docker)/.test(below)),
      ])
      .filter(isOurs)
      .join('\n'),
    rules: run('nft', 'list', 'ruleset'),
    filter: ['iptables', 'ip6tables'].map((family) => run(family, '-S')).join(''),
    nat: ['iptables', 'ip6tables'].map((family) => run(family, '-t', 'nat', '-S')).join(''),
    forwarding: readFileSync('/proc/sys/net/ipv4/ip_forward', 'utf8'),
    key: String(existsSync('/etc/docker/key.json')),
  };
}

/** As a power cut would, but for the containers: those of the engine outlive it. */
export function killAllOf(dir: string): void {
  for (const line of execFileSync('ps', ['-eo', 'pid,args'], { encoding: 'utf8' }).split('\n'))
    if (line.includes(dir)) spawnSync('kill', ['-KILL', line.trim().split(' ')[0] ?? '']);
}
