import type * as dgram from 'node:dgram';
import type * as dns from 'node:dns';
import type * as net from 'node:net';

/** What the program is given on its standard input. */
export interface ProgramInput {
  readonly names: readonly string[];
  readonly connects: readonly {
    readonly ip: string;
    readonly port: number;
    readonly protocol: 'tcp' | 'udp';
  }[];
  /** At once. */
  readonly parallel: number;
  readonly waitMs: number;
}

/** `silent`: nothing came back in time. `mute`: a datagram was taken, or lost: nobody can tell. Else a code of the kernel. */
export type Connected = 'open' | 'refused' | 'silent' | 'mute' | { readonly code: string };
export type Looked = { readonly ips: readonly string[] } | { readonly code: string };

export interface ProgramOutput {
  readonly names: readonly Looked[];
  readonly connects: readonly Connected[];
}

/**
 * Asks the container's own resolver for names and connects to addresses, many at once, and prints what came. It runs in
 * the network namespace of a container, from its own text, so it uses nothing but `load` and what is in Node.
 */
export function netcheckProgram(load: NodeJS.Require): void {
  const { Resolver } = (load('node:dns') as typeof dns).promises;
  const { connect } = load('node:net') as typeof net;
  const { createSocket } = load('node:dgram') as typeof dgram;
  const parts: Buffer[] = [];
  process.stdin.on('data', (part: Buffer) => parts.push(part));
  process.stdin.on('end', () => void main(JSON.parse(Buffer.concat(parts).toString('utf8')) as ProgramInput));

  async function main({ names, connects, parallel, waitMs }: ProgramInput): Promise<void> {
    // The engine's, which passes on to that of orc: as any program in the container asks.
    const resolver = new Resolver({ timeout: waitMs, tries: 2 });
    resolver.setServers(['127.0.0.11']);
    const looked = await inParallel(names, parallel, (name) =>
      resolver.resolve4(name).then(
        (ips) => ({ ips }),
        ({ code }: NodeJS.ErrnoException) => ({ code: code ?? 'failed' }),
      ),
    );
    const connected = await inParallel(connects, parallel, (to) =>
      to.protocol === 'udp' ? send(to.ip, to.port, waitMs) : open(to.ip, to.port, waitMs),
    );
    process.stdout.write(JSON.stringify({ names: looked, connects: connected }), () => process.exit(0));
  }

  async function inParallel<T, R>(
    items: readonly T[],
    parallel: number,
    job: (item: T) => Promise<R>,
  ): Promise<R[]> {
    const results: R[] = [];
    let next = 0;
    const worker = async (): Promise<void> => {
      for (let at = next++; at < items.length; at = next++) results[at] = await job(items[at] as T);
    };
    await Promise.all(Array.from({ length: parallel }, worker));
    return results;
  }

  function open(host: string, port: number, waitMs: number): Promise<Connected> {
    return new Promise((resolve) => {
      const socket = connect({ host, port, timeout: waitMs });
      const end = (how: Connected): void => {
        socket.destroy();
        resolve(how);
      };
      socket.once('connect', () => end('open'));
      socket.once('timeout', () => end('silent'));
      socket.once('error', ({ code = 'failed' }: NodeJS.ErrnoException) =>
        end(code === 'ECONNREFUSED' ? 'refused' : code === 'ETIMEDOUT' ? 'silent' : { code }),
      );
    });
  }

  /** An empty datagram: where nobody listens, the kernel there says so; else nothing can be told. */
  function send(host: string, port: number, waitMs: number): Promise<Connected> {
    return new Promise((resolve) => {
      const socket = createSocket(host.includes(':') ? 'udp6' : 'udp4');
      const end = (how: Connected): void => {
        clearTimeout(timer);
        socket.close();
        resolve(how);
      };
      const timer = setTimeout(() => end('mute'), Math.min(500, waitMs));
      socket.once('error', ({ code = 'failed' }: NodeJS.ErrnoException) =>
        end(code === 'ECONNREFUSED' ? 'refused' : { code }),
      );
      socket.connect(port, host, () => socket.send(''));
    });
  }
}

/** Arguments that run the program. */
export const programArgv: readonly string[] = [
  process.execPath,
  '--no-warnings',
  '--max-old-space-size=64',
  '-e',
  `(${netcheckProgram.toString()})(require)`,
];
