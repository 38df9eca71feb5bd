import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { connect } from 'node:net';
import type { Reach } from '../../api-schemas/index.ts';
import { sleep, type Clock } from '../../kit/clock.ts';
import { messageOf } from '../../kit/errors.ts';
import { newSequence, probeQuery, readReply } from './message.ts';

export interface ProbeTarget {
  /** Gateway address of the peer. */
  readonly gateway: string;
  /** Bytes of the packets to be sent, each apart. */
  readonly sizes: readonly number[];
}

export interface ProbeOutcome {
  /** By size: milliseconds until its answer; a size that is not here was not answered. */
  readonly answered: ReadonlyMap<number, number>;
  /** What the kernel said to a packet that it did not send. */
  readonly error?: string;
}

export interface ProbeOptions {
  readonly id: string;
  /** This node's own address on the network. */
  readonly source: string;
  readonly clock: Clock;
  readonly port?: number;
  /** How long each round waits; what is not answered by then is sent again in the next. */
  readonly rounds?: readonly number[];
}

const defaultRounds = [300, 700, 1_000];
/** Packets sent in one go: a burst of thousands would be lost in a socket's buffer. */
const burst = 32;
const burstMs = 4;

interface Sent {
  readonly target: ProbeTarget;
  readonly size: number;
  readonly atMs: number;
}

/** Sends probes to gateways on one network, several times if need be. Throws what `bind` says. */
export async function probe(
  targets: readonly ProbeTarget[],
  { id, source, clock, port = 53, rounds = defaultRounds }: ProbeOptions,
): Promise<ReadonlyMap<string, ProbeOutcome>> {
  const answered = new Map(targets.map(({ gateway }) => [gateway, new Map<number, number>()]));
  const errors = new Map<string, string>();
  const sent = new Map<string, Sent>();
  let left = targets.reduce((sum, { sizes }) => sum + sizes.length, 0);
  const done = new AbortController();
  const socket = createSocket('udp4');
  socket.on('message', (message, { address }) => {
    const reply = readReply(message);
    const known = reply?.id === id ? sent.get(`${address} ${String(reply.sequence)}`) : undefined;
    const own = answered.get(address);
    if (known === undefined || own === undefined || own.has(known.size)) return;
    own.set(known.size, performance.now() - known.atMs);
    if (--left === 0) done.abort(new Error('all have answered'));
  });
  socket.bind({ address: source, exclusive: true });
  try {
    await once(socket, 'listening');
    socket.on('error', () => undefined);
    for (const waitMs of rounds) {
      if (left === 0) break;
      await send();
      await sleep(clock, waitMs, done.signal).catch(() => undefined);
    }
  } finally {
    socket.close();
  }
  return new Map(
    targets.map(({ gateway }) => {
      const error = errors.get(gateway);
      return [
        gateway,
        { answered: answered.get(gateway) ?? new Map(), ...(error === undefined ? {} : { error }) },
      ];
    }),
  );

  async function send(): Promise<void> {
    let inBurst = 0;
    for (const target of targets)
      for (const size of target.sizes) {
        const { gateway } = target;
        if (answered.get(gateway)?.has(size) === true) continue;
        let sequence = newSequence();
        while (sent.has(`${gateway} ${String(sequence)}`)) sequence = newSequence();
        sent.set(`${gateway} ${String(sequence)}`, { target, size, atMs: performance.now() });
        socket.send(probeQuery({ id, sequence }, size), port, gateway, (error) => {
          if (error !== null) errors.set(gateway, messageOf(error));
        });
        if (++inBurst % burst === 0) await sleep(clock, burstMs);
      }
  }
}

/** The API of a manager; on other nodes nothing listens, and a refusal says as much. */
const apiPort = 6750;
const reachMs = 1_000;

/** Whether the machine with that address answers; a firewall that drops all looks as if it did not. */
export function reachOf(address: string, port = apiPort, waitMs = reachMs): Promise<Reach> {
  return new Promise((resolve) => {
    const socket = connect({ host: address, port, timeout: waitMs });
    const end = (reach: Reach): void => {
      socket.destroy();
      resolve(reach);
    };
    socket.once('connect', () => end('answers'));
    socket.once('timeout', () => end('silent'));
    socket.once('error', ({ code }: NodeJS.ErrnoException) => {
      if (code === 'ECONNREFUSED' || code === 'ECONNRESET') end('answers');
      else end(code === 'ETIMEDOUT' ? 'silent' : 'unreachable');
    });
  });
}
