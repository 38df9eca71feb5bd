import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { createDockerRuntime, startAgent, type Agent } from '../../agent/index.ts';
import { createLogger } from '../../kit/log.ts';
import { FakeServer } from '../harness/assignments.ts';
import { importHelloImage, startEngine, type Engine } from '../harness/engine.ts';

const logger = createLogger({ level: process.env['ORC_LOG_LEVEL'] ?? 'fatal', format: 'text' });
const owner = { cluster: 'c1', nodeName: 'node1' };
let engine: Engine;
let server: FakeServer;
let agent: Agent;
let dataDir: string;

const start = (): Promise<Agent> =>
  startAgent({
    owner,
    dataDir,
    runtime: createDockerRuntime({ address: engine.socketPath, owner }),
    role: 'worker',
    connect: server.connect,
    logger,
    ingress: false,
  });

const docker = (...args: string[]): string =>
  engine.run('docker', '-H', `unix://${engine.socketPath}`, ...args).trim();
const containers = (...args: string[]): string[] =>
  docker('ps', '-q', '--no-trunc', ...args).split('\n').filter((id) => id !== ''); // prettier-ignore

beforeAll(async () => {
  engine = await startEngine();
  await importHelloImage(engine);
}, 120_000);
afterAll(() => engine?.stop(), 60_000);

beforeEach(async () => {
  dataDir = mkdtempSync(join(tmpdir(), 'orc-agent-'));
  server = new FakeServer();
  agent = await start();
});
afterEach(async () => {
  await agent.close();
  const left = containers('-a');
  if (left.length > 0) docker('rm', '-f', ...left);
  docker('network', 'prune', '-f');
  rmSync(dataDir, { recursive: true });
}, 60_000);

