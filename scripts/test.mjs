// `npm test`: installs what is missing, then lint, types, unit, integration and end-to-end tests.
// The last line is `N passed, N failed`. Whatever the tests started is ended here, however they end.
import { spawn, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { checkNode, ensureNodeModules, ensurePrograms, root, SetupError } from './setup.mjs';
import { sweep } from './sweep.mjs';

const bin = (name) => join(root, 'node_modules/.bin', name);
const only = process.argv.slice(2);
const isWanted = (name) => only.length === 0 || only.includes(name);

try {
  checkNode();
  ensureNodeModules();
  ensurePrograms(['etcd', 'dockerd', 'nft', 'iptables', 'ip', 'busybox', 'conntrack', 'wg', 'wireguard-go']);
} catch (error) {
  if (!(error instanceof SetupError)) throw error;
  console.error(`setup: ${error.message}`);
  console.log('0 passed, 1 failed');
  process.exit(1);
}

mkdirSync(join(root, '.orc'), { recursive: true });
const dir = mkdtempSync(join(root, '.orc', 'test-'));
// Every process that a test starts inherits this mark; sweep() ends what still carries it.
const env = { ...process.env, ORC_TEST_RUN: dir, PATH: `${process.env.PATH}:/usr/sbin:/sbin` };
let passed = 0;
let failed = 0;
let current;
let isInterrupted = false;

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
  process.on(signal, () => {
    isInterrupted = true;
    current?.kill('SIGTERM');
  });
}

function exec(command, args) {
  return new Promise((resolve) => {
    current = spawn(command, args, { cwd: root, env, stdio: ['ignore', 'inherit', 'inherit'] });
    current.on('exit', (code) => resolve(code ?? 1));
    current.on('error', (error) => {
      console.error(error.message);
      resolve(1);
    });
  });
}

async function check(name, command, args) {
  if (!isWanted(name) || isInterrupted) return;
  console.log(`\n== ${name}`);
  const started = Date.now();
  const code = await exec(command, args);
  if (code === 0) passed += 1;
  else failed += 1;
  console.log(`== ${name}: ${code === 0 ? 'ok' : `FAILED (exit ${code})`} in ${seconds(started)}`);
}

async function suite(name) {
  if (!isWanted(name) || isInterrupted) return;
  console.log(`\n== ${name}`);
  const started = Date.now();
  const report = join(dir, `${name}.json`);
  const code = await exec(process.execPath, ['scripts/jest.mjs', name, '--json', `--outputFile=${report}`]);
  try {
    const { numPassedTests, numFailedTests, numPendingTests, numRuntimeErrorTestSuites } = JSON.parse(
      readFileSync(report, 'utf8'),
    );
    passed += numPassedTests;
    // A skipped test, or a file that did not run, is a failure: nothing is skipped silently.
    failed += numFailedTests + numPendingTests + numRuntimeErrorTestSuites;
    if (
      numPassedTests === 0 ||
      (code !== 0 && numFailedTests + numPendingTests + numRuntimeErrorTestSuites === 0)
    )
      failed += 1;
  } catch {
    failed += 1;
  }
  console.log(`== ${name}: ${code === 0 ? 'ok' : 'FAILED'} in ${seconds(started)}`);
}

const seconds = (started) => `${((Date.now() - started) / 1000).toFixed(0)} s`;

await check('lint', bin('eslint'), ['.', '--max-warnings', '0']);
await check('format', bin('prettier'), ['--check', '--log-level', 'warn', '.']);
await check('types', bin('tsc'), ['--noEmit']);
await suite('unit');
await suite('integration');
await suite('e2e');

const left = sweep(dir);
for (const line of left) console.error(`sweep: ${line}`);
rmSync(dir, { recursive: true, force: true });
if (isInterrupted) failed += 1;
console.log(`${passed} passed, ${failed} failed`);
process.exit(failed === 0 && passed > 0 ? 0 : 1);
