import { spawn } from 'node:child_process';

export interface CommandResult {
  /** 127 when the command is not installed. */
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a command with an argument list, never a shell. Resolves also when it fails. */
export type Run = (argv: readonly string[], stdin?: string) => Promise<CommandResult>;

const timeoutMs = 20_000;

export const run: Run = ([command = '', ...args], stdin) =>
  new Promise((resolve) => {
    const child = spawn(command, args, { stdio: ['pipe', 'pipe', 'pipe'], timeout: timeoutMs });
    const out: Buffer[] = [];
    const err: Buffer[] = [];
    child.stdout.on('data', (chunk: Buffer) => out.push(chunk));
    child.stderr.on('data', (chunk: Buffer) => err.push(chunk));
    child.stdin.on('error', () => undefined);
    child.on('error', (error: NodeJS.ErrnoException) =>
      resolve({ code: error.code === 'ENOENT' ? 127 : 126, stdout: '', stderr: error.message }),
    );
    child.on('close', (code) =>
      resolve({
        code: code ?? 1,
        stdout: Buffer.concat(out).toString('utf8'),
        stderr: Buffer.concat(err).toString('utf8'),
      }),
    );
    child.stdin.end(stdin);
  });
