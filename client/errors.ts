import { ApiError, type Status } from '../kit/errors.ts';
import { untrusted } from './expired.ts';

/** The server was not reached, or the connection broke: nothing is known of what became of the request. */
export class ConnectionError extends Error {
  readonly endpoint: string;
  /** Node's or OpenSSL's code, e.g. `ECONNREFUSED`, `CERT_HAS_EXPIRED`. */
  readonly code: string;
  /** True when the request cannot have reached a server, so that repeating it is safe. */
  readonly notSent: boolean;
  /** The message without advice, for who has no context to choose. */
  readonly bare: string;

  constructor(
    endpoint: string,
    code: string,
    message: string,
    options: { notSent: boolean; bare?: string; cause?: unknown },
  ) {
    super(message, { cause: options.cause });
    this.name = 'ConnectionError';
    this.endpoint = endpoint;
    this.code = code;
    this.notSent = options.notSent;
    this.bare = options.bare ?? message;
  }
}

/** OpenSSL's words for a server that lets in nobody without a certificate that it knows. */
const certificateWanted =
  /^ERR_SSL_(TLSV13_ALERT_CERTIFICATE_REQUIRED|SSLV3_ALERT_(BAD|UNKNOWN)?_?CERTIFICATE.*)$/;

/** What is wrong, and what may be done about it where there is a context. */
function explain(code: string, message: string): readonly [what: string, advice?: string] {
  if (untrusted.has(code))
    return [
      'its certificate is not signed by the CA of this context',
      'another cluster answers there, this cluster was made anew, or its CA was replaced; `orc up` on a manager writes a fresh context',
    ];
  if (certificateWanted.test(code))
    return [
      'it wants a certificate before all else, as etcd does: this is not the port of the API, which is 6750 unless it was changed',
    ];
  switch (code) {
    case 'ECONNREFUSED':
      return [
        'connection refused',
        'is `orc up` running? If it listens elsewhere, choose another context with --context or $ORC_CONFIG',
      ];
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return ['no such host', 'check the server address of this context'];
    case 'ETIMEDOUT':
    case 'EHOSTUNREACH':
    case 'ENETUNREACH':
      return [
        code === 'ETIMEDOUT' ? 'no answer in time' : 'no route',
        'check that the machine is up, and that no firewall is between',
      ];
    case 'CERT_HAS_EXPIRED':
    case 'CERT_NOT_YET_VALID':
      return [
        'its certificate is not valid now',
        'check the clocks of both machines; a restart of the server renews its certificate',
      ];
    case 'ERR_TLS_CERT_ALTNAME_INVALID':
      return [
        'its certificate is for other names',
        `${message}; start the server with this address in --listen, or use one of the names`,
      ];
    case 'EPROTO':
      return ['it does not speak TLS 1.3', 'is that port really the orc server’s?'];
    case 'ECONNRESET':
    case 'EPIPE':
      return ['the connection broke', 'the server may be restarting; try again'];
    default:
      return [message];
  }
}

const beforeSending = new Set([
  'ECONNREFUSED',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'EPROTO',
]);

/** What a user should read of a failed connection: where to, why, and the remedy. */
export function connectionError(endpoint: string, error: unknown, connected: boolean): ConnectionError {
  const { code: known, message = String(error) } = error as { code?: unknown; message?: string };
  const code = typeof known === 'string' ? known : 'UNKNOWN';
  const [what, advice] = explain(code, message);
  const bare = `cannot reach the orc server at ${endpoint} (${what})`;
  return new ConnectionError(endpoint, code, advice === undefined ? bare : `${bare}: ${advice}`, {
    notSent: !connected || beforeSending.has(code),
    bare,
    cause: error,
  });
}

export const isConnectionError = (error: unknown): error is ConnectionError =>
  error instanceof ConnectionError;

const isStatus = (value: unknown): value is Status =>
  typeof value === 'object' && value !== null && (value as { kind?: unknown }).kind === 'Status';

/** The ApiError that a failed answer stands for; `body` is its text, a `Status` or not. */
export function errorOfBody(code: number, body: string): ApiError {
  let parsed: unknown;
  try {
    parsed = JSON.parse(body);
  } catch {
    parsed = undefined;
  }
  return isStatus(parsed)
    ? errorOfStatus(parsed, code)
    : new ApiError(code, body.trim().slice(0, 500) || `the server answered ${String(code)}`);
}

export function errorOfStatus(status: Status, code = 500): ApiError {
  return new ApiError(status.code ?? code, status.message ?? 'the server gave no reason', {
    ...(status.reason === undefined ? {} : { reason: status.reason }),
    ...(status.details === undefined ? {} : { details: status.details }),
  });
}
