import { isIP } from 'node:net';
import {
  formatSubnet,
  formatSubnet6,
  parseSubnet,
  parseSubnet6,
  taskStates,
  type Condition,
  type NetworkAddress,
  type NodeRoute,
  type NodeStatus,
  type TaskEvent,
  type TaskReport,
  type TaskStatus,
  type ToServer,
} from '../../api-schemas/index.ts';
import { isFields, type Fields } from './fields.ts';
import { parseEncryption } from './parse-encryption.ts';
import { parseNetwork } from './parse-network.ts';

/** A frame that is not of the protocol; its session is closed with the message. */
export class ProtocolError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'ProtocolError';
  }
}

const messageLimit = 2_000;
const nameLimit = 253;
const maxRoutes = 1_000;

function fields(value: unknown, what: string): Fields {
  if (!isFields(value)) throw new ProtocolError(`${what} must be an object`);
  return value;
}

function text(value: unknown, what: string, limit = 300): string {
  if (typeof value !== 'string' || value === '') throw new ProtocolError(`${what} must be a string`);
  return value.length > limit ? `${value.slice(0, limit - 1)}…` : value;
}

/** Copies the fields of `from` that have the type in `shape`; others are dropped. */
function pick(
  from: Fields,
  shape: Readonly<Record<string, 'string' | 'number' | 'object' | 'array'>>,
): Fields {
  const result: Record<string, unknown> = {};
  for (const [name, type] of Object.entries(shape)) {
    const value = from[name];
    const actual = Array.isArray(value) ? 'array' : typeof value;
    if (value !== null && actual === type)
      result[name] =
        typeof value === 'string' && value.length > messageLimit ? value.slice(0, messageLimit) : value;
  }
  return result;
}

function list<T>(value: unknown, what: string, parse: (item: unknown) => T): readonly T[] {
  if (value === undefined) return [];
  if (!Array.isArray(value)) throw new ProtocolError(`${what} must be a list`);
  return value.map(parse);
}

const isCondition = (value: unknown): value is Condition => {
  if (typeof value !== 'object' || value === null) return false;
  const { type, status, reason, message, lastTransitionTime } = value as Fields;
  return [type, status, reason, message, lastTransitionTime].every((field) => typeof field === 'string');
};

function addressOf(value: unknown): readonly NetworkAddress[] {
  const { network, ip } = isFields(value) ? value : {};
  return typeof network === 'string' && typeof ip === 'string' && isIP(ip) !== 0
    ? [{ network: network.slice(0, nameLimit), ip }]
    : [];
}

/** Ranges that cannot be read are left out. */
function routeOf(value: unknown): readonly NodeRoute[] {
  const { to, of, pool } = isFields(value) ? value : {};
  if (typeof to !== 'string' || typeof of !== 'string' || of === '') return [];
  try {
    const range = to.includes(':') ? formatSubnet6(parseSubnet6(to)) : formatSubnet(parseSubnet(to));
    const route = { to: range, of: of.slice(0, nameLimit) };
    return [pool === true ? { ...route, pool } : route];
  } catch {
    return [];
  }
}

function taskStatus(value: unknown): TaskStatus {
  const status = fields(value, 'status');
  const state = taskStates.find((known) => known === status['state']);
  if (state === undefined)
    throw new ProtocolError(`status.state ${JSON.stringify(status['state'])} is unknown`);
  const { conditions, addresses, ...rest } = pick(status, {
    reason: 'string',
    message: 'string',
    since: 'string',
    containerID: 'string',
    exitCode: 'number',
    startedAt: 'string',
    finishedAt: 'string',
    addresses: 'array',
    ports: 'array',
    conditions: 'array',
  });
  const kept = Array.isArray(conditions) ? conditions.filter(isCondition) : [];
  const reached = Array.isArray(addresses) ? addresses.flatMap(addressOf) : undefined;
  return {
    state,
    ...rest,
    ...(reached === undefined ? {} : { addresses: reached }),
    ...(kept.length === 0 ? {} : { conditions: kept }),
  };
}

function taskOf(item: Fields): { namespace: string; name: string; uid: string } {
  return {
    namespace: text(item['namespace'], 'namespace'),
    name: text(item['name'], 'name'),
    uid: text(item['uid'], 'uid'),
  };
}

function taskReport(value: unknown): TaskReport {
  const item = fields(value, 'a task report');
  return {
    ...taskOf(item),
    status: taskStatus(item['status']),
    ...(item['gone'] === true ? { gone: true } : {}),
  };
}

function taskEvent(value: unknown): TaskEvent {
  const item = fields(value, 'a task event');
  return {
    ...taskOf(item),
    type: item['type'] === 'Warning' ? 'Warning' : 'Normal',
    reason: text(item['reason'], 'reason'),
    message: typeof item['message'] === 'string' ? item['message'].slice(0, messageLimit) : '',
  };
}

/** Others send to it: what is no address is not to get into their commands. */
const isAddress = (value: unknown): value is string => typeof value === 'string' && isIP(value) !== 0;

/** What a node may say of itself: not its session, and not what the nodes controller decides. */
function nodeStatus(value: unknown): NodeStatus {
  const status = pick(fields(value, 'node'), {
    hostname: 'string',
    role: 'string',
    addresses: 'array',
    platform: 'object',
    capacity: 'object',
    engine: 'object',
    agentVersion: 'string',
    certificate: 'object',
    routes: 'array',
    network: 'object',
    encryption: 'object',
  });
  const { addresses, encryption, network, routes } = status;
  return {
    ...status,
    ...(Array.isArray(addresses) ? { addresses: addresses.filter(isAddress) } : {}),
    ...(isFields(encryption) ? { encryption: parseEncryption(encryption) } : {}),
    ...(network === undefined ? {} : { network: parseNetwork(network) }),
    ...(Array.isArray(routes) ? { routes: routes.slice(0, maxRoutes).flatMap(routeOf) } : {}),
  } as NodeStatus;
}

function labels(value: unknown): Readonly<Record<string, string>> {
  const entries = Object.entries(value === undefined ? {} : fields(value, 'labels'));
  return Object.fromEntries(
    entries.filter((entry): entry is [string, string] => typeof entry[1] === 'string'),
  );
}

/** Reads a frame of an agent. Throws ProtocolError; unknown fields are dropped. */
export function parseFrame(data: Buffer): ToServer {
  let json: unknown;
  try {
    json = JSON.parse(data.toString('utf8'));
  } catch {
    throw new ProtocolError('a frame must be JSON');
  }
  const frame = fields(json, 'a frame');
  switch (frame['type']) {
    case 'register':
      return {
        type: 'register',
        node: nodeStatus(frame['node']),
        labels: labels(frame['labels']),
        ...(frame['leaving'] === true ? { leaving: true } : {}),
      };
    case 'loaded': {
      const { seq } = frame;
      if (!Number.isSafeInteger(seq)) throw new ProtocolError('seq must be a whole number');
      return { type: 'loaded', seq: Number(seq) };
    }
    case 'heartbeat':
      return {
        type: 'heartbeat',
        ...(frame['node'] === undefined ? {} : { node: nodeStatus(frame['node']) }),
      };
    case 'report':
      return {
        type: 'report',
        tasks: list(frame['tasks'], 'tasks', taskReport),
        events: list(frame['events'], 'events', taskEvent),
      };
    default:
      throw new ProtocolError(`frame type ${JSON.stringify(frame['type'])} is unknown`);
  }
}
