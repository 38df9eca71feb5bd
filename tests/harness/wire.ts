/** What went over a network, from tcpdump's file: each direction of each TCP connection, as its receiver read it. */
import { readFileSync } from 'node:fs';

export interface Flow {
  /** `address:port` */
  readonly from: string;
  readonly to: string;
  readonly fromPort: number;
  readonly toPort: number;
  /** From the first byte to the first one that the capture has not. */
  readonly bytes: Buffer;
}

interface Segment {
  readonly from: string;
  readonly to: string;
  readonly fromPort: number;
  readonly toPort: number;
  readonly sequence: number;
  readonly isSyn: boolean;
  readonly payload: Buffer;
}

const fileHeader = 24;
const packetHeader = 16;
const ethernetHeader = 14;

/** All flows in the file; those whose beginning was not captured are left out. */
export function readFlows(file: string): readonly Flow[] {
  const byName = new Map<string, { readonly first: Segment; readonly pieces: Map<number, Buffer> }>();
  for (const segment of segmentsOf(readFileSync(file))) {
    const name = `${segment.from} ${segment.to}`;
    if (segment.isSyn) {
      // The same ports again are another connection.
      const known = byName.get(name);
      if (known !== undefined && known.first.sequence === segment.sequence) continue;
      if (known !== undefined) byName.set(`${name} ${byName.size}`, known);
      byName.set(name, { first: segment, pieces: new Map() });
      continue;
    }
    const flow = byName.get(name);
    if (flow === undefined || segment.payload.length === 0) continue;
    const offset = (segment.sequence - flow.first.sequence - 1) >>> 0;
    const known = flow.pieces.get(offset);
    if (known === undefined || known.length < segment.payload.length)
      flow.pieces.set(offset, segment.payload);
  }
  return [...byName.values()].map(({ first: { from, to, fromPort, toPort }, pieces }) => ({
    ...{ from, to, fromPort, toPort },
    bytes: inOrder(pieces),
  }));
}

function inOrder(pieces: ReadonlyMap<number, Buffer>): Buffer {
  const parts: Buffer[] = [];
  let end = 0;
  for (const [offset, piece] of [...pieces].sort(([a], [b]) => a - b)) {
    if (offset > end) break;
    if (offset + piece.length <= end) continue;
    parts.push(piece.subarray(end - offset));
    end = offset + piece.length;
  }
  return Buffer.concat(parts);
}

/** TCP over IPv4 over Ethernet; everything else is left out. */
function* segmentsOf(file: Buffer): Generator<Segment> {
  if (file.readUInt32LE(0) !== 0xa1b2c3d4 || file.readUInt32LE(20) !== 1)
    throw new Error('not a capture of Ethernet in the byte order of this machine');
  let at = fileHeader;
  while (at + packetHeader <= file.length) {
    const length = file.readUInt32LE(at + 8);
    const packet = file.subarray(at + packetHeader, at + packetHeader + length);
    at += packetHeader + length;
    const segment = segmentOf(packet);
    if (segment !== undefined) yield segment;
  }
}

function segmentOf(packet: Buffer): Segment | undefined {
  if (packet.length < ethernetHeader + 20 || packet.readUInt16BE(12) !== 0x0800) return undefined;
  const ip = packet.subarray(ethernetHeader);
  if (ip[9] !== 6) return undefined;
  const tcp = ip.subarray((ip.readUInt8(0) & 15) * 4, ip.readUInt16BE(2));
  if (tcp.length < 20) return undefined;
  const [fromPort, toPort] = [tcp.readUInt16BE(0), tcp.readUInt16BE(2)];
  return {
    from: `${ip.subarray(12, 16).join('.')}:${fromPort}`,
    to: `${ip.subarray(16, 20).join('.')}:${toPort}`,
    fromPort,
    toPort,
    sequence: tcp.readUInt32BE(4),
    isSyn: (tcp.readUInt8(13) & 2) !== 0,
    payload: tcp.subarray((tcp.readUInt8(12) >> 4) * 4),
  };
}

const handshake = 22;
const serverHello = 2;
const supportedVersions = 43;

/**
 * The version of TLS that the server chose, e.g. `1.3`, from what it sent first; undefined when that is no
 * `ServerHello`. (RFC 8446: 1.3 is only ever said in the extension; the old field stays at 1.2.)
 */
export function tlsVersionOf(bytes: Buffer): string | undefined {
  if (bytes.length < 48 || bytes[0] !== handshake || bytes[5] !== serverHello) return undefined;
  const hello = bytes.subarray(9); // past the record's and the message's header
  const session = hello.readUInt8(34);
  let at = 35 + session + 3; // version, random, session id, cipher suite, compression
  const end = at + 2 + hello.readUInt16BE(at);
  for (at += 2; at + 4 <= end; at += 4 + hello.readUInt16BE(at + 2))
    if (hello.readUInt16BE(at) === supportedVersions) return versionText(hello.readUInt16BE(at + 4));
  return versionText(hello.readUInt16BE(0));
}

const versionText = (version: number): string => `1.${(version & 0xff) - 1}`;
