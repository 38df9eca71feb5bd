// Runs a suite: `node scripts/jest.mjs unit|integration|e2e|oracle [jest arguments]`.
// unit = tests beside their code, integration = tests/integration, e2e = tests/e2e (root; real engines), oracle =
// server-side apply against Kubernetes' own library (needs Go; not part of `npm test`).
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const suites = {
  unit: { ignore: ['/tests/(integration|e2e|oracle)/'], folder: '', workers: '--maxWorkers=2' },
  integration: { ignore: [], folder: 'tests/integration/', workers: '--maxWorkers=2' },
  oracle: { ignore: [], folder: 'tests/oracle/', workers: '--maxWorkers=1' },
  // One at a time: each starts engines, and some crash them.
  e2e: { ignore: [], folder: 'tests/e2e/', workers: '--maxWorkers=1' },
};
const [name, ...rest] = process.argv.slice(2);
const suite = suites[name];
if (suite === undefined) {
  console.error(
    `usage: node scripts/jest.mjs ${Object.keys(suites).join('|')} [part of a path...] [jest options]`,
  );
  process.exit(2);
}
const words = rest.filter((arg) => !arg.startsWith('-'));
const patterns =
  words.length > 0
    ? words.map((word) => `${suite.folder}.*${word}`)
    : suite.folder === ''
      ? []
      : [suite.folder];
const args = [
  ...['/node_modules/', ...suite.ignore].map((path) => `--testPathIgnorePatterns=${path}`),
  suite.workers,
  ...rest.filter((arg) => arg.startsWith('-')),
  ...patterns,
];
// The package exports no path to its program.
const jest = fileURLToPath(new URL('../node_modules/jest/bin/jest.js', import.meta.url));
const { status } = spawnSync(
  process.execPath,
  ['--experimental-vm-modules', '--no-warnings', jest, ...args],
  { stdio: 'inherit' },
);
process.exit(status ?? 1);
