import { normalizeImage, shortImage } from '../../../api-schemas/image.ts';
import { RuntimeError } from '../types.ts';
import { engineMessage, runtimeError } from './errors.ts';

/** What registries and engines say to one who has no credentials; some say the same of an image that they do not have. */
const wantsCredentials =
  /no basic auth credentials|authentication required|unauthorized|pull access denied|(?<!permission )\bdenied\b|\b403 forbidden\b/i;

/** What a failed pull throws: EngineUnavailable, or ImagePullFailed with what to do about it. Pure. */
export function pullError(error: unknown, image: string, platform: string | undefined): RuntimeError {
  const doing = `pulling ${shortImage(image)}`;
  const mapped = runtimeError(error, doing);
  if (mapped.kind === 'EngineUnavailable') return mapped;
  const text = engineMessage(error);
  const why = (mapped.reason === 'DiskFull' ? mapped.message : `${doing}: ${text}`).replace(/\.?$/, '.');
  if (mapped.reason === 'DiskFull' || !wantsCredentials.test(text))
    return new RuntimeError('ImagePullFailed', 'ImagePullFailed', why, { cause: error });
  return new RuntimeError('ImagePullFailed', 'PullAccessDenied', `${why} ${byHand(image, platform)}`, {
    cause: error,
  });
}

/** A login of the node's Docker CLI alone helps nobody: the CLI keeps it, and the engine asks whoever pulls. */
function byHand(image: string, platform: string | undefined): string {
  const name = normalizeImage(image).replace(/^docker\.io\/(library\/)?/, '');
  const options = platform === undefined ? '' : `--platform ${platform} `;
  return (
    'If the name is right, the registry wants credentials, and orc cannot give any yet: pull the image on the node ' +
    `(\`docker login\`, then \`docker pull ${options}${name}\`), with pullPolicy missing (the default) or never.`
  );
}
