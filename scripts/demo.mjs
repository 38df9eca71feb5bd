// `npm run demo`: from a clone to a running stack on a real Docker Engine and a real etcd, with one container killed
// and healed. `--exit` ends and leaves nothing; `--simulated` does the same without an engine.
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import * as setup from './setup.mjs';
import { startEngine, stopEngine } from './engine.mjs';
import { call, ensureHelloImage, helloImage } from './hello-image.mjs';
import { sweep } from './sweep.mjs';

const { values: flags } = parseArgs({
  options: {
    exit: { type: 'boolean', default: false },
    simulated: { type: 'boolean', default: false },
    help: { type: 'boolean', short: 'h', default: false },
  },
});
if (flags.help) {
  console.log(
    'npm run demo [-- --exit | --simulated]\n\n  --exit       end after the tour and leave nothing\n  --simulated  no Docker Engine: containers are records, all else is real',
  );
  process.exit(0);
}

const dir = join(setup.root, '.orc/demo');
const engineDir = join(dir, 'engine');
const env = {
  ...process.env,
  ORC_CONFIG: join(dir, 'config'),
  ORC_TEST_RUN: dir,
  PATH: `${process.env.PATH}:/usr/sbin:/sbin`,
};
const color = process.stdout.isTTY && !process.env.NO_COLOR;
const step = (text) => console.log(`\n${color ? '\x1b[1m' : ''}▸ ${text}${color ? '\x1b[0m' : ''}`);
const command = (text) => console.log(`  $ ${text}`);
const orcPath = join(setup.root, 'bin/orc.mjs');

let server;
let isEnding = false;
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => void end(130));

async function main() {
  setup.checkNode();
  setup.ensureNodeModules();
  await clearLeftovers();
  const socket = await prepareMachine();
  const port = await freePort(8080);

  step(`Starting orc: API server, controllers, etcd and this node's agent in one process`);
  const upArgs = ['up', '--data-dir', join(dir, 'data'), '--listen', `127.0.0.1:${await freePort(6750)}`];
  upArgs.push(...(flags.simulated ? ['--runtime', 'simulated'] : ['--docker-host', `unix://${socket}`]));
  await startServer(upArgs);

  step('Applying a stack: three replicas behind one port, and a second service');
  const manifest = withPort(port);
  orc(['apply', '-f', manifest, '--wait', '--timeout', '3m']);
  console.log('');
  orc(['get', 'stacks,services,tasks']);

  if (!flags.simulated) await fetchUntilAllAnswered(port);
  await killOne(socket);

  step('What to try next');
  const shell = `export ORC_CONFIG=${env.ORC_CONFIG} PATH=$PATH:${join(setup.root, 'node_modules/.bin')}; alias orc=${orcPath}`;
  console.log(`  ${shell}\n`);
  for (const line of [
    'orc get services,tasks -w                # watch it live',
    'orc describe service hello-web           # conditions, tasks, events',
    'orc scale service hello-web --replicas 6 # scale out',
    'orc logs -f service/hello-clock          # logs of all its tasks',
    'orc exec -it service/hello-web -- sh     # a shell in one',
    ...(flags.simulated
      ? []
      : [`curl http://127.0.0.1:${port}/           # again and again: each replica answers`]),
    `orc delete -f ${manifest.replace(`${setup.root}/`, '')}`,
  ]) {
    console.log(`  ${line}`);
  }
  if (!flags.exit) console.log('\n  Running until Ctrl-C, which ends the demo and leaves nothing behind.');
}

/** An earlier demo that was killed may have left an engine, an etcd or a server: ends them by their mark. */
async function clearLeftovers() {
  if (!existsSync(dir)) return;
  const engineOfItsOwn = existsSync(engineDir);
  const found = sweep(join(dir, 'data'));
  if (engineOfItsOwn) await stopEngine(engineDir);
  if (found.length > 0 || engineOfItsOwn) console.error('demo: cleared what an interrupted demo had left');
  sweep(dir);
  rmSync(dir, { recursive: true, force: true });
}

