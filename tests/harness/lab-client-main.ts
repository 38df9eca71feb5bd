/**
 * A machine beside the nodes of a lab, on the same switch: calls the API as its caller says, one JSON object a line on
 * its standard input, one answer a line on its output. See lab-client.ts, which starts it.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { Client, loadContext, type TlsIdentity } from '../../client/index.ts';
import { isConnectionError } from '../../client/errors.ts';
import { isApiError, messageOf } from '../../kit/errors.ts';
import { startProber, type Prober } from './prober.ts';

export interface Call {
  readonly id: number;
  /** `https://host:port` each: the servers that may be asked. */
  readonly endpoints: readonly string[];
  readonly timeoutMs?: number;
  /** Folder of a node's certificate and key, to be used instead of the client's own. */
  readonly pki?: string;
  readonly method: string;
  readonly args: readonly unknown[];
}

export interface Answer {
  readonly id: number;
  readonly result?: unknown;
  readonly error?: { readonly message: string; readonly code: number | string; readonly reason?: string };
  readonly warnings: readonly string[];
}

const [configPath = ''] = process.argv.slice(2);
const { ca, cert = '', key = '' } = await loadContext({ path: configPath });
const tls = { ca, cert, key };

/** Told of to the call that is under way; clients are not shared between calls that last. */
const clients = new Map<string, { readonly client: Client; readonly warnings: string[] }>();
let prober: Prober | undefined;

function identityIn(pki: string): TlsIdentity {
  const read = (name: string): string => readFileSync(join(pki, name), 'utf8');
  return { ca: read('ca.crt'), cert: read('node.crt'), key: read('node.key') };
}

function clientFor({ endpoints, timeoutMs, pki }: Call): {
  readonly client: Client;
  readonly warnings: string[];
} {
  const name = JSON.stringify([endpoints, timeoutMs, pki]);
  const known = clients.get(name);
  if (known !== undefined) return known;
  const warnings: string[] = [];
  const client = new Client({
    endpoints,
    tls: pki === undefined ? tls : identityIn(pki),
    userAgent: 'orc-test',
    requestTimeoutMs: timeoutMs,
    onWarning: (text) => warnings.push(text),
  });
  clients.set(name, { client, warnings });
  return { client, warnings };
}

async function perform(call: Call): Promise<Omit<Answer, 'id'>> {
  if (call.method === 'probe') {
    prober = startProber(call.endpoints, tls);
    return { warnings: [] };
  }
  if (call.method === 'probed') return { result: await prober?.stop(), warnings: [] };
  const { client, warnings } = clientFor(call);
  warnings.length = 0;
  try {
    const method = (client as unknown as Record<string, (...args: readonly unknown[]) => Promise<unknown>>)[
      call.method
    ];
    if (method === undefined) throw new Error(`a client has no method ${call.method}`);
    return {
      result: await method.apply(
        client,
        call.args.map((each) => each ?? undefined),
      ),
      warnings: [...warnings],
    };
  } catch (error) {
    const code = isApiError(error) ? error.code : isConnectionError(error) ? error.code : 'UNKNOWN';
    const reason = isApiError(error) ? { reason: error.reason } : {};
    return { error: { message: messageOf(error), code, ...reason }, warnings: [...warnings] };
  }
}

for await (const line of createInterface({ input: process.stdin })) {
  const call = JSON.parse(line) as Call;
  void perform(call).then((answer) =>
    process.stdout.write(`${JSON.stringify({ id: call.id, ...answer })}\n`),
  );
}
process.exit(0);
