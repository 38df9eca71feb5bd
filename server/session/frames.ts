import { WebSocket } from 'ws';

const highWater = 1 << 20;

/** One end of a stream: frames of a channel number and bytes over a WebSocket. */
export interface FrameStream {
  /** Delivery starts with the first handler; nothing is lost before it. */
  onFrame(handler: (channel: number, data: Buffer) => void): void;
  /** False: the peer is slow; wait for `onDrain` before sending more. */
  send(channel: number, data: Uint8Array): boolean;
  onDrain(handler: () => void): void;
  /** Called once, at once when it is closed already; `clean` when the peer closed in good order. */
  onClose(handler: (clean: boolean) => void): void;
  pause(): void;
  resume(): void;
  /** Idempotent. */
  close(): void;
}

/** Takes the socket over. It stays paused until a frame handler is there. */
export function frameStream(socket: WebSocket): FrameStream {
  let drained = (): void => undefined;
  let closed: { readonly clean: boolean } | undefined;
  socket.pause();
  socket.on('error', () => undefined);
  socket.once('close', (code) => {
    closed = { clean: code === 1000 };
  });
  return {
    onFrame(handler) {
      socket.on('message', (data: Buffer, isBinary) => {
        if (isBinary && data.length > 0) handler(data[0] ?? 0, data.subarray(1));
      });
      socket.resume();
    },
    send(channel, data) {
      if (socket.readyState !== WebSocket.OPEN) return true;
      const full = socket.bufferedAmount + data.length > highWater;
      socket.send(Buffer.concat([Buffer.of(channel), data]), () => {
        if (full && socket.bufferedAmount <= highWater) drained();
      });
      return !full;
    },
    onDrain(handler) {
      drained = handler;
    },
    onClose(handler) {
      if (closed !== undefined) return handler(closed.clean);
      socket.once('close', (code) => handler(code === 1000));
    },
    pause: () => socket.pause(),
    resume: () => socket.resume(),
    close() {
      if (socket.isPaused) socket.resume();
      socket.close(1000);
    },
  };
}
