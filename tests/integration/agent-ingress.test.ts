import { request } from 'node:http';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { createDockerRuntime, startAgent, type Agent } from '../../agent/index.ts';
import { run } from '../../agent/network/commands.ts';
import { createLogger } from '../../kit/log.ts';
import { FakeServer } from '../harness/assignments.ts';
import { importHelloImage, startEngine, type Engine } from '../harness/engine.ts';

const logger = createLogger({ level: process.env['ORC_LOG_LEVEL'] ?? 'fatal', format: 'text' });
const owner = { cluster: 'c1', nodeName: 'node1' };
let engine: Engine;
let server: FakeServer;
let agent: Agent;
let dataDir: string;
/** The agent runs outside of the engine's network namespace here, so binding ports is recorded only. */
let held: Set<number>;
let takenPorts: Set<number>;

const start = (): Promise<Agent> =>
  startAgent({
    owner,
    dataDir,
    runtime: createDockerRuntime({ address: engine.socketPath, owner }),
    role: 'worker',
    connect: server.connect,
    logger,
    ingress: {
      table: 'orc_ingress',
      run: (argv, stdin) => run([...engine.enter, ...argv], stdin),
      hold: (port) => {
        if (takenPorts.has(port.published))
          return Promise.reject(Object.assign(new Error('in use'), { code: 'EADDRINUSE' }));
        held.add(port.published);
        return Promise.resolve(() => held.delete(port.published));
      },
    },
  });

