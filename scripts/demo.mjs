// `npm run demo`: from a clone to a running stack on a real Docker Engine and a real etcd, with one container killed
// and healed. However it ends, it leaves nothing; what a killed one left, the next one clears.
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join, resolve } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { takeLock } from './demo/lock.mjs';
import { DemoOrc, orcPath } from './demo/orc.mjs';
import { isDemoFolder, remember, removeOwned } from './demo/owned.mjs';
import { plain, step } from './demo/say.mjs';
import { fetchUntilAllAnswered, killOne, whatToTryNext } from './demo/tour.mjs';
import { startEngine, stopEngine } from './engine.mjs';
import { ensureHelloImage, helloImage } from './hello-image.mjs';
import { enginesHere } from './host.mjs';
import * as setup from './setup.mjs';
import { sweep } from './sweep.mjs';

const usage = `npm run demo [-- --exit | --simulated | --dir DIR]

  --exit       end after the tour and leave nothing
  --simulated  no Docker Engine: containers are records, all else is real
  --dir DIR    keep the demo's files there (default .orc/demo); a second demo needs a folder of its own

Exit codes: 0 ended as asked, 1 failed, 2 wrong usage, 3 a demo runs already in the folder, 130 interrupted.`;

const flags = parseFlags();
const defaultDir = join(setup.root, '.orc/demo');
const dir = flags.dir === undefined ? defaultDir : resolve(flags.dir);
const engineDir = join(dir, 'engine');
const ending = new AbortController();
const orc = new DemoOrc(dir, ending.signal);
let isUp = false;

const lock = takeLock(`${dir}.lock`);
if (lock.holder !== undefined) refuse(lock.holder);
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => void end(isUp ? 0 : 130));
const tour = main();
try {
  await tour;
  if (flags.exit) await end(0);
  isUp = true;
} catch (error) {
  if (!ending.signal.aborted) {
    const text = error instanceof setup.SetupError || error.isPlain ? error.message : error.stack;
    console.error(`\ndemo: ${text}`);
    await end(1);
  }
}

async function main() {
  setup.checkNode();
  setup.ensureNodeModules();
  await setImmediate(); // lets a Ctrl-C that came meanwhile be heard
  ending.signal.throwIfAborted();
  await clearLeftovers();
  const socket = await prepareMachine();
  ending.signal.throwIfAborted();
  const port = await freePort(8080);
  const address = `127.0.0.1:${await freePort(6750)}`;

  step("Starting orc: API server, controllers, etcd and this node's agent in one process");
  const runtime = flags.simulated ? ['--runtime', 'simulated'] : ['--docker-host', `unix://${socket}`];
  await orc.up(['up', '--data-dir', join(dir, 'data'), '--listen', address, ...runtime]);
  lock.tell({ address: `https://${address}` });

  step('Applying a stack: three replicas behind one port, and a second service');
  const manifest = withPort(port);
  await orc.show(['apply', '-f', manifest, '--wait', '--timeout', '3m']);
  console.log('');
  await orc.show(['get', 'stacks,services,tasks']);

  if (!flags.simulated) await fetchUntilAllAnswered(port, ending.signal);
  await killOne(orc, socket, ending.signal);
  if (!flags.exit) invite({ config: orc.config, orcPath, port, simulated: flags.simulated });
}

function invite(demo) {
  const { setUp, lines } = whatToTryNext(demo);
  const width = Math.max(...lines.map(([line]) => line.length));
  step('What to try next, in another terminal');
  console.log(`  ${setUp}\n`);
  for (const [line, why] of lines) console.log(`  ${line.padEnd(width)}  # ${why}`);
  console.log('\n  Running until Ctrl-C, which ends the demo and leaves nothing behind.');
}

function parseFlags() {
  try {
    const { values } = parseArgs({
      options: {
        exit: { type: 'boolean', default: false },
        simulated: { type: 'boolean', default: false },
        dir: { type: 'string' },
        help: { type: 'boolean', short: 'h', default: false },
      },
    });
    if (!values.help) return values;
    console.log(usage);
    process.exit(0);
  } catch (error) {
    console.error(`demo: ${error.message}\n\n${usage}`);
    process.exit(2);
  }
}

function refuse({ pid, since, address }) {
  console.error(
    `demo: a demo runs already in ${dir}: process ${pid}, since ${since}, ${address === undefined ? 'still starting' : `its API is at ${address}`}\n` +
      `  look at it:  export ORC_CONFIG=${orc.config}; ${orcPath} get stacks,services,tasks\n` +
      `  end it:      Ctrl-C in its terminal, or: kill ${pid}\n` +
      '  another one: npm run demo -- --dir DIR',
  );
  process.exit(3);
}

