// Runs a suite: `node scripts/jest.mjs unit|integration|e2e [jest arguments]`.
// unit = tests beside their code, integration = tests/integration, e2e = tests/e2e (root; real engines).
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const suites = {
  unit: [
    '--testPathIgnorePatterns=/node_modules/',
    '--testPathIgnorePatterns=/tests/(integration|e2e|chaos)/',
    '--maxWorkers=2',
  ],
  integration: ['tests/integration/', '--maxWorkers=2'],
  e2e: ['tests/e2e/', '--runInBand'],
};
const [suite, ...rest] = process.argv.slice(2);
if (!(suite in suites)) {
  console.error(`usage: node scripts/jest.mjs ${Object.keys(suites).join('|')} [jest arguments]`);
  process.exit(2);
}
// The package exports no path to its program.
const jest = fileURLToPath(new URL('../node_modules/jest/bin/jest.js', import.meta.url));
const { status } = spawnSync(
  process.execPath,
  ['--experimental-vm-modules', '--no-warnings', jest, ...suites[suite], ...rest],
  { stdio: 'inherit' },
);
process.exit(status ?? 1);
