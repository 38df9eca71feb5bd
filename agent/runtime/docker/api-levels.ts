import type { TaskTemplate } from '../../../api-schemas/index.ts';

/** Lowest Engine API spoken (Engine 20.10) and the highest known (28.5). */
export const lowestAPI = '1.41';
export const highestAPI = '1.51';

/**
 * Fields that an engine of an older API ignores without a word, so the agent must refuse them.
 * Versions are those of Docker's API history (docs.docker.com/reference/api/engine/version-history).
 */
export interface TooNew {
  /** e.g. `mounts[0].volume.subpath` */
  readonly path: string;
  readonly needs: string;
}

/** The fields of the template that need a newer API than `api`; empty when the engine honours all. Pure. */
export function tooNew(template: TaskTemplate, api: string): readonly TooNew[] {
  return fieldLevels(template).filter(({ needs }) => compareAPI(api, needs) < 0);
}

/** Says what is too new, for which engine, and what to do. */
export function tooNewMessage(fields: readonly TooNew[], api: string): string {
  const list = fields.map(({ path, needs }) => `${path} needs API ${needs} (Engine ${engineOf(needs)})`);
  return `${list.join('; ')}; this node's engine speaks API ${api}. Update the engine, place the service on a newer node, or leave the field out.`;
}

function fieldLevels(t: TaskTemplate): readonly TooNew[] {
  const found: TooNew[] = [];
  const need = (path: string, present: unknown, needs: string): void => {
    if (present !== undefined && present !== false) found.push({ path, needs });
  };
  need('healthcheck.startInterval', t.healthcheck?.startInterval, '1.44');
  for (const [i, m] of (t.mounts ?? []).entries()) {
    const at = `mounts[${i}]`;
    need(`${at}.bind.createSource`, m.bind?.createSource, '1.42');
    const recursive = m.bind?.recursive;
    need(`${at}.bind.recursive`, recursive === 'readonly' || recursive === 'writable', '1.44');
    need(`${at}.volume.subpath`, m.volume?.subpath, '1.45');
    need(`${at}.tmpfs.options`, m.tmpfs?.options, '1.46');
  }
  return found;
}

/** Negative when `a` is the older of two versions such as `1.41`. */
export function compareAPI(a: string, b: string): number {
  const [aMajor = 0, aMinor = 0] = a.split('.').map(Number);
  const [bMajor = 0, bMinor = 0] = b.split('.').map(Number);
  return aMajor - bMajor || aMinor - bMinor;
}

const engines: Readonly<Record<string, string>> = {
  '1.42': '23.0',
  '1.43': '24.0',
  '1.44': '25.0',
  '1.45': '26.0',
  '1.46': '27.0',
};
const engineOf = (api: string): string => engines[api] ?? 'of that API';