async function prepareMachine() {
  mkdirSync(dir, { recursive: true, mode: 0o700 });
  if (flags.simulated) {
    setup.ensurePrograms(['etcd']);
    return undefined;
  }
  const existing = setup.defaultSocket();
  if (await setup.engineAnswers(existing)) {
    console.log(`A Docker Engine answers on ${existing}: the demo uses it.`);
    setup.ensurePrograms(['etcd', 'nft', 'iptables', 'ip', 'busybox']);
    await makeImage(existing);
    return existing;
  }
  const obstacle = setup.engineObstacle();
  if (obstacle !== undefined) {
    throw new setup.SetupError(
      `no Docker Engine answers on ${existing}, and none can be started here: ${obstacle}\n` +
        '  Start one and try again, or see the same without an engine: npm run demo -- --simulated',
    );
  }
  setup.ensurePrograms(['etcd', 'dockerd', 'nft', 'iptables', 'ip', 'busybox']);
  if (await setup.engineAnswers(existing)) {
    await makeImage(existing); // the package has just started one
    return existing;
  }
  step(`No Docker Engine runs: starting one of the demo's own in ${engineDir.replace(`${setup.root}/`, '')}`);
  const socket = await startEngine(engineDir);
  await makeImage(socket);
  return socket;
}

async function makeImage(socket) {
  if (await ensureHelloImage(socket))
    console.log(`Made the image ${helloImage} from this machine's busybox (no registry needed).`);
}

async function startServer(args) {
  command(`orc ${args.map((arg) => arg.replace(`${setup.root}/`, '')).join(' ')}`);
  const logPath = join(dir, 'orc.log');
  const log = openSync(logPath, 'a');
  server = spawn(process.execPath, ['--no-warnings', '--enable-source-maps', orcPath, ...args], {
    env,
    stdio: ['ignore', log, log],
  });
  for (let i = 0; i < 300; i++) {
    if (existsSync(env.ORC_CONFIG) && run(['get', 'nodes', '-o', 'name'], 'pipe').stdout?.includes('node'))
      return;
    if (server.exitCode !== null) break;
    await sleep(100);
  }
  throw plain(
    `orc did not start; the end of ${logPath}:\n${readFileSync(logPath, 'utf8').split('\n').slice(-8).join('\n')}`,
  );
}

const run = (args, stdio) =>
  spawnSync(process.execPath, ['--no-warnings', orcPath, ...args], { env, stdio, encoding: 'utf8' });

function orc(args) {
  command(`orc ${args.map((arg) => arg.replace(`${setup.root}/`, '')).join(' ')}`);
  const { status } = run(args, 'inherit');
  if (status !== 0)
    throw plain(`orc ${args[0]} ended with exit code ${status}; the log is ${join(dir, 'orc.log')}`);
}

const plain = (message) => Object.assign(new Error(message), { isPlain: true });
const getJSON = (args) => JSON.parse(run(['get', ...args, '-o', 'json'], 'pipe').stdout).items;
const webTasks = () =>
  getJSON(['tasks', '-l', 'orc.dev/service=hello-web']).filter((task) => task.status?.state === 'Running');

/** The example as it is, or a copy with another published port when that one is taken on this machine. */
function withPort(port) {
  const example = join(setup.root, 'manifests/examples/hello/stack.yml');
  if (port === 8080) return example;
  console.log(`Port 8080 is taken on this machine; the demo publishes ${port}.`);
  const copy = join(dir, 'stack.yml');
  writeFileSync(copy, readFileSync(example, 'utf8').replaceAll('8080', String(port)));
  return copy;
}

async function fetchUntilAllAnswered(port) {
  step(`Fetching http://127.0.0.1:${port}/ until every replica has answered`);
  const answers = new Map();
  let tries = 0;
  for (; answers.size < 3 && tries < 500; tries++) {
    const text = await fetchText(port);
    if (text === undefined) await sleep(50);
    else answers.set(text, (answers.get(text) ?? 0) + 1);
  }
  for (const [text, count] of answers) console.log(`  ${String(count).padStart(3)} × ${text}`);
  if (answers.size < 3) throw plain(`only ${answers.size} of 3 replicas answered in ${tries} tries`);
}

async function fetchText(port) {
  try {
    const response = await fetch(`http://127.0.0.1:${port}/`, {
      headers: { connection: 'close' },
      signal: AbortSignal.timeout(2000),
    });
    return response.ok ? (await response.text()).trim() : undefined;
  } catch {
    return undefined;
  }
}

