/**
 * Probes between nodes: DNS queries for `<id>.probe.orc.internal`, padded to a size (RFC 7830), so that they go where
 * names do and need no other port. An answer is small whatever the size of the query: it says that the query arrived.
 * Pure.
 */
import { randomInt } from 'node:crypto';

const name = ['probe', 'orc', 'internal'];
const suffix = Buffer.concat([
  ...name.map((label) => Buffer.from([label.length, ...Buffer.from(label)])),
  Buffer.of(0),
]);
const idBytes = 32;
const headerBytes = 12;
const typeTXT = 16;
const optBytes = 11 + 4;
const questionEnd = headerBytes + 1 + idBytes + suffix.length + 4;

/** IPv4 and UDP. */
export const packetHeaders = 28;
/** Bytes of the smallest packet that is a probe. */
export const smallPacket = packetHeaders + questionEnd + optBytes;

export interface Probe {
  /** Of the check: 32 hexadecimal digits. */
  readonly id: string;
  /** Of this one message. */
  readonly sequence: number;
}

export const newSequence = (): number => randomInt(0x10000);

/** A query that makes an IPv4 packet of so many bytes, or of `smallPacket` when that is more. */
export function probeQuery({ id, sequence }: Probe, packetBytes: number): Buffer {
  const padding = Math.max(0, packetBytes - smallPacket);
  const message = Buffer.alloc(questionEnd + optBytes + padding);
  message.writeUInt16BE(sequence, 0);
  message.writeUInt16BE(1, 4);
  message.writeUInt16BE(1, 10);
  message[headerBytes] = idBytes;
  message.write(id, headerBytes + 1, 'latin1');
  suffix.copy(message, headerBytes + 1 + idBytes);
  message.writeUInt16BE(typeTXT, questionEnd - 4);
  message.writeUInt16BE(1, questionEnd - 2);
  // OPT: root name, type 41, what is taken, nothing more, and the option `padding`.
  message.writeUInt16BE(41, questionEnd + 1);
  message.writeUInt16BE(1232, questionEnd + 3);
  message.writeUInt16BE(4 + padding, questionEnd + 9);
  message.writeUInt16BE(12, questionEnd + 11);
  message.writeUInt16BE(padding, questionEnd + 13);
  return message;
}

/** Undefined: no probe. */
export function readProbe(message: Buffer): Probe | undefined {
  return (message[2] ?? 0x80) < 0x80 ? read(message) : undefined;
}

export function readReply(message: Buffer): Probe | undefined {
  return (message[2] ?? 0) >= 0x80 ? read(message) : undefined;
}

function read(message: Buffer): Probe | undefined {
  if (message.length < questionEnd || message.readUInt16BE(4) !== 1 || message[headerBytes] !== idBytes)
    return undefined;
  const end = headerBytes + 1 + idBytes;
  if (!message.subarray(end, end + suffix.length).equals(suffix)) return undefined;
  const id = message.toString('latin1', headerBytes + 1, end);
  return /^[0-9a-f]{32}$/.test(id) ? { id, sequence: message.readUInt16BE(0) } : undefined;
}

/** NOERROR, without any record. */
export function replyTo(query: Buffer): Buffer {
  const reply = Buffer.from(query.subarray(0, questionEnd));
  reply.writeUInt16BE(0x8400, 2);
  reply.writeUInt16BE(0, 10);
  return reply;
}
