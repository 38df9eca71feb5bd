/** `orc up` on the simulated runtime: everything but an engine, in a second. For what the API and the CLI decide. */
import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, existsSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { Ran } from './cluster.ts';

const orc = fileURLToPath(new URL('../../bin/orc.mjs', import.meta.url));

export interface ServerOnly {
  readonly dir: string;
  readonly env: NodeJS.ProcessEnv;
  orc(...args: readonly string[]): Promise<Ran>;
  must(...args: readonly string[]): Promise<string>;
  apply(text: string, ...args: readonly string[]): Promise<Ran>;
  stop(): Promise<void>;
}

export async function startServerOnly(upArgs: readonly string[] = []): Promise<ServerOnly> {
  const dir = mkdtempSync('/var/tmp/orc-server-');
  const env: NodeJS.ProcessEnv = {
    ...process.env,
    ORC_CONFIG: join(dir, 'config'),
    NO_COLOR: '1',
    HOME: dir,
  };
  const logFile = join(dir, 'orc.log');
  const log = openSync(logFile, 'a');
  const node = ['--no-warnings', '--enable-source-maps', orc];
  const up: ChildProcess = spawn(
    process.execPath,
    [
      ...node,
      'up',
      '--runtime',
      'simulated',
      '--data-dir',
      join(dir, 'data'),
      '--listen',
      '127.0.0.1:0',
      ...upArgs,
    ],
    { stdio: ['ignore', log, log], env },
  );
  closeSync(log);
  const run = (args: readonly string[]): Promise<Ran> =>
    new Promise((resolve) => {
      execFile(
        process.execPath,
        [...node, ...args],
        { env, maxBuffer: 64 << 20 },
        (error, stdout, stderr) => {
          resolve({
            code: error === null ? 0 : typeof error.code === 'number' ? error.code : 255,
            stdout,
            stderr,
          });
        },
      );
    });
  const stop = async (): Promise<void> => {
    if (up.exitCode === null && up.signalCode === null) {
      const gone = once(up, 'exit');
      up.kill('SIGTERM');
      await gone;
    }
    rmSync(dir, { recursive: true, force: true });
  };
  const server: ServerOnly = {
    dir,
    env,
    orc: (...args) => run(args),
    async must(...args) {
      const ran = await run(args);
      if (ran.code !== 0)
        throw new Error(`orc ${args.join(' ')}: exit ${ran.code}\n${ran.stdout}${ran.stderr}`);
      return ran.stdout;
    },
    apply(text, ...args) {
      writeFileSync(join(dir, 'manifest.yml'), text);
      return run(['apply', '-f', join(dir, 'manifest.yml'), ...args]);
    },
    stop,
  };
  for (const until = Date.now() + 30_000; ; await delay(100)) {
    if (existsSync(join(dir, 'config')) && (await run(['get', 'nodes'])).stdout.includes(' Ready'))
      return server;
    if (up.exitCode !== null || Date.now() > until) {
      const text = readFileSync(logFile, 'utf8');
      await stop();
      throw new Error(`orc up did not come up:\n${text.slice(-2000)}`);
    }
  }
}