/** One connection per fetch, so that each is balanced anew. */
function fetchText(port: number, host = engine.address): Promise<string> {
  return new Promise((resolve) => {
    const call = request({ host, port, agent: false, timeout: 3_000 }, (answer) => {
      let body = '';
      answer.on('data', (chunk: Buffer) => (body += chunk.toString()));
      answer.on('end', () => resolve(body.trim()));
    });
    call.on('timeout', () => call.destroy(new Error('timeout')));
    call.on('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
    call.end();
  });
}

const inside = (...argv: string[]): string => engine.run(...argv).trim();
const tables = (): string => inside('nft', 'list', 'tables');
const hostnames = async (count: number, port = 8080): Promise<Set<string>> => {
  const seen = new Set<string>();
  for (let i = 0; i < count; i++) seen.add(await fetchText(port));
  return seen;
};

beforeAll(async () => {
  engine = await startEngine();
  await importHelloImage(engine);
}, 120_000);
afterAll(() => engine?.stop(), 60_000);

beforeEach(async () => {
  dataDir = mkdtempSync(join(tmpdir(), 'orc-agent-'));
  server = new FakeServer();
  held = new Set();
  takenPorts = new Set();
  agent = await start();
});
afterEach(async () => {
  server.publish('web', []);
  server.delete(...server.tasks.keys());
  await server.until('all is gone', () => server.tasks.size === 0);
  await agent.close({ teardown: true });
  rmSync(dataDir, { recursive: true });
}, 60_000);

describe('a published port', () => {
  test('is answered by every ready task, from outside and from the node, and by none that stops', async () => {
    server.add({ name: 'web-1' }, { name: 'web-2' }, { name: 'web-3' });
    server.publish('web', [{ target: 80, published: 8080 }]);
    for (const name of ['web-1', 'web-2', 'web-3']) await server.untilState(name, 'Running');
    await server.until('the rules are loaded', () => tables().includes('orc_ingress'));
    expect((await hostnames(60)).size).toBe(3);
    expect(inside('busybox', 'wget', '-qO-', 'http://127.0.0.1:8080/')).toMatch(/^[0-9a-f]{12}$/);
    expect(inside('busybox', 'wget', '-qO-', `http://${engine.address}:8080/`)).toMatch(/^[0-9a-f]{12}$/);

    const before = server.status('web-3').containerID ?? '';
    server.desire('web-3', 'Shutdown');
    await server.untilState('web-3', 'Shutdown');
    const left = await hostnames(40);
    expect(left.size).toBe(2);
    expect(left).not.toContain(before.slice(0, 12));
  });

  test('is reachable from a container through the node, also when it is its own', async () => {
    server.add({ name: 'web-1' });
    server.publish('web', [{ target: 80, published: 8080 }]);
    const { containerID = '' } = await server.untilState('web-1', 'Running');
    await server.until('the rules are loaded', () => tables().includes('orc_ingress'));
    const command = ['wget', '-qO-', `http://${engine.address}:8080/`];
    const { stdout } = await server.stream('web-1', { kind: 'exec', command, stdin: false, tty: false });
    expect(stdout.trim()).toBe(containerID.slice(0, 12));
  });

  test('without a ready task refuses at once', async () => {
    server.publish('web', [{ target: 80, published: 8080 }]);
    await server.until('the rules are loaded', () => tables().includes('orc_ingress'));
    expect(await fetchText(8080)).toBe('ECONNREFUSED');
  });

  test('on an address answers there only', async () => {
    server.add({ name: 'web-1' });
    server.publish('web', [{ target: 80, published: 8080, hostIP: '127.0.0.1' }]);
    await server.untilState('web-1', 'Running');
    await server.until('the rules are loaded', () => tables().includes('orc_ingress'));
    expect(await fetchText(8080)).toBe('ECONNREFUSED');
    expect(inside('busybox', 'wget', '-qO-', 'http://127.0.0.1:8080/')).toMatch(/^[0-9a-f]{12}$/);
  });

  test('loses no connection while tasks come and go', async () => {
    server.add({ name: 'web-1' });
    server.publish('web', [{ target: 80, published: 8080 }]);
    await server.untilState('web-1', 'Running');
    await server.until('the rules are loaded', () => tables().includes('orc_ingress'));
    let over = false;
    const answers: string[] = [];
    const client = (async () => {
      while (!over) answers.push(await fetchText(8080));
    })();
    for (let i = 2; i < 6; i++) {
      server.add({ name: `web-${i}` });
      await server.untilState(`web-${i}`, 'Running');
      server.delete(`web-${i - 1}`);
      await server.until('the old one is gone', () => !server.tasks.has(`web-${i - 1}`));
    }
    over = true;
    await client;
    expect(answers.filter((answer) => !/^[0-9a-f]{12}$/.test(answer))).toEqual([]);
    expect(answers.length).toBeGreaterThan(50);
  });

  test('comes back when its rules are deleted by hand', async () => {
    server.add({ name: 'web-1' });
    server.publish('web', [{ target: 80, published: 8080 }]);
    await server.untilState('web-1', 'Running');
    await server.until('the rules are loaded', () => tables().includes('orc_ingress'));
    inside('nft', 'delete', 'table', 'ip', 'orc_ingress');
    inside('iptables', '-F', 'DOCKER-USER');
    await server.until('the rules are back', () => tables().includes('table ip orc_ingress'));
    await server.until('the firewall rule is back', () =>
      inside('iptables', '-S', 'DOCKER-USER').includes('connmark'),
    );
    expect(await fetchText(8080)).toMatch(/^[0-9a-f]{12}$/);
  });

  test('is gone with its last service, with all its traces', async () => {
    server.publish('web', [{ target: 80, published: 8080 }]);
    await server.until('the rules are loaded', () => tables().includes('orc_ingress'));
    expect([...held]).toEqual([8080]);
    server.publish('web', []);
    await server.until('the table is gone', () => !tables().includes('orc_ingress'));
    await server.until(
      'the rule is gone',
      () => !inside('iptables', '-S', 'DOCKER-USER').includes('connmark'),
    );
    expect([...held]).toEqual([]);
  });

  test('opens 127.0.0.1 to the bridge of its tasks, and no longer than it is there', async () => {
    const localnet = (): string =>
      inside('sh', '-c', 'cat /proc/sys/net/ipv4/conf/orc-*/route_localnet').replaceAll('\n', ' ');
    server.add({ name: 'web-1' });
    await server.untilState('web-1', 'Running');
    expect(localnet()).toBe('0');
    server.publish('web', [{ target: 80, published: 8080 }]);
    // The table is loaded after that: it is to be there before it can be gone.
    await server.until('it is open', () => localnet() === '1' && tables().includes('orc_ingress'));
    server.publish('web', []);
    await server.until('the table is gone', () => !tables().includes('orc_ingress'));
    expect(localnet()).toBe('0');
  });

  test('that something else listens on is left to it, and the task says so', async () => {
    takenPorts.add(8080);
    server.add({ name: 'web-1' });
    server.publish('web', [{ target: 80, published: 8080 }]);
    await server.untilState('web-1', 'Running');
    const condition = await server.until(
      'the condition is there',
      () => server.status('web-1').conditions?.[0],
    );
    expect(condition).toMatchObject({ type: 'PortsPublished', status: 'False', reason: 'PortTaken' });
    takenPorts.clear();
    await server.until('the condition is gone', () => server.status('web-1').conditions === undefined);
    expect(await fetchText(8080)).toMatch(/^[0-9a-f]{12}$/);
  });

  test('goes on while the agent is away', async () => {
    server.add({ name: 'web-1' });
    server.publish('web', [{ target: 80, published: 8080 }]);
    await server.untilState('web-1', 'Running');
    await server.until('the rules are loaded', () => tables().includes('orc_ingress'));
    await agent.close();
    expect(await fetchText(8080)).toMatch(/^[0-9a-f]{12}$/);
    agent = await start();
    expect(await fetchText(8080)).toMatch(/^[0-9a-f]{12}$/);
  });

  test('of UDP reaches a task', async () => {
    // busybox has no UDP server; the machine's perl has.
    const echo = `use IO::Socket; $SIG{TERM} = sub { exit }; $s = IO::Socket::INET->new(LocalPort => 53, Proto => "udp");
      while ($s->recv($d, 99)) { $s->send($d) }`;
    const command = ['chroot', '/host', 'perl', '-e', echo];
    const mounts = [{ type: 'bind', source: '/', target: '/host', readOnly: true }] as const;
    server.add({ name: 'dns-1', service: 'web', template: { command, mounts } });
    server.publish('web', [{ target: 53, published: 5353, protocol: 'udp' }]);
    await server.untilState('dns-1', 'Running');
    await server.until('the rules are loaded', () => tables().includes('orc_ingress'));
    const { createSocket } = await import('node:dgram');
    const socket = createSocket('udp4');
    const answer = new Promise<string>((resolve) => socket.on('message', (data) => resolve(data.toString())));
    const timer = setInterval(() => socket.send('ping', 5353, engine.address), 100);
    expect(await answer).toBe('ping');
    clearInterval(timer);
    socket.close();
  });
});
