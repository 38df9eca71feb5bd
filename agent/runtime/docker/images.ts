import type Docker from 'dockerode';
import type { TaskTemplate } from '../../../api-schemas/index.ts';
import { normalizeImage, shortImage } from '../../../api-schemas/image.ts';
import { RuntimeError } from '../types.ts';
import { arch } from './connect.ts';
import { runtimeError, statusOf } from './errors.ts';
import { pullError } from './pull-errors.ts';
import { Pulls, type Begin, type Progress } from './pulls.ts';

/** Makes images be there, after a template's pull policy. */
export class Images {
  readonly #docker: () => Promise<Docker>;
  readonly #pulls = new Pulls();

  constructor(docker: () => Promise<Docker>) {
    this.#docker = docker;
  }

  /**
   * `missing` (the default) pulls what is not there; `never` throws instead; `always` asks the registry and, as Swarm,
   * goes on with the local image and a warning when that fails. Throws ImagePullFailed or Rejected (PlatformMismatch).
   */
  async ensure(template: TaskTemplate, signal: AbortSignal, onProgress: Progress): Promise<void> {
    const { image, platform, pullPolicy: policy = 'missing' } = template;
    const found = await this.#inspect(image);
    const fits = found !== undefined && platformFits(platform, found);
    if (fits && policy !== 'always') return;
    if (policy === 'never') throw notThere(image, platform, found);
    try {
      const pull: Begin = (say, given) => this.#pull(image, platform, say, given);
      await this.#pulls.join(`${image} ${platform ?? ''}`, pull, signal, onProgress);
    } catch (error) {
      if (signal.aborted || !fits || !(error instanceof RuntimeError) || error.kind !== 'ImagePullFailed')
        throw error;
      onProgress(`${error.message} The image that is on the node is used.`, true);
      return;
    }
    const pulled = await this.#inspect(image);
    if (pulled !== undefined && !platformFits(platform, pulled)) throw notThere(image, platform, pulled);
  }

  async #inspect(image: string): Promise<Platform | undefined> {
    const docker = await this.#docker();
    try {
      const info = await docker.getImage(image).inspect();
      return { os: info.Os, arch: info.Architecture, ...(variantOf(info) ?? {}) };
    } catch (error) {
      if (statusOf(error) === 404) return undefined;
      throw runtimeError(error, `looking for image ${image}`);
    }
  }

  async #pull(
    image: string,
    platform: string | undefined,
    say: (message: string) => void,
    signal: AbortSignal,
  ): Promise<void> {
    say(`Pulling ${shortImage(image)}`);
    try {
      const docker = await this.#docker();
      const stream = await docker.pull(normalizeImage(image), {
        ...(platform === undefined ? {} : { platform }),
        abortSignal: signal,
      });
      await follow(stream, say);
    } catch (error) {
      throw pullError(error, image, platform);
    }
  }
}

interface PullLine {
  readonly id?: string;
  readonly status?: string;
  readonly error?: string;
  readonly progressDetail?: { readonly current?: number; readonly total?: number };
}

/** Reads the engine's progress, says whole percents, and throws the error that it may end with. */
async function follow(stream: NodeJS.ReadableStream, say: (message: string) => void): Promise<void> {
  const layers = new Map<string, { current: number; total: number }>();
  let rest = '';
  let said = -1;
  for await (const chunk of stream) {
    const lines = (rest + String(chunk)).split('\n');
    rest = lines.pop() ?? '';
    for (const text of lines) {
      if (text.trim() === '') continue;
      const line = JSON.parse(text) as PullLine;
      if (line.error !== undefined) throw new Error(line.error);
      const { current, total } = line.progressDetail ?? {};
      if (line.id !== undefined && line.status === 'Downloading' && current !== undefined && total)
        layers.set(line.id, { current, total });
      const percent = percentOf([...layers.values()]);
      if (percent > said && percent % 10 === 0) say(`Pulling: ${(said = percent)}%`);
    }
  }
}

function percentOf(layers: readonly { current: number; total: number }[]): number {
  const total = layers.reduce((sum, layer) => sum + layer.total, 0);
  return total === 0 ? -1 : Math.floor((100 * layers.reduce((sum, layer) => sum + layer.current, 0)) / total);
}

interface Platform {
  readonly os: string;
  readonly arch: string;
  readonly variant?: string;
}

function variantOf(info: object): { variant: string } | undefined {
  const { Variant: variant } = info as { Variant?: string };
  return variant ? { variant } : undefined;
}

/** Whether an image is of the wanted `os/arch[/variant]`; any is when none is wanted. Pure. */
export function platformFits(wanted: string | undefined, image: Platform): boolean {
  if (wanted === undefined) return true;
  const [os, machine, variant] = wanted.split('/');
  if (os !== image.os) return false;
  if (machine !== undefined && arch(machine) !== arch(image.arch)) return false;
  return variant === undefined || image.variant === undefined || variant === image.variant;
}

function notThere(image: string, wanted: string | undefined, found: Platform | undefined): RuntimeError {
  if (found !== undefined)
    return new RuntimeError(
      'Rejected',
      'PlatformMismatch',
      `image ${shortImage(image)} is for ${found.os}/${found.arch}, but platform ${wanted ?? ''} is asked for.`,
    );
  return new RuntimeError(
    'ImagePullFailed',
    'ImageNotFound',
    `image ${shortImage(image)} is not on the node, and pullPolicy is never. Load it there (docker load), or use pullPolicy missing.`,
  );
}
