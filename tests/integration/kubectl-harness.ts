/** For the kubectl tests: finds or downloads kubectl, and runs it against a test server. */
import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { TestApi } from './api-harness.ts';

const cache = fileURLToPath(new URL('../../.orc/cache/kubectl', import.meta.url));

/**
 * Debian's kubectl (1.20 in Debian 12), unpacked beside whatever owns the name on this machine. Throws when
 * it cannot be had: a test that needs it fails rather than skips.
 */
export function debianKubectl(): string {
  const program = join(cache, 'debian/usr/bin/kubectl');
  if (existsSync(program)) return program;
  const download = join(cache, 'download');
  mkdirSync(download, { recursive: true });
  const fetch = (): void => {
    execFileSync('apt-get', ['download', 'kubernetes-client'], { cwd: download, stdio: 'pipe' });
  };
  try {
    fetch();
  } catch {
    execFileSync('apt-get', ['update', '-qq'], { stdio: 'pipe' });
    fetch();
  }
  const [deb] = readdirSync(download).filter((name) => name.endsWith('.deb'));
  if (deb === undefined) throw new Error('apt-get download kubernetes-client left no package');
  execFileSync('dpkg', ['-x', join(download, deb), join(cache, 'debian')]);
  rmSync(download, { recursive: true });
  return program;
}

/** Other versions that the machine happens to have: the oldest and the newest, or all with ORC_TEST_KUBECTL=all. */
export function otherKubectls(): readonly string[] {
  const found = ['/usr/bin', '/usr/lib/google-cloud-sdk/bin']
    .filter((dir) => existsSync(dir))
    .flatMap((dir) =>
      readdirSync(dir).flatMap((name) => (/^kubectl\.1\.\d+$/.test(name) ? [join(dir, name)] : [])),
    );
  if (process.env['ORC_TEST_KUBECTL'] === 'all') return found;
  return [...new Set([found[0], found[found.length - 1]])].filter((one) => one !== undefined);
}

export interface Ran {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

export interface Kubectl {
  /** `1.20` */
  readonly minor: number;
  /** Runs to the end. `input` is stdin. */
  (args: readonly string[], input?: string): Promise<Ran>;
  /** Runs until `seen` of its output, then ends it; rejects after 20 s. */
  until(
    args: readonly string[],
    seen: (out: string) => boolean,
    meanwhile: () => Promise<unknown>,
  ): Promise<string>;
  close(): void;
}

export function kubectlFor(program: string, api: TestApi): Kubectl {
  const dir = mkdtempSync(join(tmpdir(), 'orc-kubectl-'));
  const b64 = (text: string): string => Buffer.from(text).toString('base64');
  const config = {
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [
      { name: 'c', cluster: { server: api.url, 'certificate-authority-data': b64(api.pki.ca.cert) } },
    ],
    users: [
      {
        name: 'u',
        user: {
          'client-certificate-data': b64(api.pki.admin.cert),
          'client-key-data': b64(api.pki.admin.key),
        },
      },
    ],
    contexts: [{ name: 'x', context: { cluster: 'c', user: 'u', namespace: 'default' } }],
    'current-context': 'x',
  };
  writeFileSync(join(dir, 'config'), JSON.stringify(config));
  const start = (args: readonly string[]): ChildProcess =>
    spawn(program, ['--kubeconfig', join(dir, 'config'), '--cache-dir', join(dir, 'cache'), ...args], {
      env: { ...process.env, HOME: dir, KUBECONFIG: '' },
    });
  const collect = (child: ChildProcess): { out: string; err: string } => {
    const texts = { out: '', err: '' };
    child.stdout?.on('data', (chunk: Buffer) => (texts.out += chunk.toString()));
    child.stderr?.on('data', (chunk: Buffer) => (texts.err += chunk.toString()));
    return texts;
  };

  const run = (args: readonly string[], input?: string): Promise<Ran> =>
    new Promise((resolve, reject) => {
      const child = start(args);
      const texts = collect(child);
      child.on('error', reject);
      child.on('close', (code) => resolve({ code: code ?? -1, ...texts }));
      child.stdin?.end(input ?? '');
    });

  const until: Kubectl['until'] = async (args, seen, meanwhile) => {
    const child = start(args);
    const texts = collect(child);
    const closed = new Promise<void>((resolve) => child.on('close', () => resolve()));
    const poll = async (): Promise<void> => {
      const deadline = Date.now() + 20_000;
      while (!seen(texts.out)) {
        if (Date.now() > deadline)
          throw new Error(`kubectl ${args.join(' ')} printed ${texts.out}${texts.err}`);
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
    };
    try {
      await new Promise((resolve) => setTimeout(resolve, 700));
      await meanwhile();
      await poll();
    } finally {
      child.kill();
      await closed;
    }
    return texts.out;
  };
  const minor = Number(
    /"?minor"?:\s*"?(\d+)/.exec(execFileSync(program, ['version', '--client', '-o', 'json']).toString())?.[1],
  );
  return Object.assign(run, { minor, until, close: () => rmSync(dir, { recursive: true, force: true }) });
}
