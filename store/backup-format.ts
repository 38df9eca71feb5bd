/**
 * A backup as bytes: records of a kind (one byte), a length (4 bytes, big-endian) and a body.
 *
 *   H  {"format":"orc-backup","version":1,…}   once, first
 *   K  length of the key (4 bytes), key, value  for each key, in their order
 *   E  {"keys":…,"sha256":"…"}                  once, last: the digest of all bytes before it
 *
 * What ends without E was cut short; what follows E does not belong to it.
 */
import { createHash } from 'node:crypto';

export interface BackupHeader {
  /** Of the etcd cluster that it was made of; what is restored gets another. */
  readonly clusterId: string;
  /** All keys are as they were at this revision. */
  readonly revision: number;
  /** RFC 3339. */
  readonly createdAt: string;
}

export interface BackupEntry {
  readonly key: Buffer;
  readonly value: Buffer;
}

export interface BackupSummary extends BackupHeader {
  readonly keys: number;
  readonly sha256: string;
}

export type BackupRecord =
  | { readonly kind: 'header'; readonly header: BackupHeader }
  | { readonly kind: 'entry'; readonly entry: BackupEntry }
  | { readonly kind: 'end'; readonly summary: BackupSummary };

/** The file is no backup, or not a whole one; the message says which. */
export class BackupError extends Error {
  constructor(message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.name = 'BackupError';
  }
}

const format = 'orc-backup';
const version = 1;
const kinds = { header: 0x48, entry: 0x4b, end: 0x45 } as const;
const headBytes = 5;
/** Far above what etcd stores under one key. */
const maxBodyBytes = 64 * 1024 * 1024;

function record(kind: number, body: readonly Buffer[]): Buffer {
  const head = Buffer.alloc(headBytes);
  head.writeUInt8(kind, 0);
  head.writeUInt32BE(
    body.reduce((sum, part) => sum + part.length, 0),
    1,
  );
  return Buffer.concat([head, ...body]);
}

const json = (value: object): Buffer => Buffer.from(JSON.stringify(value));

/** Writes one backup: `header`, then entries, then `end`. */
export class BackupEncoder {
  readonly #digest = createHash('sha256');
  #keys = 0;

  header(header: BackupHeader): Buffer {
    return this.#digested(record(kinds.header, [json({ format, version, ...header })]));
  }

  /** Many entries are one buffer, so that a reader is not given crumbs. */
  entries(entries: readonly BackupEntry[]): Buffer {
    this.#keys += entries.length;
    const parts = entries.map(({ key, value }) => {
      const length = Buffer.alloc(4);
      length.writeUInt32BE(key.length);
      return record(kinds.entry, [length, key, value]);
    });
    return this.#digested(Buffer.concat(parts));
  }

  end(): Buffer {
    return record(kinds.end, [json({ keys: this.#keys, sha256: this.#digest.digest('hex') })]);
  }

  #digested(bytes: Buffer): Buffer {
    this.#digest.update(bytes);
    return bytes;
  }
}

/**
 * Reads a backup, record by record, and throws BackupError for what is not one. Only when `end` has come is it
 * known that what came before is whole and as it was written.
 */
export async function* readBackup(source: AsyncIterable<Uint8Array>): AsyncGenerator<BackupRecord, void> {
  const digest = createHash('sha256');
  let header: BackupHeader | undefined;
  let keys = 0;
  let ended = false;
  for await (const { kind, body, bytes } of frames(source)) {
    if (ended) throw new BackupError('The backup is damaged: something follows its end');
    if (header === undefined) {
      header = headerOf(kind, body);
      digest.update(bytes);
      yield { kind: 'header', header };
    } else if (kind === kinds.entry) {
      keys++;
      digest.update(bytes);
      yield { kind: 'entry', entry: entryOf(body) };
    } else if (kind === kinds.end) {
      const end = parse<{ keys: number; sha256: string }>(body);
      const sha256 = digest.digest('hex');
      if (end.sha256 !== sha256 || end.keys !== keys)
        throw new BackupError(
          'The backup is damaged: its digest is not that of its content. Use another one',
        );
      ended = true;
      yield { kind: 'end', summary: { ...header, keys, sha256 } };
    } else throw new BackupError('The backup is damaged: it has a record of no known kind. Use another one');
  }
  if (!ended) throw new BackupError('The backup is not whole: its end is missing. Use another one');
}

interface Frame {
  readonly kind: number;
  readonly body: Buffer;
  /** All of the record. */
  readonly bytes: Buffer;
}

/** Whole records; what is left at the end is an error, as it was cut short. */
async function* frames(source: AsyncIterable<Uint8Array>): AsyncGenerator<Frame, void> {
  let rest: Buffer = Buffer.alloc(0);
  for await (const chunk of source) {
    rest = Buffer.concat([rest, chunk]);
    let at = 0;
    while (rest.length - at >= headBytes) {
      const kind = rest.readUInt8(at);
      const length = rest.readUInt32BE(at + 1);
      if (!Object.values<number>(kinds).includes(kind) || length > maxBodyBytes) throw notOne();
      const end = at + headBytes + length;
      if (rest.length < end) break;
      yield { kind, body: rest.subarray(at + headBytes, end), bytes: rest.subarray(at, end) };
      at = end;
    }
    rest = rest.subarray(at);
  }
  if (rest.length > 0)
    throw new BackupError('The backup is not whole: it ends within a record. Use another one');
}

function headerOf(kind: number, body: Buffer): BackupHeader {
  if (kind !== kinds.header) throw notOne();
  const {
    format: is,
    version: has,
    ...header
  } = parse<BackupHeader & { format: string; version: number }>(body);
  if (is !== format) throw notOne();
  if (has > version)
    throw new BackupError(`The backup is of a later version of orc (format ${has}): restore it with that`);
  return header;
}

function entryOf(body: Buffer): BackupEntry {
  const length = body.length < 4 ? Infinity : body.readUInt32BE(0);
  if (4 + length > body.length) throw notOne();
  return { key: body.subarray(4, 4 + length), value: body.subarray(4 + length) };
}

function parse<T>(body: Buffer): T {
  try {
    return JSON.parse(body.toString('utf8')) as T;
  } catch (cause) {
    throw new BackupError('The backup is damaged. Use another one', { cause });
  }
}

const notOne = (): BackupError => new BackupError('This is no backup of orc, or a damaged one');
