/** Messages in a TCP stream: each behind two bytes with its length (RFC 1035, 4.2.2). */

/** Puts the length before a message. */
export function frame(message: Buffer): Buffer {
  const length = Buffer.alloc(2);
  length.writeUInt16BE(message.length);
  return Buffer.concat([length, message]);
}

/** Cuts a stream into messages. */
export class Frames {
  readonly #most: number;
  #rest: Buffer = Buffer.alloc(0);

  /** A message may have `most` bytes. */
  constructor(most: number) {
    this.#most = most;
  }

  /** The messages that are whole now. Throws RangeError when one is longer than allowed: the stream is of no use then. */
  push(chunk: Buffer): readonly Buffer[] {
    let rest = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    const messages: Buffer[] = [];
    while (rest.length >= 2) {
      const length = rest.readUInt16BE(0);
      if (length > this.#most) throw new RangeError(`a message of ${length} bytes`);
      if (rest.length < 2 + length) break;
      messages.push(rest.subarray(2, 2 + length));
      rest = rest.subarray(2 + length);
    }
    this.#rest = rest;
    return messages;
  }
}
