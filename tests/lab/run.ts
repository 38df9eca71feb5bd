/** Running programs with argument lists; no text ever reaches a shell. */
import { execFile, execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync } from 'node:fs';
import { createInterface } from 'node:readline';

export interface Ran {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunOptions {
  readonly env?: NodeJS.ProcessEnv;
  /** Given to it on its standard input. */
  readonly input?: string;
  /** It is killed after that long. Default 5 minutes. */
  readonly timeoutMs?: number;
}

/** Runs to the end. Never throws for an exit code; 255 is a program that was killed or did not start. */
export const run = (argv: readonly string[], options: RunOptions = {}): Promise<Ran> =>
  new Promise((resolve) => {
    const [command = '', ...args] = argv;
    const { env = process.env, timeoutMs = 300_000 } = options;
    const child = execFile(
      command,
      args,
      { env, timeout: timeoutMs, killSignal: 'SIGKILL', maxBuffer: 64 << 20 },
      (error, stdout, stderr) => {
        const code = error === null ? 0 : typeof error.code === 'number' ? error.code : 255;
        resolve({ code, stdout, stderr: stderr === '' && code === 255 ? (error?.message ?? '') : stderr });
      },
    );
    child.stdin?.on('error', () => undefined); // it did not want its input
    child.stdin?.end(options.input ?? '');
  });

/** Runs a short command to its end and returns its output; throws with what it said when it fails. */
export function must(argv: readonly string[]): string {
  const [command = '', ...args] = argv;
  try {
    return execFileSync(command, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
  } catch (error) {
    const said = (error as { stderr?: string }).stderr?.trim() ?? '';
    throw new Error(`${argv.join(' ')}: ${said === '' ? String(error) : said}`, { cause: error });
  }
}

/** Starts a program that outlives us, with its output at the end of a file. */
export function spawnToFile(
  argv: readonly string[],
  file: string,
  env: NodeJS.ProcessEnv = process.env,
): ChildProcess {
  const log = openSync(file, 'a');
  const [command = '', ...args] = argv;
  const child = spawn(command, args, { stdio: ['ignore', log, log], detached: true, env });
  closeSync(log);
  child.unref();
  return child;
}

/** Starts a program that outlives us and returns the first line that it says; throws when it ends without one. */
export async function spawnUntilLine(
  argv: readonly string[],
  errorFile: string,
  env: NodeJS.ProcessEnv = process.env,
): Promise<string> {
  const log = openSync(errorFile, 'a');
  const [command = '', ...args] = argv;
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', log], detached: true, env });
  closeSync(log);
  const { stdout } = child;
  if (stdout === null) throw new Error(`${command} has no output`);
  const lines = createInterface({ input: stdout });
  const line = await Promise.race([
    once(lines, 'line').then(([first]) => String(first)),
    once(child, 'exit').then(() => undefined),
  ]);
  lines.close();
  stdout.destroy();
  child.unref();
  if (line === undefined) throw new Error(`${argv.join(' ')} failed: see ${errorFile}`);
  return line;
}

export const hasEnded = (child: ChildProcess): boolean =>
  child.exitCode !== null || child.signalCode !== null;
