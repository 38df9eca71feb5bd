// Jest transformer: TypeScript to ESM with esbuild, types stripped and not checked (`npm run types` does that).
import { createHash } from 'node:crypto';
import { transformSync, version } from 'esbuild';

export default {
  process(source, path) {
    const { code } = transformSync(source, {
      loader: 'ts',
      format: 'esm',
      target: 'node20',
      sourcefile: path,
      sourcemap: 'inline',
    });
    return { code };
  },
  getCacheKey: (source, path) => createHash('sha1').update(version).update(path).update(source).digest('hex'),
};
