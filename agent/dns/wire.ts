/** Messages as they are on the wire: what is asked is kept byte by byte, so that its case and options come back as sent. */
import { decode, encode, type Answer as PacketRecord, type OptAnswer } from 'dns-packet';
import type { Question } from './answer.ts';

export const rcodes = {
  NOERROR: 0,
  FORMERR: 1,
  SERVFAIL: 2,
  NXDOMAIN: 3,
  NOTIMP: 4,
  REFUSED: 5,
  BADVERS: 16,
} as const;
export type Rcode = keyof typeof rcodes;

/** Where the question begins. */
export const headerBytes = 12;
const flag = { QR: 0x8000, AA: 0x0400, TC: 0x0200, RD: 0x0100, RA: 0x0080, CD: 0x0010 };
const opcodeMask = 0x7800;
/** A query is small; more is nonsense, and would be sent on as it is. */
export const mostQueryBytes = 4_096;
/** OPT, and perhaps a signature. */
const maxAdditionals = 4;
/** What anything takes without EDNS (RFC 1035), and what we send at most: it fits each path (DNS flag day 2020). */
const plainBytes = 512;
const mostBytes = 1232;
const udpPayloadSize = 1232;

export interface Query extends Question {
  readonly id: number;
  /** The whole message. */
  readonly message: Buffer;
  /** The question with type and class, as sent. */
  readonly question: Buffer;
  readonly edns?: { readonly size: number; readonly version: number };
}

/** `drop`: it must not be answered at all, being too short or itself an answer. */
export type Parsed =
  | { readonly kind: 'query'; readonly query: Query }
  | { readonly kind: 'bad'; readonly rcode: Rcode }
  | { readonly kind: 'drop' };

const bad = (rcode: Rcode): Parsed => ({ kind: 'bad', rcode });

/** Never throws, whatever the bytes. Pure. */
export function parseQuery(message: Buffer): Parsed {
  if (message.length < headerBytes) return { kind: 'drop' };
  const flags = message.readUInt16BE(2);
  if ((flags & flag.QR) !== 0) return { kind: 'drop' };
  if ((flags & opcodeMask) !== 0) return bad('NOTIMP');
  if (message.length > mostQueryBytes) return bad('FORMERR');
  const [questions, answers, authorities, additionals] = [4, 6, 8, 10].map((at) => message.readUInt16BE(at));
  // Before decoding: it would make room for whatever number is claimed.
  if (questions !== 1 || answers !== 0 || authorities !== 0) return bad('FORMERR');
  if (additionals === undefined || additionals > maxAdditionals) return bad('FORMERR');
  const name = nameAt(message, headerBytes);
  if (name === undefined || name.end + 4 > message.length) return bad('FORMERR');
  try {
    const packet = decode(message);
    const [asked] = packet.questions ?? [];
    if (asked === undefined) return bad('FORMERR');
    const opts = (packet.additionals ?? []).filter(({ type }) => type === 'OPT') as OptAnswer[];
    const [opt] = opts;
    if (opts.length > 1) return bad('FORMERR');
    const query: Query = {
      id: message.readUInt16BE(0),
      message,
      question: message.subarray(headerBytes, name.end + 4),
      labels: name.labels,
      type: asked.type,
      class: asked.class ?? 'IN',
      ...(opt === undefined ? {} : { edns: { size: opt.udpPayloadSize, version: opt.ednsVersion } }),
    };
    return { kind: 'query', query };
  } catch {
    return bad('FORMERR');
  }
}

/** A name that stands alone: in a question nothing before it could be pointed to. */
function nameAt(
  message: Buffer,
  start: number,
): { readonly labels: readonly string[]; readonly end: number } | undefined {
  const labels: string[] = [];
  for (let at = start; at - start < 255;) {
    const length = message[at];
    if (length === undefined || length > 63) return undefined;
    if (length === 0) return { labels, end: at + 1 };
    const label = message.toString('latin1', at + 1, at + 1 + length);
    // A dot inside a label separates nothing.
    labels.push(label.toLowerCase().replaceAll('.', '\\.'));
    at += 1 + length;
  }
  return undefined;
}

export interface Response {
  readonly rcode: Rcode;
  /** Whether we are who decides on that name. */
  readonly isOurs?: boolean;
  /** Their name is the one asked for. */
  readonly answers?: readonly Exclude<PacketRecord, OptAnswer>[];
  readonly authorities?: readonly PacketRecord[];
}

