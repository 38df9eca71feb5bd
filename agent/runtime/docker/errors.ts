import { messageOf } from '../../../kit/errors.ts';
import { RuntimeError } from '../types.ts';

/** What dockerode throws: an HTTP status with the engine's message, or a socket error with a code. */
interface EngineError {
  readonly statusCode?: number;
  readonly code?: string;
  readonly json?: { readonly message?: string } | null;
}

const socketErrors = new Set([
  'ECONNREFUSED',
  'ENOENT',
  'ECONNRESET',
  'EPIPE',
  'ETIMEDOUT',
  'EACCES',
  'ENOTFOUND',
]);

export const statusOf = (error: unknown): number | undefined => (error as EngineError | null)?.statusCode;

/** The engine's own words, without dockerode's wrapping. */
export function engineMessage(error: unknown): string {
  const own = (error as EngineError | null)?.json?.message;
  return (own ?? messageOf(error).replace(/^\(HTTP code \d+\) [^-]* - /, '')).trim();
}

/** Texts of Engine 20.10 to 28.5, first match wins. A changed text costs only the finer reason. */
const known: readonly (readonly [RegExp, ConstructorParameters<typeof RuntimeError>[0], string, string?])[] =
  [
    [
      /port is already allocated|address already in use|ports are not available|host-port for .* failed/i,
      'PortTaken',
      'PortTaken',
    ],
    [
      /no space left on device|disk quota exceeded/i,
      'Failed',
      'DiskFull',
      'Free space on the node, e.g. with `docker system prune`.',
    ],
    [
      /invalid mount config|bind source path does not exist|invalid volume spec|mount denied|failed to mount|error mounting|mount path must be absolute|no such volume|error while mounting volume|create .*: volume name/i,
      'Rejected',
      'BadMount',
    ],
    [
      /unknown or invalid runtime name|unknown runtime|unknown runtime specified|invalid runtime name/i,
      'Rejected',
      'UnknownRuntime',
      'Configure the runtime in the daemon.json of the node.',
    ],
    [/no such image|image .* not found|unable to find image/i, 'ImagePullFailed', 'ImageNotFound'],
    [/invalid container name|invalid reference format/i, 'Rejected', 'InvalidName'],
    [/executable file not found|exec: .*no such file|exec .*no such file/i, 'Rejected', 'CommandNotFound'],
    [/exec .*permission denied|permission denied.*unknown/i, 'Rejected', 'CommandNotExecutable'],
    [/exec format error/i, 'Rejected', 'PlatformMismatch'],
    [/could not select device driver|error gathering device information/i, 'Rejected', 'DeviceUnavailable'],
    [/unable to find user|no matching entries in (passwd|group) file/i, 'Rejected', 'UnknownUser'],
    [
      /unknown log opt|logger: no log driver named|failed to initialize logging driver/i,
      'Rejected',
      'BadLogging',
    ],
    [
      /non-overlapping IPv4 address pool|address pools have been fully subnetted/i,
      'Failed',
      'NoFreeSubnet',
      'Add a pool to "default-address-pools" in the daemon.json of the node, or remove unused networks.',
    ],
    [/network .* not found|could not find network/i, 'Failed', 'NetworkMissing'],
  ];

/** Turns anything thrown by a call of the engine into a RuntimeError with a kind, a reason and a message to act on. */
export function runtimeError(error: unknown, doing: string): RuntimeError {
  if (error instanceof RuntimeError) return error;
  const code = (error as EngineError | null)?.code;
  const status = statusOf(error);
  const text = engineMessage(error);
  if (status === undefined && ((code !== undefined && socketErrors.has(code)) || /socket hang up/.test(text)))
    return new RuntimeError('EngineUnavailable', 'EngineDown', `Docker Engine does not answer: ${text}`, {
      cause: error,
    });
  for (const [pattern, kind, reason, remedy] of known)
    if (pattern.test(text))
      return new RuntimeError(kind, reason, `${doing}: ${text}${remedy === undefined ? '' : ` ${remedy}`}`, {
        cause: error,
      });
  // A 400 is a container that this engine will never take as it is written.
  if (status === 400)
    return new RuntimeError('Rejected', 'RefusedByEngine', `${doing}: ${text}`, { cause: error });
  return new RuntimeError('Failed', 'EngineError', `${doing}: ${text}`, { cause: error });
}
