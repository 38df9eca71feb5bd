/** Protobuf's wire format: a writer that fills its buffer from the end, and a reader. */

const twoTo32 = 2 ** 32;

/**
 * Writes fields last to first, so that the length of a nested message is known when its header is written.
 * A field's bytes come before its tag is written: `const end = w.position; …fields…; w.close(field, end)`.
 */
export class ProtoWriter {
  #buffer: Buffer;
  position: number;

  constructor(sizeHint: number) {
    this.#buffer = Buffer.allocUnsafe(Math.max(64, sizeHint));
    this.position = this.#buffer.length;
  }

  /** The message so far, as a view of the writer's buffer. */
  finish(): Buffer {
    return this.#buffer.subarray(this.position);
  }

  /** Gives what was written since `end` its length and tag. */
  close(field: number, end: number): void {
    this.#header(field, end - this.position);
  }

  /** Left out when zero, unless `always` (a member of a oneof). */
  int64(field: number, value: number, always = false): void {
    if (value === 0 && !always) return;
    this.#room(20);
    this.#varint(value);
    this.#varint(field << 3);
  }

  bigInt64(field: number, value: bigint): void {
    this.#room(20);
    const bytes: number[] = [];
    let rest = BigInt.asUintN(64, value);
    do {
      bytes.push(Number(rest & 0x7fn) | (rest > 0x7fn ? 0x80 : 0));
      rest >>= 7n;
    } while (rest > 0n);
    this.position -= bytes.length;
    this.#buffer.set(bytes, this.position);
    this.#varint(field << 3);
  }

  text(field: number, value: string): void {
    const length = Buffer.byteLength(value);
    this.#room(length);
    this.position -= length;
    this.#buffer.write(value, this.position, length, 'utf8');
    this.#header(field, length);
  }

  bytes(field: number, value: Buffer | string): void {
    if (typeof value === 'string') return this.text(field, value);
    this.#room(value.length);
    this.position -= value.length;
    value.copy(this.#buffer, this.position);
    this.#header(field, value.length);
  }

  #header(field: number, length: number): void {
    this.#room(20);
    this.#varint(length);
    this.#varint((field << 3) | 2);
  }

  #varint(value: number): void {
    let size = 1;
    for (let rest = value; rest >= 128; rest = Math.floor(rest / 128)) size++;
    this.position -= size;
    let at = this.position;
    let rest = value;
    for (; rest >= twoTo32; rest = Math.floor(rest / 128)) this.#buffer[at++] = (rest % 128) | 128;
    for (; rest >= 128; rest >>>= 7) this.#buffer[at++] = (rest & 127) | 128;
    this.#buffer[at] = rest;
  }

  #room(bytes: number): void {
    if (this.position >= bytes) return;
    throw new RangeError('The size hint of a message was too small');
  }
}

/** Reads one message; `skip` what is unknown. */
export class ProtoReader {
  readonly #data: Buffer;
  #at = 0;
  #wireType = 0;

  constructor(data: Buffer) {
    this.#data = data;
  }

  /** Calls `onField` for each field up to `end`; it must read the field's value or `skip` it. */
  fields(end: number, onField: (field: number) => void): void {
    while (this.#at < end) {
      const tag = this.number();
      this.#wireType = tag & 7;
      onField(tag >>> 3);
    }
  }

  /** The same for the fields of a nested message. */
  message(onField: (field: number) => void): void {
    this.fields(this.end(), onField);
  }

  /** Reads a length and returns where the nested value ends. */
  end(): number {
    const length = this.number();
    return this.#at + length;
  }

  /** A varint, exact up to 2^53. */
  number(): number {
    const data = this.#data;
    let byte = data[this.#at++] as number;
    if (byte < 128) return byte;
    let value = byte & 127;
    let scale = 128;
    do {
      byte = data[this.#at++] as number;
      value += (byte & 127) * scale;
      scale *= 128;
    } while (byte >= 128);
    return value;
  }

  bigInt(): bigint {
    let value = 0n;
    for (let shift = 0n; ; shift += 7n) {
      const byte = this.#data[this.#at++] as number;
      value |= BigInt(byte & 127) << shift;
      if (byte < 128) return value;
    }
  }

  text(): string {
    const end = this.end();
    const value = this.#data.toString('utf8', this.#at, end);
    this.#at = end;
    return value;
  }

  /** A view of the message's buffer. */
  bytes(): Buffer {
    const end = this.end();
    const value = this.#data.subarray(this.#at, end);
    this.#at = end;
    return value;
  }

  skip(): void {
    if (this.#wireType === 0) this.number();
    else if (this.#wireType === 1) this.#at += 8;
    else if (this.#wireType === 2) this.#at = this.end();
    else if (this.#wireType === 5) this.#at += 4;
    else throw new Error(`etcd sent a field of unknown wire type ${this.#wireType}`);
  }
}
