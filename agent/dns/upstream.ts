/** Asks the host's resolvers what is not ours. */
import { randomInt } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { connect, isIPv6 } from 'node:net';
import type { Clock } from '../../kit/clock.ts';
import { frame, Frames } from './frames.ts';
import { isCut, isReply, rcodeOf, rcodes, type Query } from './wire.ts';

export interface UpstreamOptions {
  /** Addresses of the host's resolvers, in order. */
  readonly resolvers: () => Promise<readonly string[]>;
  /** Addresses that lead back to us: asking them would never end. */
  readonly own: () => ReadonlySet<string>;
  readonly clock: Clock;
  readonly port?: number;
  /** For all tries together. Docker's own resolver in a container waits 4 s for us. */
  readonly budgetMs?: number;
}

const leastTries = 2;

/**
 * Returns the answer of the first resolver that has one, as it came; undefined when none has. The query goes out as it
 * was sent, with an id and from a port that nobody can guess, by UDP; by TCP when the answer was cut and the asker
 * itself came by TCP (another comes back by TCP).
 */
export async function askUpstream(
  query: Query,
  via: 'udp' | 'tcp',
  { resolvers, own, clock, port = 53, budgetMs = 3_600 }: UpstreamOptions,
): Promise<Buffer | undefined> {
  const ours = own();
  const servers = (await resolvers()).filter((address) => !ours.has(address));
  const tries = Math.max(leastTries, servers.length);
  let refusal: Buffer | undefined;
  for (let i = 0; i < tries; i++) {
    const server = servers[i % servers.length];
    if (server === undefined) return undefined;
    const to = { server, port, clock, timeoutMs: budgetMs / tries };
    const reply = await askByUDP(query, to);
    const whole = reply !== undefined && isCut(reply) && via === 'tcp' ? await askByTCP(query, to) : reply;
    if (whole === undefined) continue;
    if (rcodeOf(whole) !== rcodes.SERVFAIL && rcodeOf(whole) !== rcodes.REFUSED) return whole;
    refusal = whole;
  }
  return refusal;
}

interface To {
  readonly server: string;
  readonly port: number;
  readonly clock: Clock;
  readonly timeoutMs: number;
}

function withId(query: Query): { readonly id: number; readonly message: Buffer } {
  const id = randomInt(0x10000);
  const message = Buffer.from(query.message);
  message.writeUInt16BE(id, 0);
  return { id, message };
}

/** Undefined: no answer in time, or nobody listens there. */
function askByUDP(query: Query, { server, port, clock, timeoutMs }: To): Promise<Buffer | undefined> {
  return new Promise((resolve) => {
    const { id, message } = withId(query);
    const socket = createSocket(isIPv6(server) ? 'udp6' : 'udp4');
    let isOver = false;
    const end = (reply?: Buffer): void => {
      if (isOver) return;
      isOver = true;
      cancel();
      socket.close();
      resolve(reply);
    };
    const cancel = clock.after(timeoutMs, end);
    socket.on('error', () => end());
    socket.on('message', (reply) => isReply(query, id, reply) && end(reply));
    // Connected, so that the kernel drops what comes from elsewhere, and says when nobody listens.
    socket.on('connect', () => isOver || socket.send(message));
    socket.connect(port, server);
  });
}

function askByTCP(query: Query, { server, port, clock, timeoutMs }: To): Promise<Buffer | undefined> {
  return new Promise((resolve) => {
    const { id, message } = withId(query);
    const socket = connect(port, server);
    const frames = new Frames(0xffff);
    const end = (reply?: Buffer): void => {
      cancel();
      socket.destroy();
      resolve(reply);
    };
    const cancel = clock.after(timeoutMs, end);
    socket.on('error', () => end());
    socket.on('close', () => end());
    socket.on('data', (chunk) => {
      for (const reply of frames.push(chunk)) if (isReply(query, id, reply)) end(reply);
    });
    socket.write(frame(message));
  });
}
