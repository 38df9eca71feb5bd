import { PassThrough, type Duplex, type Readable } from 'node:stream';

const headerLength = 8;

/**
 * Splits the engine's multiplexed stream (8-byte header: kind, 3 zeros, length) into stdout and stderr, waiting for
 * slow readers. With a terminal there are no headers and all is stdout.
 */
export function demux(source: Readable, tty: boolean): { stdout: Readable; stderr: Readable } {
  const stdout = new PassThrough();
  const stderr = new PassThrough();
  const copy = tty ? raw(source, stdout) : frames(source, stdout, stderr);
  copy.then(
    () => (stdout.end(), stderr.end()),
    (error: Error) => (stdout.destroy(error), stderr.destroy(error)),
  );
  // A reader that leaves ends the source, else a follower would live on in the engine.
  for (const out of [stdout, stderr]) out.on('close', () => out.readableEnded || source.destroy());
  return { stdout, stderr };
}

async function raw(source: Readable, out: PassThrough): Promise<void> {
  for await (const chunk of source) await write(out, chunk as Buffer);
}

async function frames(source: Readable, stdout: PassThrough, stderr: PassThrough): Promise<void> {
  let pending: Buffer = Buffer.alloc(0);
  for await (const chunk of source) {
    pending = pending.length === 0 ? (chunk as Buffer) : Buffer.concat([pending, chunk as Buffer]);
    while (pending.length >= headerLength) {
      const end = headerLength + pending.readUInt32BE(4);
      if (pending.length < end) break;
      await write(pending[0] === 2 ? stderr : stdout, pending.subarray(headerLength, end));
      pending = pending.subarray(end);
    }
  }
}

function write(out: PassThrough, chunk: Buffer): Promise<void> | undefined {
  if (out.destroyed || out.write(chunk)) return undefined;
  return new Promise((resolve) => {
    const done = (): void => {
      out.off('drain', done).off('close', done);
      resolve();
    };
    out.on('drain', done).on('close', done);
  });
}

/** dockerode types its hijacked socket loosely. */
export const asDuplex = (stream: NodeJS.ReadWriteStream): Duplex => stream as unknown as Duplex;
