// Bundles the CLI (which is also the server and the agent) into dist/orc.mjs. Packages stay in node_modules.
import { existsSync } from 'node:fs';
import { build } from 'esbuild';

if (!existsSync('cli/main.ts')) process.exit(0);
await build({
  entryPoints: { orc: 'cli/main.ts' },
  outdir: 'dist',
  outExtension: { '.js': '.mjs' },
  bundle: true,
  splitting: true,
  chunkNames: 'chunks/[name]-[hash]',
  packages: 'external',
  platform: 'node',
  target: 'node20',
  format: 'esm',
  sourcemap: 'linked',
  logLevel: 'warning',
});
