// `npm run bench -- NAME [arguments]`: progress on stderr, one JSON object as the last line of stdout.
import { mkdirSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { checkNode, ensureNodeModules, ensurePrograms, root } from './setup.mjs';
import { sweep } from './sweep.mjs';

const [name, ...args] = process.argv.slice(2);
const names = readdirSync(join(root, 'tests/bench'))
  .filter((file) => file.endsWith('.ts') && !file.endsWith('.test.ts'))
  .map((file) => file.slice(0, -3));
if (name === undefined || !names.includes(name)) {
  console.error(`usage: npm run bench -- NAME [--option value]\n\nbenches: ${names.join(', ')}`);
  process.exit(2);
}

checkNode();
ensureNodeModules();
ensurePrograms([
  'etcd',
  ...(['converge', 'memory', 'heal', 'failover', 'net', 'names'].includes(name)
    ? ['dockerd', 'nft', 'iptables', 'ip', 'busybox', 'conntrack']
    : []),
  ...(name === 'net' ? ['iperf3'] : []),
]);

const dir = join(root, '.orc', `bench-${process.pid}`);
mkdirSync(dir, { recursive: true });
process.env.ORC_TEST_RUN = dir;
process.env.PATH = `${process.env.PATH}:/usr/sbin:/sbin`;
const leave = (code) => {
  sweep(dir);
  rmSync(dir, { recursive: true, force: true });
  process.exit(code);
};
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => leave(130));

try {
  const { build } = await import('esbuild');
  const outfile = join(dir, `${name}.mjs`);
  await build({
    entryPoints: [join(root, `tests/bench/${name}.ts`)],
    outfile,
    bundle: true,
    packages: 'external',
    platform: 'node',
    target: 'node20',
    format: 'esm',
    sourcemap: 'inline',
    logLevel: 'warning',
  });
  const bench = await import(pathToFileURL(outfile).href);
  const result = await bench.run((line) => console.error(`${name}: ${line}`), args);
  console.log(JSON.stringify(result));
  leave(0);
} catch (error) {
  console.error(error);
  leave(1);
}
