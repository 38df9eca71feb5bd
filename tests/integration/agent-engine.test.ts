import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from '@jest/globals';
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

beforeAll(async () => {
  engine = await startEngine({ liveRestore: true });
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
  rmSync(dataDir, { recursive: true });
});

test('containers that outlive their engine are taken up as they are', async () => {
  server.add({ name: 'web-1' }, { name: 'web-2' });
  const { containerID } = await server.untilState('web-1', 'Running');
  await server.untilState('web-2', 'Running');
  await engine.kill();
  await server.until('the node says so', () => server.node?.engine?.reachable === false);
  await engine.start();
  await server.until('the engine is back', () => server.node?.engine?.reachable === true);
  expect(server.status('web-1')).toMatchObject({ state: 'Running', containerID });
  docker('kill', containerID ?? '');
  expect(await server.untilState('web-1', 'Failed')).toMatchObject({ exitCode: 137 });
  expect(server.status('web-2').state).toBe('Running');
}, 60_000);

test('after a power cut what does not run any more is Failed, also when the agent starts first', async () => {
  server.add({ name: 'app-1' });
  await server.untilState('app-1', 'Running');
  await agent.close();
  await engine.crash();
  agent = await start();
  expect(server.node?.engine?.reachable).toBe(false);
  expect(server.status('app-1').state).toBe('Running');
  await engine.start();
  await server.untilState('app-1', 'Failed');
  server.add({ name: 'app-2' });
  await server.untilState('app-2', 'Running');
}, 60_000);
