/** Whether a machine that is to be a manager is reached at the addresses it says. */
import { connect } from 'node:tls';
import { ApiError, messageOf } from '../../kit/errors.ts';
import { text } from './input.ts';
import type { ClusterCall, ClusterOptions } from './types.ts';

const timeoutMs = 3_000;

export interface ReachAnswer {
  /** Absent: it is reached. */
  readonly why?: string;
}

/** Dials the `url` of the body, `https://host:port`; sends nothing. */
export async function reach(
  { ca, trust, nodeName }: ClusterOptions,
  { body }: Pick<ClusterCall, 'body'>,
): Promise<ReachAnswer> {
  const url = text(await body(), 'url');
  if (!URL.canParse(url) || !url.startsWith('https://'))
    throw new ApiError(400, `url: expected https://HOST:PORT, got "${url}"`);
  try {
    await dial(new URL(url), trust?.() ?? ca().cert);
    return {};
  } catch (error) {
    return { why: `${url} is not reached from ${nodeName} (${wordsFor(error)})` };
  }
}

/** A certificate of the cluster for that address must answer there: another machine's is not meant. */
function dial({ hostname, port }: URL, ca: string): Promise<void> {
  const host = hostname.replace(/^\[(.*)\]$/, '$1');
  return new Promise((resolve, reject) => {
    const socket = connect({ host, port: Number(port || 443), ca, minVersion: 'TLSv1.3' });
    socket.setTimeout(timeoutMs, () => socket.destroy(new Error('no answer in time')));
    socket.once('error', reject);
    socket.once('secureConnect', () => {
      socket.destroy();
      resolve();
    });
  });
}

function wordsFor(error: unknown): string {
  const { code } = error as NodeJS.ErrnoException;
  switch (code) {
    case 'ECONNREFUSED':
      return 'connection refused';
    case 'EHOSTUNREACH':
    case 'ENETUNREACH':
      return 'no route';
    case 'ERR_TLS_CERT_ALTNAME_INVALID':
      return 'another machine answers there';
    default:
      return messageOf(error);
  }
}