/** A demo that was killed may have left an engine, an etcd or a server: ends them by their marks. */
async function clearLeftovers() {
  if (existsSync(dir) && readdirSync(dir).length > 0) {
    if (dir !== defaultDir && !isDemoFolder(dir))
      throw plain(`${dir} is not empty, and no demo made it: choose another --dir`);
    console.error('demo: clearing what an interrupted demo has left');
    await clear();
  }
  mkdirSync(dir, { recursive: true, mode: 0o700 });
  remember(dir, {});
}

async function prepareMachine() {
  if (flags.simulated) {
    setup.ensurePrograms(['etcd']);
    return undefined;
  }
  const programs = ['nft', 'iptables', 'ip', 'busybox'];
  const existing = setup.defaultSocket();
  if (await setup.engineAnswers(existing)) {
    setup.ensurePrograms(['etcd', ...programs]);
    return useEngine(existing);
  }
  const obstacle = setup.engineObstacle() ?? otherEngine();
  if (obstacle !== undefined) {
    throw new setup.SetupError(
      `no Docker Engine answers on ${existing}, and none can be started here: ${obstacle}\n` +
        '  Start one and try again, or see the same without an engine: npm run demo -- --simulated',
    );
  }
  setup.ensurePrograms(['etcd', 'dockerd', ...programs]);
  // The package may have just started one.
  if (await setup.engineAnswers(existing)) return useEngine(existing);
  step(`No Docker Engine runs: starting one of the demo's own in ${engineDir.replace(`${setup.root}/`, '')}`);
  const socket = join(engineDir, 'docker.sock');
  remember(dir, { socket });
  await startEngine(engineDir, ending.signal);
  ending.signal.throwIfAborted();
  await makeImage(socket);
  return socket;
}

/** Two engines in one network namespace overwrite each other's rules. */
function otherEngine() {
  const [pid] = enginesHere();
  return pid === undefined
    ? undefined
    : `another one runs (process ${pid}), and two would overwrite each other's rules. To use it: DOCKER_HOST=unix://ITS-SOCKET npm run demo`;
}

async function useEngine(socket) {
  console.log(`A Docker Engine answers on ${socket}: the demo uses it.`);
  remember(dir, { socket, madeImage: await makeImage(socket) });
  return socket;
}

async function makeImage(socket) {
  const made = await ensureHelloImage(socket);
  if (made) console.log(`Made the image ${helloImage} from this machine's busybox (no registry needed).`);
  return made;
}

/** The example as it is, or a copy with another published port when that one is taken on this machine. */
function withPort(port) {
  const example = join(setup.root, 'manifests/examples/hello/stack.yml');
  if (port === 8080) return example;
  console.log(`Port 8080 is taken on this machine; the demo publishes ${port}.`);
  const copy = join(dir, 'stack.yml');
  writeFileSync(copy, readFileSync(example, 'utf8').replaceAll('8080', String(port)));
  return copy;
}

/** The wanted port of 127.0.0.1 when it is free, else any free one. */
async function freePort(wanted) {
  for (const port of [wanted, 0]) {
    const taken = await new Promise((done) => {
      const probe = createServer();
      probe.on('error', () => done(undefined));
      probe.listen(port, '127.0.0.1', () => {
        const { port: bound } = probe.address();
        probe.close(() => done(bound));
      });
    });
    if (taken !== undefined) return taken;
  }
  throw plain('no free port on 127.0.0.1');
}

/** Ends every process of the demo and removes all that it owns, here and in an engine. */
async function clear() {
  sweep(join(dir, 'data'));
  for (const left of await removeOwned(dir)) console.error(`demo: ${left}`);
  await stopEngine(engineDir);
  sweep(dir);
  rmSync(dir, { recursive: true, force: true });
}

/** Ends in order; a second signal meanwhile changes nothing. */
async function end(code) {
  if (ending.signal.aborted) return;
  ending.abort();
  // The tour gives up at its next wait; what it makes meanwhile must be there before it is cleared.
  await tour.catch(() => undefined);
  if (isDemoFolder(dir)) {
    if (orc.hasStarted || existsSync(engineDir))
      step(`Ending: deleting the stack, then orc, etcd${existsSync(engineDir) ? ' and the engine' : ''}`);
    await orc.down();
    await clear();
  }
  lock.release();
  process.exit(code);
}