/** What the asker takes by UDP. */
export const udpLimit = ({ edns }: Query): number =>
  edns === undefined ? plainBytes : Math.max(plainBytes, edns.size);

/** Of what is too long for `limit` as many answers as fit are sent, marked as cut (TC): the asker comes back by TCP. */
export function respond(query: Query, response: Response, via: 'udp' | 'tcp'): Buffer {
  const limit = via === 'tcp' ? 0xffff : Math.min(mostBytes, udpLimit(query));
  const code = rcodes[response.rcode];
  const opt = query.edns === undefined ? Buffer.alloc(0) : optRecord(code >> 4);
  const authorities = (response.authorities ?? []).map((record) => recordBytes(record));
  let left = limit - headerBytes - query.question.length - opt.length - lengthOf(authorities);
  const all = (response.answers ?? []).map(answerBytes);
  const answers = all.filter((bytes) => (left -= bytes.length) >= 0);
  const header = headerOf(query.message, code & 0xf, {
    isOurs: response.isOurs ?? false,
    isCut: answers.length < all.length,
  });
  [1, answers.length, authorities.length, opt.length === 0 ? 0 : 1].forEach((count, i) =>
    header.writeUInt16BE(count, 4 + 2 * i),
  );
  return Buffer.concat([header, query.question, ...answers, ...authorities, opt]);
}

/** Answers what could not be read, with nothing but a header. */
export const respondBare = (message: Buffer, rcode: Rcode): Buffer =>
  headerOf(message, rcodes[rcode] & 0xf, { isOurs: false, isCut: false });

function headerOf(
  message: Buffer,
  code: number,
  { isOurs, isCut }: { readonly isOurs: boolean; readonly isCut: boolean },
): Buffer {
  const header = Buffer.alloc(headerBytes);
  message.copy(header, 0, 0, 2);
  const kept = message.readUInt16BE(2) & (opcodeMask | flag.RD | flag.CD);
  header.writeUInt16BE(flag.QR | kept | flag.RA | (isOurs ? flag.AA : 0) | (isCut ? flag.TC : 0) | code, 2);
  return header;
}

const lengthOf = (parts: readonly Buffer[]): number => parts.reduce((sum, { length }) => sum + length, 0);

const recordBytes = (record: PacketRecord): Buffer => encode({ answers: [record] }).subarray(headerBytes);

/** The name as a pointer to the question: it keeps the asker's case, and four times as many answers fit. */
function answerBytes(record: PacketRecord): Buffer {
  const named = recordBytes({ ...record, name: '.' });
  return Buffer.concat([Buffer.from([0xc0, headerBytes]), named.subarray(1)]);
}

function optRecord(extendedRcode: number): Buffer {
  const opt = { type: 'OPT', name: '.', udpPayloadSize, extendedRcode, ednsVersion: 0, flags: 0 } as const;
  return encode({ additionals: [{ ...opt, flag_do: false, options: [] }] }).subarray(headerBytes);
}

/** An answer from elsewhere as the asker must see it: its id, its spelling, and no longer than it takes. Pure. */
export function passOn(query: Query, reply: Buffer, via: 'udp' | 'tcp'): Buffer {
  const passed = Buffer.from(reply);
  passed.writeUInt16BE(query.id, 0);
  if (passed.readUInt16BE(4) === 1) query.question.copy(passed, headerBytes);
  if (via === 'tcp' || passed.length <= udpLimit(query)) return passed;
  const cut = Buffer.concat([passed.subarray(0, headerBytes), query.question]);
  cut.writeUInt16BE(cut.readUInt16BE(2) | flag.TC, 2);
  [1, 0, 0, 0].forEach((count, i) => cut.writeUInt16BE(count, 4 + 2 * i));
  return cut;
}

/** Whether a message from a resolver answers this query, sent with this id. */
export function isReply(query: Query, id: number, reply: Buffer): boolean {
  if (reply.length < headerBytes || reply.readUInt16BE(0) !== id) return false;
  if ((reply.readUInt16BE(2) & flag.QR) === 0) return false;
  // Some leave the question out when they refuse.
  if (reply.readUInt16BE(4) === 0) return rcodeOf(reply) !== rcodes.NOERROR;
  const asked = reply.subarray(headerBytes, headerBytes + query.question.length);
  return asked.toString('latin1').toLowerCase() === query.question.toString('latin1').toLowerCase();
}

export const rcodeOf = (reply: Buffer): number => reply.readUInt16BE(2) & 0xf;
export const isCut = (reply: Buffer): boolean => (reply.readUInt16BE(2) & flag.TC) !== 0;
