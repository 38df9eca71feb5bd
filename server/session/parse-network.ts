import { isIP } from 'node:net';
import type { NetworkProblem, NodeNetwork, UnansweredNode } from '../../api-schemas/index.ts';
import { isFields, type Fields } from './fields.ts';

const most = { problems: 16, unanswered: 32, networks: 8, text: 1_000, name: 253 } as const;
const ways = ['to', 'none', 'mtu'] as const;
const reaches = ['answers', 'silent', 'unreachable'] as const;

const itemsOf = (value: unknown): readonly Fields[] => (Array.isArray(value) ? value.filter(isFields) : []);
const countOf = (value: unknown): number =>
  typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= 1_000_000 ? value : 0;

/** What an agent says of its networks, as far as it makes sense, and within bounds. */
export function parseNetwork(value: unknown): NodeNetwork {
  if (!isFields(value)) return {};
  const problems = itemsOf(value['problems']).flatMap(problemOf).slice(0, most.problems);
  const unanswered = itemsOf(value['unanswered']).flatMap(unansweredOf).slice(0, most.unanswered);
  return {
    ...(problems.length === 0 ? {} : { problems }),
    ...(unanswered.length === 0
      ? {}
      : { peers: countOf(value['peers']), failing: countOf(value['failing']), unanswered }),
  };
}

function problemOf({ reason, message }: Fields): readonly NetworkProblem[] {
  if (typeof reason !== 'string' || !/^[A-Z][A-Za-z]{0,60}$/.test(reason)) return [];
  return [{ reason, message: typeof message === 'string' ? message.slice(0, most.text) : '' }];
}

function unansweredOf({ node, address, way, networks, reach }: Fields): readonly UnansweredNode[] {
  const known = ways.find((one) => one === way);
  const reached = reaches.find((one) => one === reach);
  if (typeof node !== 'string' || node === '' || known === undefined) return [];
  if (typeof address !== 'string' || isIP(address) === 0) return [];
  const names = (Array.isArray(networks) ? networks : []).filter((one) => typeof one === 'string');
  return [
    {
      ...{ node: node.slice(0, most.name), address, way: known },
      networks: names.slice(0, most.networks).map((one) => one.slice(0, 2 * most.name)),
      ...(reached === undefined ? {} : { reach: reached }),
    },
  ];
}
