import { afterEach, describe, expect, test } from '@jest/globals';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { appendFileSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { build } from 'esbuild';
import { systemClock, type Clock } from '../kit/clock.ts';
import { silentLogger } from '../kit/log.ts';
import { startTimeOf } from '../kit/process.ts';
import type { Bootstrap, MemberOptions } from './etcd-args.ts';
import { isSupported } from './etcd-binary.ts';
import { openStore } from './open.ts';
import { freePorts } from './ports.ts';
import { superviseEtcd, type EtcdSupervisor, type SupervisorOptions } from './supervisor.ts';

const dirs: string[] = [];
const supervisors: EtcdSupervisor[] = [];
const newDir = (): string => {
  const dir = mkdtempSync(join(tmpdir(), 'orc-supervisor-'));
  dirs.push(dir);
  return join(dir, 'etcd');
};
const supervise = async (dataDir: string, more: Partial<SupervisorOptions> = {}): Promise<EtcdSupervisor> => {
  const supervisor = await superviseEtcd({ dataDir, logger: silentLogger, ...more });
  supervisors.push(supervisor);
  return supervisor;
};
const until = async (done: () => boolean): Promise<void> => {
  while (!done()) await new Promise((resolve) => setTimeout(resolve, 10));
};

/** A supervisor in a process of its own, which is killed: its etcd runs on with nobody to look after it. */
async function orphanedEtcd(
  dataDir: string,
  more: Partial<SupervisorOptions> = {},
): Promise<{ pid: number; endpoints: string[] }> {
  // Inside the project, so that its packages are found.
  const program = join(process.cwd(), 'node_modules', '.cache', `orc-supervisor-${process.pid}.mjs`);
  await build({
    stdin: {
      contents: `
        import { superviseEtcd } from './store/supervisor.ts';
        const logger = { info() {}, error() {} };
        const supervisor = await superviseEtcd({ ...${JSON.stringify({ ...more, dataDir })}, logger });
        const { pid } = supervisor.health();
        console.log(JSON.stringify({ pid, endpoints: supervisor.endpoints }));
      `,
      resolveDir: process.cwd(),
    },
    bundle: true,
    platform: 'node',
    format: 'esm',
    packages: 'external',
    outfile: program,
  });
  const child = spawn(process.execPath, [program], { stdio: ['ignore', 'pipe', 'inherit'] });
  const [line] = (await once(child.stdout, 'data')) as [Buffer];
  child.kill('SIGKILL');
  await once(child, 'exit');
  rmSync(program);
  return JSON.parse(line.toString()) as { pid: number; endpoints: string[] };
}

afterEach(async () => {
  await Promise.all(supervisors.splice(0).map((supervisor) => supervisor.stop()));
  for (const dir of dirs.splice(0)) rmSync(dir, { recursive: true, force: true });
});

describe('the etcd supervisor', () => {
  test('starts etcd on a private directory, several side by side, and keeps the ports', async () => {
    const [a, b] = await Promise.all([supervise(newDir()), supervise(newDir())]);
    expect(a.endpoints).not.toEqual(b.endpoints);
    const dataDir = join(dirs[0] ?? '', 'etcd');
    expect(statSync(dataDir).mode & 0o777).toBe(0o700);
    expect(a.health()).toMatchObject({ state: 'running', restarts: 0 });
    await a.stop();
    expect(a.health()).toMatchObject({ state: 'stopped', pid: undefined });
    expect((await supervise(dataDir)).endpoints).toEqual(a.endpoints);
  });

  test('starts etcd again when it is killed, with its data and for the same clients', async () => {
    const supervisor = await supervise(newDir());
    const store = await openStore({ endpoints: supervisor.endpoints, logger: silentLogger });
    const write = (name: string) =>
      store.registry.create({ apiVersion: 'v1', kind: 'Namespace', metadata: { name } });
    await write('before');
    const { pid = 0 } = supervisor.health();
    process.kill(pid, 'SIGKILL');
    await write('after');
    expect(store.cache.list('Namespace').map((n) => n.metadata.name)).toEqual(['after', 'before']);
    expect(supervisor.health().restarts).toBe(1);
    expect(supervisor.health().lastExit).toMatch(/SIGKILL/);
    expect(supervisor.health().pid).not.toBe(pid);
    await store.close();
  });

  test('says why etcd ended, until it has run for a while again', async () => {
    let ahead = 0;
    const clock: Clock = { now: () => Date.now() + ahead, after: (ms, fn) => systemClock.after(ms, fn) };
    const dataDir = newDir();
    const supervisor = await supervise(dataDir, { clock });
    expect(supervisor.trouble()).toBeUndefined();
    // What etcd logs when its disk is full.
    const error = 'write /data/member/snap/db: no space left on device';
    const line = JSON.stringify({ level: 'fatal', msg: 'failed to commit tx', error });
    appendFileSync(join(dataDir, 'etcd.log'), `${line}\n`);
    process.kill(supervisor.health().pid ?? 0, 'SIGKILL');
    await until(() => supervisor.health().restarts === 1 && supervisor.health().state === 'running');
    expect(supervisor.trouble()).toBe(
      `etcd ended (fatal: failed to commit tx: ${error}) and is started again by itself; make room on the disk of ${dataDir}`,
    );
    ahead = 60_000;
    expect(supervisor.trouble()).toBeUndefined();
  });

  test('adopts an etcd that outlived its supervisor, and looks after it', async () => {
    const dataDir = newDir();
    const orphan = await orphanedEtcd(dataDir);
    const wrote = await openStore({ endpoints: orphan.endpoints, logger: silentLogger });
    await wrote.registry.create({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'kept' } });
    await wrote.close();
    const second = await supervise(dataDir);
    expect(second.adopted).toBe(true);
    expect(second.health().pid).toBe(orphan.pid);
    process.kill(orphan.pid, 'SIGKILL');
    await until(() => second.health().restarts === 1 && second.health().state === 'running');
    expect(second.health().pid).not.toBe(orphan.pid);
  });

  test('ends an etcd of which nothing was noted, and starts its own on the same data', async () => {
    const dataDir = newDir();
    const orphan = await orphanedEtcd(dataDir);
    const wrote = await openStore({ endpoints: orphan.endpoints, logger: silentLogger });
    await wrote.registry.create({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'kept' } });
    await wrote.close();
    rmSync(join(dataDir, 'etcd.json'));
    const second = await supervise(dataDir);
    expect(second.adopted).toBe(false);
    expect(startTimeOf(orphan.pid)).toBeUndefined();
    const store = await openStore({ endpoints: second.endpoints, logger: silentLogger });
    expect(store.cache.get('Namespace', '', 'kept')).toBeDefined();
    await store.close();
  });

  test('adopts a member of a cluster, however it is told to begin', async () => {
    const dataDir = newDir();
    const [port = 0] = await freePorts(1);
    const url = `http://127.0.0.1:${port}`;
    const member = (bootstrap: Bootstrap): { readonly member: MemberOptions } => ({
      member: {
        name: 'n1',
        peerUrl: { listen: url, advertise: url },
        bootstrap,
        heartbeatMs: 75,
        electionMs: 750,
      },
    });
    await expect(supervise(dataDir, member({ kind: 'force-new' }))).rejects.toThrow(
      /no etcd data in .* restore a backup instead/,
    );
    const orphan = await orphanedEtcd(dataDir, member({ kind: 'new' }));
    const second = await supervise(dataDir, member({ kind: 'join', initialCluster: 'not read' }));
    expect(second.adopted).toBe(true);
    expect(second.health().pid).toBe(orphan.pid);
  });

  test('does not adopt another process that has the recorded pid', async () => {
    const dataDir = newDir();
    const first = await supervise(dataDir);
    await first.stop();
    const record = JSON.parse(readFileSync(join(dataDir, 'etcd.json'), 'utf8')) as object;
    writeFileSync(join(dataDir, 'etcd.json'), JSON.stringify({ ...record, pid: process.pid }));
    expect((await supervise(dataDir)).adopted).toBe(false);
  });

  test('takes other ports when the recorded ones are taken', async () => {
    const dataDir = newDir();
    const first = await supervise(dataDir);
    await first.stop();
    const server = createServer().listen(Number(first.endpoints[0]?.split(':').at(-1)), '127.0.0.1');
    await once(server, 'listening');
    expect((await supervise(dataDir)).endpoints).not.toEqual(first.endpoints);
    server.close();
  });

  test('says how to get etcd, and why it does not start', async () => {
    await expect(supervise(newDir(), { binary: '/none/etcd' })).rejects.toThrow(
      /not installed: install it .*apt-get install etcd-server/,
    );
    await expect(supervise(newDir(), { binary: '/bin/true' })).rejects.toThrow(/not etcd/);
    await expect(supervise(newDir(), { args: ['--listen-metrics-urls=http://192.0.2.1:1'] })).rejects.toThrow(
      /192\.0\.2\.1:1: bind/,
    );
    expect(isSupported('3.3.25')).toBe(false);
    expect(isSupported('3.4.0')).toBe(true);
    expect(isSupported('3.5.16')).toBe(true);
  });
});
