/** A TCP port before another one, which can be cut (as by a crash), or made to swallow all (as by a partition). */
import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';

export class Gate {
  readonly port: number;
  readonly #server: Server;
  readonly #pairs = new Set<readonly [Socket, Socket]>();
  #isSilent = false;

  private constructor(server: Server, port: number) {
    this.#server = server;
    this.port = port;
  }

  /** `target` is asked for each connection: it may come to be known later. */
  static async open(target: () => number): Promise<Gate> {
    const server = createServer();
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const gate = new Gate(server, (server.address() as AddressInfo).port);
    server.on('connection', (near) => gate.#pass(near, target()));
    return gate;
  }

  get url(): string {
    return `https://127.0.0.1:${String(this.port)}`;
  }

  /** All connections break, and there are no new ones. */
  async cut(): Promise<void> {
    const closed = once(this.#server, 'close');
    this.#server.close();
    for (const [near, far] of this.#pairs) {
      near.destroy();
      far.destroy();
    }
    await closed;
  }

  /** Nothing passes any more, and nobody is told. */
  silence(): void {
    this.#isSilent = true;
    for (const pair of this.#pairs) for (const socket of pair) socket.unpipe().pause();
  }

  /** What was held back passes, and what comes. */
  restore(): void {
    this.#isSilent = false;
    for (const pair of this.#pairs) join(pair);
  }

  #pass(near: Socket, port: number): void {
    const pair = [near, connect(port, '127.0.0.1')] as const;
    this.#pairs.add(pair);
    for (const [socket, other] of [pair, [pair[1], pair[0]] as const]) {
      socket.on('error', () => undefined);
      socket.once('close', () => {
        this.#pairs.delete(pair);
        other.destroy();
      });
    }
    if (!this.#isSilent) join(pair);
  }
}

function join([near, far]: readonly [Socket, Socket]): void {
  near.pipe(far);
  far.pipe(near);
}
