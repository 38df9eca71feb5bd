// The demo's `orc up`, and the CLI against it. Children are in process groups of their own: Ctrl-C reaches the demo
// alone, which ends them in order.
import { spawn } from 'node:child_process';
import { existsSync, openSync, readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { root } from '../setup.mjs';
import { command, plain } from './say.mjs';

export const orcPath = join(root, 'bin/orc.mjs');

/** Paths below the clone as a person there would write them. */
const short = (arg) => (arg.startsWith(`${root}/`) ? relative(root, arg) : arg);
const shown = (args) => `orc ${args.map(short).join(' ')}`;

export class DemoOrc {
  #server;
  #dir;
  #env;
  #signal;

  /** `signal` ends what is being waited for. */
  constructor(dir, signal) {
    this.#dir = dir;
    this.#signal = signal;
    this.#env = {
      ...process.env,
      ORC_CONFIG: this.config,
      ORC_TEST_RUN: join(dir, 'data'),
      PATH: `${process.env.PATH}:/usr/sbin:/sbin`,
    };
  }

  get config() {
    return join(this.#dir, 'config');
  }

  get log() {
    return join(this.#dir, 'orc.log');
  }

  get hasStarted() {
    return this.#server !== undefined;
  }

  /** Starts a process of orc. */
  spawn(args, stdio) {
    const node = ['--no-warnings', '--enable-source-maps', orcPath];
    return spawn(process.execPath, [...node, ...args], { env: this.#env, stdio, detached: true });
  }

  /** Runs one command to its end; the demo's end ends it, unless it is part of that. */
  async run(args, { stdio = ['ignore', 'pipe', 'ignore'], signal = this.#signal } = {}) {
    signal?.throwIfAborted();
    const child = this.spawn(args, stdio);
    const stop = () => child.kill('SIGKILL');
    signal?.addEventListener('abort', stop);
    let stdout = '';
    child.stdout?.setEncoding('utf8').on('data', (chunk) => (stdout += chunk));
    const code = await new Promise((resolve) => child.on('close', resolve));
    signal?.removeEventListener('abort', stop);
    signal?.throwIfAborted();
    return { code, stdout };
  }

  /** Shows a command and what it prints; throws when it fails. */
  async show(args) {
    this.#signal.throwIfAborted();
    command(shown(args));
    const { code } = await this.run(args, { stdio: ['ignore', 'inherit', 'inherit'] });
    if (code !== 0) throw plain(`orc ${args[0]} ended with exit code ${code}; the log is ${this.log}`);
  }

  async items(...args) {
    const { stdout } = await this.run(['get', ...args, '-o', 'json']);
    return JSON.parse(stdout).items;
  }

  /** Starts `orc up` and returns when its node has registered. */
  async up(args) {
    this.#signal.throwIfAborted();
    command(shown(args));
    const log = openSync(this.log, 'a');
    this.#server = this.spawn(args, ['ignore', log, log]);
    for (let i = 0; i < 300 && this.#server.exitCode === null; i++) {
      if (existsSync(this.config) && (await this.run(['get', 'nodes', '-o', 'name'])).stdout.includes('node'))
        return;
      await sleep(100, undefined, { signal: this.#signal });
    }
    const tail = readFileSync(this.log, 'utf8').trim().split('\n').slice(-8).join('\n');
    throw plain(`orc did not start; the end of ${this.log}:\n${tail}`);
  }

  /** Deletes the stacks and ends the server. Never throws: what is left goes by its marks. */
  async down() {
    const server = this.#server;
    if (server === undefined || server.exitCode !== null || server.signalCode !== null) return;
    await this.run(['delete', 'stacks', '--all', '--wait', '--timeout', '30s'], {
      stdio: 'ignore',
      signal: null,
    });
    const gone = new Promise((resolve) => server.once('exit', resolve));
    server.kill('SIGTERM');
    await Promise.race([gone, sleep(15_000, undefined, { ref: false })]);
  }
}
