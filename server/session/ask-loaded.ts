/** How servers ask each other which nodes have loaded all Endpoints. */
import { Agent, request as httpsRequest } from 'node:https';
import { ApiError } from '../../kit/errors.ts';
import type { LoadedQuestion } from './loaded.ts';
import { loadedPath, type GatewayOptions } from './types.ts';

/** Questions to one server at a time; what is asked in one turn of the event loop of one network is one question. */
const maxSockets = 32;
const answerLimit = 1 << 20;

export interface Asker {
  /** Rejects when the server does not answer. */
  ask(url: string, question: LoadedQuestion, signal: AbortSignal): Promise<readonly string[]>;
  close(): void;
}

export function createAsker(tls: NonNullable<GatewayOptions['peerTls']>): Asker {
  const agent = new Agent({ keepAlive: true, maxSockets, minVersion: 'TLSv1.3' });
  return {
    ask: (url, question, signal) =>
      new Promise((resolve, reject) => {
        const body = JSON.stringify(question);
        const headers = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) };
        const sent = httpsRequest(`${url}${loadedPath}`, {
          ...tls(),
          agent,
          method: 'POST',
          headers,
          signal,
        });
        sent.once('error', reject);
        sent.once('response', (answer) => {
          let text = '';
          answer.setEncoding('utf8');
          answer.once('error', reject);
          answer.on('data', (part: string) => {
            text += part;
            if (text.length > answerLimit) sent.destroy(new Error('the answer is too long'));
          });
          answer.once('end', () => {
            try {
              if (answer.statusCode !== 200) throw new Error(`${url} answers ${String(answer.statusCode)}`);
              resolve(nodesOf(JSON.parse(text)));
            } catch (error) {
              reject(error as Error);
            }
          });
        });
        sent.end(body);
      }),
    close: () => agent.destroy(),
  };
}

/** What another server asks. Throws 400. */
export function parseQuestion(value: unknown): LoadedQuestion {
  const { revision } = (value ?? {}) as { revision?: unknown };
  if (!Number.isSafeInteger(revision)) throw new ApiError(400, 'revision: expected a whole number');
  return { revision: Number(revision), nodes: nodesOf(value) };
}

function nodesOf(value: unknown): readonly string[] {
  const { nodes } = (value ?? {}) as { nodes?: unknown };
  if (!Array.isArray(nodes) || !nodes.every((node) => typeof node === 'string'))
    throw new ApiError(400, 'nodes: expected a list of names');
  return nodes;
}
