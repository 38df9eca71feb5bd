import { randomBytes } from 'node:crypto';
import type { WebSocket } from 'ws';
import type { NetCheckRequest, StreamRequest, Task } from '../../api-schemas/index.ts';
import type { Clock } from '../../kit/clock.ts';
import { ApiError } from '../../kit/errors.ts';
import { frameStream, type FrameStream } from './frames.ts';
import type { NodeSession } from './node-session.ts';

interface Waiting {
  readonly node: string;
  readonly accept: (stream: FrameStream) => void;
}

const dialWithinMs = 10_000;

/** Streams that agents have been asked to dial. An id is good once, for one node, for 10 s. */
export class Streams {
  readonly #clock: Clock;
  readonly #sessionOf: (node: string) => NodeSession | undefined;
  readonly #recordedServer: (node: string) => string;
  readonly #waiting = new Map<string, Waiting>();
  readonly #open = new Set<FrameStream>();

  constructor(
    clock: Clock,
    sessionOf: (node: string) => NodeSession | undefined,
    /** The server that the Node object names; empty when it names none. */
    recordedServer: (node: string) => string,
  ) {
    this.#recordedServer = recordedServer;
    this.#clock = clock;
    this.#sessionOf = sessionOf;
  }

  get size(): number {
    return this.#waiting.size + this.#open.size;
  }

  /** The agent of the task serves it. */
  open(task: Task, request: StreamRequest, signal?: AbortSignal): Promise<FrameStream> {
    const { name, uid = '' } = task.metadata;
    const node = task.spec.nodeName;
    if (node === undefined || node === '') {
      const why = task.status?.message ?? task.status?.reason ?? 'the scheduler has not placed it';
      return Promise.reject(new ApiError(400, `task ${name} is on no node yet: ${why}`));
    }
    return this.#dialled(node, `node ${node}, which has task ${name},`, uid, request, signal);
  }

  /** The agent of the node serves it. */
  openOn(node: string, request: NetCheckRequest, signal?: AbortSignal): Promise<FrameStream> {
    return this.#dialled(node, `node ${node}`, '', request, signal);
  }

  #dialled(
    node: string,
    which: string,
    taskUID: string,
    request: StreamRequest,
    signal?: AbortSignal,
  ): Promise<FrameStream> {
    const session = this.#sessionOf(node);
    if (session === undefined) return Promise.reject(this.#noSession(node, which));
    const id = randomBytes(16).toString('hex');
    return new Promise((resolve, reject) => {
      const settle = (): void => {
        this.#waiting.delete(id);
        cancel();
        signal?.removeEventListener('abort', onAbort);
        session.signal.removeEventListener('abort', onLost);
      };
      const fail = (error: Error): void => {
        settle();
        reject(error);
      };
      const onAbort = (): void => fail(signal?.reason as Error);
      const onLost = (): void => fail(new ApiError(503, `node ${node} lost its session`));
      const cancel = this.#clock.after(dialWithinMs, () =>
        fail(new ApiError(504, `node ${node} did not answer within ${String(dialWithinMs / 1000)}s`)),
      );
      if (signal?.aborted) return onAbort();
      signal?.addEventListener('abort', onAbort, { once: true });
      session.signal.addEventListener('abort', onLost, { once: true });
      const accept = (stream: FrameStream): void => {
        settle();
        resolve(stream);
      };
      this.#waiting.set(id, { node, accept });
      session.requestStream(id, taskUID, request);
    });
  }

  #noSession(node: string, which: string): ApiError {
    const server = this.#recordedServer(node);
    if (server === '') return new ApiError(503, `${which} is not connected to any server`);
    // It goes from one server to another, or this one has just started: soon it will be known where it is.
    const details = { retryAfterSeconds: 1 };
    return new ApiError(503, `${which} is not connected to this server; ${server} had it last`, { details });
  }

  /** Whether the node may dial this id now. */
  expects(id: string, node: string): boolean {
    return this.#waiting.get(id)?.node === node;
  }

  accept(id: string, node: string, socket: WebSocket): void {
    const waiting = this.#waiting.get(id);
    if (waiting?.node !== node) return socket.close(1008, 'this stream is not expected');
    this.#waiting.delete(id);
    const stream = frameStream(socket);
    this.#open.add(stream);
    stream.onClose(() => this.#open.delete(stream));
    waiting.accept(stream);
  }

  closeAll(): void {
    for (const stream of this.#open) stream.close();
  }
}
