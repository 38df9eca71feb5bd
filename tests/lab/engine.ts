/** A node's Docker Engine, started as on a machine of its own: all paths but that of its data are Docker's defaults. */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { answers } from './ping.ts';
import { ensureProgram } from './programs.ts';
import { hasEnded, spawnToFile } from './run.ts';
import { root } from './state.ts';

/** The `/usr` that holds the wanted engine, made on first use; undefined when it is the machine's own. */
export function usrOf(engine: string): string | undefined {
  if (engine === 'host' || engine === ownVersion()) return undefined;
  ensureProgram('mmdebstrap', 'mmdebstrap');
  const folder = execFileSync('bash', [join(root, 'tests/harness/engine-root.sh'), engine], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  return join(folder.trim(), 'usr');
}

function ownVersion(): string | undefined {
  try {
    return /version (\d+)/.exec(execFileSync('dockerd', ['--version'], { encoding: 'utf8' }))?.[1];
  } catch {
    return undefined; // no engine of its own on this machine
  }
}

export interface EngineFiles {
  readonly socketPath: string;
  readonly data: string;
  readonly log: string;
}

/**
 * Returns when the engine answers. One that was killed sometimes panics at its next start (20.10 does); a service
 * manager would start it again, so this does.
 */
export async function startDaemon(
  enter: readonly string[],
  files: EngineFiles,
  env: NodeJS.ProcessEnv,
  tries = 3,
): Promise<void> {
  const daemon = spawnToFile(
    [
      ...enter,
      ...[
        'dockerd',
        '--data-root',
        files.data,
        '--group',
        'root',
        '--exec-opt',
        'native.cgroupdriver=cgroupfs',
      ],
      ...['-H', 'unix:///run/docker.sock', '-H', `unix://${files.socketPath}`],
    ],
    files.log,
    env,
  );
  // The first start of a large data root on a slow disk takes long.
  for (const end = Date.now() + 90_000; !(await answers(files.socketPath)); await delay(20)) {
    if (hasEnded(daemon) && tries > 1) return startDaemon(enter, files, env, tries - 1);
    if (hasEnded(daemon) || Date.now() > end)
      throw new Error(`dockerd did not come up; the end of ${files.log}:\n${tail(files.log, 8)}`);
  }
}

export const tail = (file: string, lines: number): string =>
  readFileSync(file, 'utf8').trimEnd().split('\n').slice(-lines).join('\n');
