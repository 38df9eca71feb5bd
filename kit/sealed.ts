/**
 * A stream of bytes under a passphrase: scrypt makes the key, AES-256-GCM seals pieces of 64 KiB, each with its
 * number and whether it is the last in its nonce, so that none can be changed, left out, moved or cut off unnoticed
 * (the STREAM construction of Hoang, Reyhanitabar, Rogaway and Vizár, 2015).
 */
import { createCipheriv, createDecipheriv, randomBytes, scrypt, type ScryptOptions } from 'node:crypto';
import { promisify } from 'node:util';

export class SealError extends Error {
  constructor(message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.name = 'SealError';
  }
}

const magic = 'orc-sealed-1';
const pieceBytes = 64 * 1024;
const tagBytes = 16;
const prefixBytes = 7;
/** 128 MiB and about half a second for each guess. (RFC 7914; OWASP asks for N of 2^17 at least.) */
const cost = { N: 2 ** 17, r: 8, p: 1 };
/** What a header may ask for at most: who gives us a file must not choose how much memory we take. */
const maxCost = { N: 2 ** 20, r: 16, p: 4 };
const maxHeaderBytes = 1024;

interface Header {
  readonly format: typeof magic;
  readonly N: number;
  readonly r: number;
  readonly p: number;
  /** Base64. */
  readonly salt: string;
  readonly nonce: string;
}

const derive = promisify<string, Buffer, number, ScryptOptions, Buffer>(scrypt);

const keyOf = (passphrase: string, { N, r, p, salt }: Header): Promise<Buffer> =>
  derive(passphrase.normalize('NFC'), Buffer.from(salt, 'base64'), 32, { N, r, p, maxmem: 256 * N * r });

function nonceOf(prefix: Buffer, index: number, isLast: boolean): Buffer {
  const nonce = Buffer.alloc(12);
  prefix.copy(nonce);
  nonce.writeUInt32BE(index, prefixBytes);
  nonce[11] = isLast ? 1 : 0;
  return nonce;
}

/** Gives a line of JSON, then the sealed pieces. The passphrase may be any text; an empty one is refused. */
export async function* seal(
  source: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  passphrase: string,
): AsyncGenerator<Buffer> {
  if (passphrase === '') throw new SealError('an empty passphrase protects nothing');
  const prefix = randomBytes(prefixBytes);
  const header: Header = {
    format: magic,
    ...cost,
    salt: randomBytes(16).toString('base64'),
    nonce: prefix.toString('base64'),
  };
  const line = Buffer.from(`${JSON.stringify(header)}\n`);
  const key = await keyOf(passphrase, header);
  yield line;
  let index = 0;
  for await (const { piece, isLast } of piecesOf(source, pieceBytes)) {
    const cipher = createCipheriv('aes-256-gcm', key, nonceOf(prefix, index++, isLast));
    // The header is bound to the first piece.
    if (index === 1) cipher.setAAD(line);
    yield Buffer.concat([cipher.update(piece), cipher.final(), cipher.getAuthTag()]);
  }
}

/**
 * Gives what was sealed. Nothing of a piece is given before that piece is checked; only when the stream has ended
 * without a throw was all of it there. Throws SealError.
 */
export async function* unseal(
  source: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  passphrase: string,
): AsyncGenerator<Buffer> {
  const { line, rest } = await firstLine(source);
  const header = readHeader(line);
  const key = await keyOf(passphrase, header);
  const prefix = Buffer.from(header.nonce, 'base64');
  let index = 0;
  for await (const { piece, isLast } of piecesOf(rest, pieceBytes + tagBytes)) {
    const at = index++;
    if (piece.length < tagBytes) throw new SealError('the file is cut off');
    const cipher = createDecipheriv('aes-256-gcm', key, nonceOf(prefix, at, isLast));
    if (at === 0) cipher.setAAD(line);
    cipher.setAuthTag(piece.subarray(piece.length - tagBytes));
    const plain = cipher.update(piece.subarray(0, piece.length - tagBytes));
    try {
      cipher.final();
    } catch (error) {
      throw new SealError(
        at === 0 ? 'the passphrase is wrong, or the file was changed' : 'the file was changed or cut off',
        { cause: error },
      );
    }
    yield plain;
  }
}

function readHeader(line: Buffer): Header {
  try {
    const header = JSON.parse(line.toString('utf8')) as Header;
    const { format, N, r, p, salt, nonce } = header;
    const isSane =
      format === magic &&
      [N, r, p].every(Number.isSafeInteger) &&
      N <= maxCost.N &&
      r <= maxCost.r &&
      p <= maxCost.p &&
      typeof salt === 'string' &&
      Buffer.from(nonce, 'base64').length === prefixBytes;
    if (isSane) return header;
  } catch (error) {
    throw new SealError('this is no sealed file of orc', { cause: error });
  }
  throw new SealError('this is no sealed file of orc, or of a later version');
}

/** Takes the first line, with its end, off a stream. Throws SealError when it is longer than `max` bytes. */
export async function firstLine(
  source: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  max = maxHeaderBytes,
): Promise<{ readonly line: Buffer; readonly rest: AsyncIterable<Uint8Array> }> {
  const iterator =
    Symbol.asyncIterator in source ? source[Symbol.asyncIterator]() : source[Symbol.iterator]();
  let seen = Buffer.alloc(0);
  for (;;) {
    const next = await iterator.next();
    if (next.done === true) throw new SealError('this is no sealed file of orc');
    seen = Buffer.concat([seen, next.value]);
    const end = seen.indexOf(10);
    if (end < 0 && seen.length > max) throw new SealError('this is no sealed file of orc');
    if (end < 0) continue;
    const after = seen.subarray(end + 1);
    const rest = async function* (): AsyncGenerator<Uint8Array> {
      yield after;
      for (let more = await iterator.next(); more.done !== true; more = await iterator.next())
        yield more.value;
    };
    return { line: seen.subarray(0, end + 1), rest: rest() };
  }
}

/** Cuts into pieces of one size; the last is shorter, perhaps empty, and known as the last. */
async function* piecesOf(
  source: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  size: number,
): AsyncGenerator<{ readonly piece: Buffer; readonly isLast: boolean }> {
  let chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of source) {
    chunks.push(chunk);
    length += chunk.length;
    if (length <= size) continue;
    let all = Buffer.concat(chunks);
    // A whole piece may still turn out to be the last.
    for (; all.length > size; all = all.subarray(size)) yield { piece: all.subarray(0, size), isLast: false };
    chunks = [all];
    length = all.length;
  }
  yield { piece: Buffer.concat(chunks), isLast: true };
}
