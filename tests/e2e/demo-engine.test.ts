import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { startEngine, type Engine } from '../harness/engine.ts';
import { importHelloImage } from '../harness/image.ts';
import { killAllOf, root, RunningDemo, runDemo } from './demo-harness.ts';

/** On a machine where an engine runs already, as most have it. */
describe('Beside the containers of an engine that runs already', () => {
  const parent = mkdtempSync('/var/tmp/orc-demo-');
  const dir = join(parent, 'demo');
  let engine: Engine;
  beforeAll(async () => {
    engine = await startEngine();
    await importHelloImage(engine, 'others:1');
  }, 120_000);
  afterAll(async () => {
    await engine.stop();
    rmSync(parent, { recursive: true, force: true });
  }, 60_000);

  const env = (): NodeJS.ProcessEnv => ({ ...process.env, DOCKER_HOST: `unix://${engine.socketPath}` });
  const docker = (method: string, path: string, body?: object): unknown => {
    const data =
      body === undefined ? [] : ['-H', 'content-type: application/json', '-d', JSON.stringify(body)];
    const args = ['-sS', '-X', method, '--unix-socket', engine.socketPath, ...data, `http://d${path}`];
    const { stdout } = spawnSync('curl', args, { encoding: 'utf8' });
    return stdout === '' ? undefined : JSON.parse(stdout);
  };
  /** All that the engine holds, by name. */
  const held = (): object => ({
    containers: (docker('GET', '/containers/json?all=1') as { Names: string[] }[]).map(
      ({ Names }) => Names[0],
    ),
    networks: (docker('GET', '/networks') as { Name: string }[]).map(({ Name }) => Name).sort(),
    images: (docker('GET', '/images/json') as { RepoTags: string[] }[]).flatMap(({ RepoTags }) => RepoTags),
    tables: engine.run('nft', 'list', 'tables').split('\n').filter((line) => line.includes('orc')), // prettier-ignore
    accepts: engine.run('iptables', '-S', 'DOCKER-USER'),
  });

  test('a killed demo is cleared by the next, and only what was its own goes', async () => {
    const labels = { 'dev.orc.cluster': '0123456789abcdef', 'dev.orc.node': 'vm' };
    docker('POST', '/containers/create?name=of-another-cluster', { Image: 'others:1', Labels: labels });
    docker('POST', '/networks/create', { Name: 'orc-of-another-cluster', Labels: labels });
    const before = held();
    const start = { prefix: engine.enter, env: env() };
    const killed = new RunningDemo(['--dir', dir], start);
    const printed = await killed.printed('Running until Ctrl-C');
    expect(printed).toContain(`A Docker Engine answers on ${engine.socketPath}: the demo uses it.`);
    expect(held()).not.toEqual(before);
    killAllOf(dir);
    await killed.ended;
    expect(existsSync(dir)).toBe(true);

    const { code } = runDemo(['--exit', '--dir', dir], start);
    expect(code).toBe(0);
    expect(held()).toEqual(before);
  }, 240_000);

  test('`npm run image` makes the image of the tour, once', () => {
    const image = () =>
      spawnSync('npm', ['run', '--silent', 'image'], { cwd: root, encoding: 'utf8', env: env() });
    expect(image()).toMatchObject({
      status: 0,
      stdout: `orc.local/hello:1 made from busybox, in the engine at ${engine.socketPath}\n`,
    });
    expect(image()).toMatchObject({
      status: 0,
      stdout: `orc.local/hello:1 is there already, in the engine at ${engine.socketPath}\n`,
    });
    expect(held()).toMatchObject({ images: expect.arrayContaining(['orc.local/hello:1']) });
  }, 60_000);

  test('`npm run image` says what to do where no engine answers', () => {
    const run = spawnSync(process.execPath, ['scripts/image.mjs'], {
      cwd: root,
      encoding: 'utf8',
      env: { ...process.env, DOCKER_HOST: 'unix:///nowhere.sock' },
    });
    expect(run.status).toBe(1);
    expect(run.stderr).toMatch(/no Docker Engine answers on \/nowhere.sock: start one, or name another/);
  }, 60_000);
});