async function killOne(socket) {
  const victim = webTasks()[0];
  if (victim === undefined) throw plain('no task of hello-web is running');
  step(`Killing one container (${victim.metadata.name})`);
  const watcher = watchTasks();
  await sleep(1000); // the watcher is a process: let it connect before the clock runs
  const started = Date.now();
  if (flags.simulated) {
    command(`orc exec ${victim.metadata.name} -- kill 1`);
    run(['exec', victim.metadata.name, '--', 'kill', '1'], 'pipe');
  } else {
    command(`docker kill ${victim.status.containerID.slice(0, 12)}`);
    await call(socket, 'POST', `/containers/${victim.status.containerID}/kill`);
  }
  const replacement = await watcher.running(victim);
  const healed = replacement.at - started;
  watcher.stop();
  console.log(`  healed: ${replacement.task.metadata.name} is Running ${healed} ms after the kill`);
  console.log('');
  orc(['get', 'tasks', '-l', 'orc.dev/service=hello-web']);
}

/** Follows the tasks of hello-web with `orc get -w`, noting when each line arrived. */
function watchTasks() {
  const child = spawn(
    process.execPath,
    ['--no-warnings', orcPath, 'get', 'tasks', '-l', 'orc.dev/service=hello-web', '-w', '-o', 'json'],
    { env, stdio: ['ignore', 'pipe', 'ignore'] },
  );
  const seen = [];
  let buffer = '';
  child.stdout.setEncoding('utf8');
  child.stdout.on('data', (chunk) => {
    const at = Date.now();
    buffer += chunk;
    for (const object of takeObjects()) seen.push({ at, task: object });
  });
  /** Objects of a stream of JSON documents, each ending with a `}` at the start of a line (or on a line of its own). */
  function takeObjects() {
    const objects = [];
    for (;;) {
      const end = /^\}\r?$/m.exec(buffer);
      const line = buffer.indexOf('\n');
      if (buffer.startsWith('{"') && line >= 0) {
        objects.push(JSON.parse(buffer.slice(0, line)));
        buffer = buffer.slice(line + 1);
      } else if (end !== null) {
        objects.push(JSON.parse(buffer.slice(0, end.index + 1)));
        buffer = buffer.slice(end.index + end[0].length + 1);
      } else return objects;
    }
  }
  return {
    async running(victim) {
      for (let i = 0; i < 3000; i++) {
        const hit = seen.find(
          ({ task }) =>
            task.spec?.slot === victim.spec.slot &&
            task.metadata.uid !== victim.metadata.uid &&
            task.status?.state === 'Running',
        );
        if (hit !== undefined) return hit;
        await sleep(10);
      }
      throw plain(
        `${victim.metadata.name} was not replaced within 30 s; see: orc describe service hello-web`,
      );
    },
    stop: () => child.kill(),
  };
}

/** The wanted port of 127.0.0.1 when it is free, else any free one. */
async function freePort(wanted) {
  for (const port of [wanted, 0]) {
    const taken = await new Promise((resolve) => {
      const probe = createServer();
      probe.on('error', () => resolve(undefined));
      probe.listen(port, '127.0.0.1', () => {
        const { port: bound } = probe.address();
        probe.close(() => resolve(bound));
      });
    });
    if (taken !== undefined) return taken;
  }
  throw plain('no free port on 127.0.0.1');
}

/** Deletes the stack, ends every process of the demo, and removes its folder. */
async function end(code) {
  if (isEnding) return;
  isEnding = true;
  if (existsSync(dir)) {
    step('Ending: deleting the stack, then orc, etcd' + (existsSync(engineDir) ? ' and the engine' : ''));
    if (server !== undefined && server.exitCode === null) {
      run(['delete', 'stacks', '--all', '--wait', '--timeout', '30s'], 'ignore');
      server.kill('SIGTERM');
      for (let i = 0; i < 150 && server.exitCode === null && server.signalCode === null; i++)
        await sleep(100);
    }
    sweep(join(dir, 'data'));
    await stopEngine(engineDir);
    sweep(dir);
    rmSync(dir, { recursive: true, force: true });
  }
  process.exit(code);
}

try {
  await main();
  if (flags.exit) await end(0);
} catch (error) {
  console.error(
    `\ndemo: ${error instanceof setup.SetupError || error.isPlain ? error.message : error.stack}`,
  );
  await end(1);
}
