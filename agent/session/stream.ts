import type { WebSocket } from 'ws';

/** The agent's end of a log or exec stream: binary frames whose first byte is the channel. */
export interface AgentStream {
  /** `done` is called when the connection has taken the frame: wait for it before sending more. */
  send(data: Uint8Array, done: (error?: Error | null) => void): void;
  /** A `message` listener that is set right after `openStream` resolved misses nothing. */
  on(event: 'message', listener: (data: Buffer) => void): unknown;
  on(event: 'close', listener: () => void): unknown;
  /** Ends the stream in good order. Idempotent. */
  close(): void;
}

/** Holds frames back until the caller of `openStream` has had its turn. To be called before it is open. */
export function holdFrames(socket: WebSocket): void {
  socket.once('open', () => {
    socket.pause();
    setImmediate(() => socket.resume());
  });
}

export function agentStream(socket: WebSocket): AgentStream {
  return {
    send: (data, done) => socket.send(data, (error) => done(error ?? null)),
    on: (event: 'message' | 'close', listener: (data: Buffer) => void) => socket.on(event, listener),
    close: () => socket.close(1000),
  };
}