describe('a task', () => {
  test('runs in a container on the network of its stack, and leaves nothing when it is deleted', async () => {
    server.add({ name: 'web-1', stack: 'hello' });
    const status = await server.untilState('web-1', 'Running');
    expect(status.addresses?.[0]).toMatchObject({
      network: 'hello-default',
      ip: expect.stringMatching(/^10\.1\d\d\./),
    });
    expect(containers()).toEqual([status.containerID]);
    expect(docker('network', 'ls', '--format', '{{.Name}}')).toMatch(
      /^orc-default-hello-default\.[0-9a-f]{6}$/m,
    );
    server.delete('web-1');
    await server.until('it is gone', () => server.tasks.size === 0);
    expect(containers('-a')).toEqual([]);
    await server.until('its network is gone', () => !docker('network', 'ls').includes('orc-'));
  });

  test('that is killed is reported Failed with the signal', async () => {
    server.add({ name: 'web-1' });
    await server.untilState('web-1', 'Running');
    docker('kill', ...containers());
    const status = await server.untilState('web-1', 'Failed');
    const message = 'killed by SIGKILL, exit code 137; its output: `orc logs task/web-1`';
    expect(status).toMatchObject({ reason: 'Killed', exitCode: 137, message });
  });

  test('that is stopped behind our back, and then killed, was stopped', async () => {
    server.add({ name: 'web-1', template: { command: ['sleep', '60'] } });
    await server.untilState('web-1', 'Running');
    docker('stop', '-t', '1', ...containers());
    const status = await server.untilState('web-1', 'Failed');
    expect(status).toMatchObject({ reason: 'StoppedOutside', exitCode: 137 });
  });

  test('that fails says how to see its output, and repeats none of it', async () => {
    const command = ['sh', '-c', 'echo token=hush >&2; exit 3'];
    server.add({ name: 'bad-1', template: { command } });
    const status = await server.untilState('bad-1', 'Failed');
    const message = 'exit code 3; its output: `orc logs task/bad-1`';
    expect(status).toMatchObject({ reason: 'NonZeroExit', exitCode: 3, message });
    const logs = await server.stream('bad-1', { kind: 'logs', follow: false, timestamps: false });
    expect(logs.stderr).toBe('token=hush\n');
    expect(JSON.stringify([server.reports, server.events])).not.toContain('hush');
    expect(containers('-a')).toHaveLength(1);
  });

  test('that ends with 0 is Complete and is not started again', async () => {
    server.add({ name: 'job-1', template: { command: ['true'] } });
    expect(await server.untilState('job-1', 'Complete')).toMatchObject({ exitCode: 0 });
  });

  test('whose image is missing stays Preparing and says why', async () => {
    server.add({ name: 'web-1', template: { image: 'localhost:1/nowhere:1' } });
    const status = await server.until('the reason is there', () =>
      server.status('web-1').reason === 'ImagePullFailed' ? server.status('web-1') : undefined,
    );
    expect(status.state).toBe('Preparing');
    expect(status.message).toMatch(/localhost:1\/nowhere:1.*Next try in 1s/s);
  });

  test('whose registry wants credentials says that orc has none, and runs once the image is on the node', async () => {
    const listening = `require('http').createServer((_, answer) => answer.writeHead(401, { 'www-authenticate': 'Basic realm="r"' }).end())
      .listen(5000, '127.0.0.1', () => console.log('listening'))`;
    const [command = '', ...prefix] = engine.enter;
    const registry = spawn(command, [...prefix, process.execPath, '-e', listening], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    await once(registry.stdout, 'data');
    server.add({ name: 'web-1', template: { image: '127.0.0.1:5000/hello:1' } });
    const { message } = await server.until('the reason is there', () =>
      server.status('web-1').reason === 'PullAccessDenied' ? server.status('web-1') : undefined,
    );
    expect(message).toContain('orc cannot give any yet');
    expect(message).toContain('`docker pull 127.0.0.1:5000/hello:1`');
    registry.kill();
    docker('tag', 'hello:1', '127.0.0.1:5000/hello:1');
    await server.untilState('web-1', 'Running');
  });

  test('with a mount source that does not exist is Rejected by its reason', async () => {
    server.add({
      name: 'web-1',
      template: { mounts: [{ type: 'bind', source: '/nowhere', target: '/x' }] },
    });
    const status = await server.untilState('web-1', 'Rejected');
    expect(status.reason).toBe('BadMount');
    expect(status.message).toContain('/nowhere');
  });

  test('prepared ahead waits in Ready and starts when it is wanted', async () => {
    server.add({ name: 'web-1', desiredState: 'Ready' });
    await server.untilState('web-1', 'Ready');
    expect(containers()).toEqual([]);
    server.desire('web-1', 'Running');
    await server.untilState('web-1', 'Running');
  });

  test('does not start before its time', async () => {
    const notBefore = new Date(Date.now() + 1_500).toISOString();
    server.add({ name: 'web-1', notBefore });
    const { startedAt } = await server.untilState('web-1', 'Running');
    expect(Date.parse(startedAt ?? '')).toBeGreaterThanOrEqual(Date.parse(notBefore));
  });

  test('that is shut down gets its signal, and its container stays for its logs', async () => {
    server.add({ name: 'web-1', template: { stopGracePeriod: '5s' } });
    await server.untilState('web-1', 'Running');
    server.desire('web-1', 'Shutdown');
    expect(await server.untilState('web-1', 'Shutdown')).toMatchObject({ exitCode: 0 });
    expect(containers('-a')).toHaveLength(1);
  });

  test('that ignores its signal is killed after its grace period', async () => {
    server.add({
      name: 'web-1',
      template: { stopGracePeriod: '1s', command: ['sh', '-c', 'trap "" TERM; while :; do sleep 1; done'] },
    });
    await server.untilState('web-1', 'Running');
    const before = Date.now();
    server.desire('web-1', 'Shutdown');
    expect(await server.untilState('web-1', 'Shutdown')).toMatchObject({ exitCode: 137 });
    expect(Date.now() - before).toBeGreaterThanOrEqual(1_000);
  });

  test('with a health check is Running only when healthy, and Failed when it is not any more', async () => {
    const healthcheck = { test: ['CMD-SHELL', 'test ! -e /tmp/ill || { echo is ill; exit 1; }'], interval: '200ms', retries: 1 }; // prettier-ignore
    server.add({ name: 'web-1', template: { healthcheck } });
    await server.untilState('web-1', 'Running');
    expect(server.reports.some(({ status }) => status.message === 'waiting for the health check')).toBe(true);
    docker('exec', containers()[0] ?? '', 'touch', '/tmp/ill');
    const status = await server.untilState('web-1', 'Failed');
    expect(status.reason).toBe('Unhealthy');
    expect(status.message).toContain('is ill');
    expect(containers()).toEqual([]);
  });

  test('on a host port that is taken is Failed and names the holder', async () => {
    docker('run', '-d', '-p', '8123:80', 'hello:1');
    server.add({ name: 'web-1', hostPorts: [{ target: 80, published: 8123, mode: 'host' }] });
    const status = await server.untilState('web-1', 'Failed');
    expect(status.reason).toBe('PortTaken');
    expect(status.message).toContain('8123');
  });

  test('that runs out of memory says so', async () => {
    server.add({
      name: 'fat-1',
      template: {
        command: ['sh', '-c', 'tail /dev/zero'],
        resources: { limits: { memory: '16Mi' }, memorySwap: '16Mi' },
      },
    });
    const status = await server.until('the cause is known', () =>
      server.status('fat-1').reason === 'OOMKilled' ? server.status('fat-1') : undefined,
    );
    expect(status.state).toBe('Failed');
  });

  test('whose container is removed by hand is Failed as ContainerLost', async () => {
    server.add({ name: 'web-1', desiredState: 'Ready' });
    await server.untilState('web-1', 'Ready');
    docker('rm', '-f', ...containers('-a'));
    expect(await server.untilState('web-1', 'Failed')).toMatchObject({ reason: 'ContainerLost' });
  });
});

describe('streams', () => {
  test('give logs and run commands with input, output and exit code', async () => {
    server.add({ name: 'web-1' });
    await server.untilState('web-1', 'Running');
    await server.until('it has written', () => docker('logs', ...containers()).includes('serving'));
    const logs = await server.stream('web-1', { kind: 'logs', follow: false, timestamps: false });
    expect(logs).toMatchObject({ stdout: 'serving\n', end: {} });
    const command = ['sh', '-c', 'cat; echo oops >&2; exit 4'];
    const exec = await server.stream('web-1', { kind: 'exec', command, stdin: true, tty: false }, 'hello\n');
    expect(exec).toEqual({ stdout: 'hello\n', stderr: 'oops\n', end: { exitCode: 4 } });
    const none = await server.stream('web-2', { kind: 'logs', follow: false, timestamps: false });
    expect(none.end.error).toContain('no container');
  });
});

describe('the agent', () => {
  test('after its own restart adopts what runs, also while no server is there', async () => {
    server.add({ name: 'web-1' }, { name: 'web-2' });
    await server.untilState('web-1', 'Running');
    await server.untilState('web-2', 'Running');
    const before = containers().sort();
    await agent.close();
    expect(statSync(join(dataDir, 'checkpoint.json')).mode & 0o777).toBe(0o600);
    server.online = false;
    agent = await start();
    docker('kill', before[0] ?? '');
    server.online = true;
    server.push();
    await server.until('one failed', () =>
      [...server.tasks.values()].some((t) => t.status?.state === 'Failed'),
    );
    expect(containers('-a').sort()).toEqual(before);
  });

  test('removes containers of tasks that are not assigned, but not before a server has spoken', async () => {
    server.add({ name: 'web-1' });
    await server.untilState('web-1', 'Running');
    await agent.close();
    rmSync(join(dataDir, 'checkpoint.json'));
    server.online = false;
    server.tasks.clear();
    agent = await start();
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(containers()).toHaveLength(1);
    server.online = true;
    server.push();
    await server.until('it is removed', () => containers('-a').length === 0);
  });

  test('never touches what a node of the same name in another cluster runs', async () => {
    server.add({ name: 'web-1' });
    await server.untilState('web-1', 'Running');
    const others = new FakeServer();
    const other = await startAgent({
      owner: { ...owner, cluster: 'c2' },
      dataDir: `${dataDir}-2`,
      runtime: createDockerRuntime({ address: engine.socketPath, owner: { ...owner, cluster: 'c2' } }),
      role: 'worker',
      connect: others.connect,
      logger,
      ingress: false,
    });
    others.add({ name: 'other-1' });
    await others.untilState('other-1', 'Running');
    expect(containers()).toHaveLength(2);
    others.delete('other-1');
    await others.until('it is gone', () => others.tasks.size === 0);
    const networks = (): string[] => docker('network', 'ls', '--format', '{{.Name}}').match(/^orc-/gm) ?? [];
    await others.until('its network is gone, and no other', () => networks().length === 1);
    await other.close();
    rmSync(`${dataDir}-2`, { recursive: true, force: true });
    expect(server.status('web-1').state).toBe('Running');
    expect(containers()).toHaveLength(1);
  });

  test('keeps tasks as they are while the engine is away, and takes up what survived', async () => {
    server.add({ name: 'web-1' });
    await server.untilState('web-1', 'Running');
    await engine.kill();
    await server.until('the node says so', () => server.node?.engine?.reachable === false);
    expect(server.status('web-1').state).toBe('Running');
    await engine.start();
    // Without live-restore the engine stops what ran: that is seen, and nothing is started again.
    await server.untilState('web-1', 'Failed');
    expect(server.node?.engine?.reachable).toBe(true);
    server.add({ name: 'web-2' });
    await server.untilState('web-2', 'Running');
  }, 60_000);
});
