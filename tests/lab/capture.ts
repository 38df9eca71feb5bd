import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { ensureProgram } from './programs.ts';
import { hasEnded } from './run.ts';
import type { Switch } from './switch.ts';

export interface Capture {
  readonly file: string;
  /** Ends it; the file is whole then. */
  stop(): Promise<void>;
}

/**
 * Captures on an interface of the switch. Returns when it listens: what is sent from then on is in the file. The file
 * is written by us and not by tcpdump, which on some systems may only write to certain folders.
 */
export async function startCapture(net: Switch, device: string, file: string): Promise<Capture> {
  const tcpdump = ensureProgram('tcpdump', 'tcpdump');
  const to = openSync(file, 'w');
  const [command = '', ...enter] = net.enter;
  const child = spawn(command, [...enter, tcpdump, '-i', device, '-n', '-U', '--immediate-mode', '-w', '-'], {
    stdio: ['ignore', to, 'pipe'],
  });
  closeSync(to);
  const { stderr } = child;
  if (stderr === null) throw new Error('tcpdump has no error output');
  const ended = once(child, 'exit');
  const lines = createInterface({ input: stderr });
  const said: string[] = [];
  for await (const line of lines) {
    said.push(line);
    if (line.includes('listening on')) break;
  }
  stderr.resume();
  if (!said.some((line) => line.includes('listening on')))
    throw new Error(`no capture on ${device}: ${said.join(' ')}`);
  return {
    file,
    async stop() {
      if (hasEnded(child)) return;
      child.kill('SIGINT');
      await ended;
    },
  };
}
