// `npm run lab -- COMMAND`: a cluster of real Docker Engines on this machine, to play with. See tests/lab/cli.ts.
import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { checkNode, engineObstacle, ensureNodeModules, ensurePrograms, root, SetupError } from './setup.mjs';

const words = process.argv.slice(2);
process.env.PATH = `${process.env.PATH}:/usr/sbin:/sbin`;
// As deep in the tree as the sources, which find their scripts from where they are.
const folder = join(root, `.orc/lab-cli-${process.pid}`);
const outfile = join(folder, 'cli.mjs');

try {
  checkNode();
  if (words.includes('up')) prepare();
  process.exit(await (await load()).main(words));
} catch (error) {
  if (!(error instanceof SetupError)) throw error;
  console.error(`lab: ${error.message}`);
  process.exit(1);
}

function prepare() {
  const obstacle = engineObstacle();
  if (obstacle !== undefined) throw new SetupError(`no lab can be started here: ${obstacle}`);
  ensureNodeModules();
  ensurePrograms(['dockerd', 'etcd', 'nft', 'iptables', 'ip', 'busybox', 'conntrack']);
}

async function load() {
  const { build } = await import('esbuild').catch(() => {
    throw new SetupError('node_modules is missing: npm ci');
  });
  mkdirSync(folder, { recursive: true });
  try {
    await build({
      entryPoints: [join(root, 'tests/lab/cli.ts')],
      outfile,
      bundle: true,
      packages: 'external',
      platform: 'node',
      target: 'node20',
      format: 'esm',
      logLevel: 'warning',
    });
    return await import(pathToFileURL(outfile).href);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
