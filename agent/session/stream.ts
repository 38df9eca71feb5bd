import { Writable } from 'node:stream';
import { WebSocket } from 'ws';
import { channel, type StreamEnd } from '../../api-schemas/index.ts';

/** The agent's end of a log or exec stream. */
export interface AgentStream {
  /** Frames of the client: stdin, resize (`{"Width","Height"}`), close. Delivery starts with the handler. */
  onFrame(handler: (channel: number, data: Buffer) => void): void;
  /** Pauses and resumes what `onFrame` gets. */
  pause(): void;
  resume(): void;
  /** Sends what is written on `channel`, no faster than the client reads. Ending it ends nothing else. */
  writable(channel: number): Writable;
  /** Sends the last frame and closes. Idempotent. */
  end(end: StreamEnd): void;
  /** Aborted when the stream is over, whoever ended it. */
  readonly closed: AbortSignal;
}

/** Takes over a socket that is paused. */
export function agentStream(socket: WebSocket): AgentStream {
  const closed = new AbortController();
  socket.once('close', () => closed.abort(new Error('the stream was closed')));
  if (socket.readyState === WebSocket.CLOSED) closed.abort(new Error('the stream was closed'));
  const send = (number: number, data: Uint8Array, done: (error?: Error | null) => void): void => {
    if (socket.readyState !== WebSocket.OPEN) return done(new Error('the stream was closed'));
    socket.send(Buffer.concat([Buffer.of(number), data]), (error) => done(error ?? null));
  };
  let ended = false;
  return {
    onFrame(handler) {
      socket.on('message', (data: Buffer, isBinary) => {
        if (isBinary && data.length > 0) handler(data[0] ?? 0, data.subarray(1));
      });
      socket.resume();
    },
    pause: () => socket.pause(),
    resume: () => socket.resume(),
    writable: (number) =>
      new Writable({
        highWaterMark: 256 << 10,
        write: (chunk: Buffer, _encoding, done) => send(number, chunk, done),
      }),
    end(end) {
      if (ended) return;
      ended = true;
      send(channel.status, Buffer.from(JSON.stringify(end)), () => undefined);
      if (socket.isPaused) socket.resume();
      socket.close(1000);
    },
    closed: closed.signal,
  };
}
