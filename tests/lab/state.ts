/** What a lab is, and the file that says so to later invocations. What runs is read from the machine, never from here. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { stateFile } from './clean.mjs';

/** Also right in the CLI's bundle, which lies as deep in the tree as this file. */
export const root = fileURLToPath(new URL('../..', import.meta.url)).replace(/\/$/, '');
export const script = join(root, 'tests/lab/lab.sh');

export interface NodeState {
  /** From 1. */
  readonly number: number;
  readonly name: string;
  readonly address: string;
  /** As asked for: `20`, `26`, `28`, or `host` for the machine's own. */
  readonly engine: string;
  /** The `/usr` that holds that engine; absent when it is the machine's own. */
  readonly usr?: string;
}

export interface LabState {
  readonly dir: string;
  /** Bits of the subnet that all nodes are in. */
  readonly prefix: number;
  readonly nodes: readonly NodeState[];
  /** How many of the first nodes are managers of orc; 0: engines only. */
  readonly managers: number;
  /** Path of libfaketime, when each node has a clock of its own. */
  readonly clockLibrary?: string;
}

export interface Plan {
  readonly nodes: number;
  /** The i-th node runs the i-th, the last one repeats. */
  readonly engines: readonly string[];
  readonly subnet: string;
}

const maxNodes = 32;

/** Names and addresses of the nodes: n1 is .11, n2 is .12, and so on. Throws for what cannot be. */
export function planNodes({ nodes, engines, subnet }: Plan): Pick<LabState, 'prefix' | 'nodes'> {
  if (!Number.isInteger(nodes) || nodes < 1 || nodes > maxNodes)
    throw new Error(`a lab has 1 to ${maxNodes} nodes, not ${nodes}`);
  const unknown = engines.find((engine) => !['20', '26', '28', 'host'].includes(engine));
  if (unknown !== undefined) throw new Error(`no engine "${unknown}": known are 20, 26, 28 and host`);
  const { base, prefix } = parseSubnet(subnet);
  return {
    prefix,
    nodes: Array.from({ length: nodes }, (_, i) => ({
      number: i + 1,
      name: `n${i + 1}`,
      address: `${base}.${11 + i}`,
      engine: engines[Math.min(i, engines.length - 1)] ?? 'host',
    })),
  };
}

function parseSubnet(subnet: string): { readonly base: string; readonly prefix: number } {
  const [, base, bits] = /^((?:\d{1,3}\.){2}\d{1,3})\.0\/(\d{2})$/.exec(subnet) ?? [];
  const prefix = Number(bits);
  const isAddress = base?.split('.').every((part) => Number(part) <= 255) === true;
  if (base === undefined || !isAddress || prefix < 16 || prefix > 24)
    throw new Error(
      `"${subnet}" is not a subnet for a lab: give A.B.C.0/24 (or down to /16), e.g. 10.77.0.0/24`,
    );
  return { base, prefix };
}

/** The folder's path becomes part of mount options and socket names: throws when it does not fit there. */
export function checkDir(dir: string): void {
  if (/[,:\\"\s]/.test(dir))
    throw new Error(`${dir}: a lab's folder has no space, comma, colon, quote or backslash in its path`);
  if (['/etc/', '/run/', '/sys/', '/proc/', '/usr/'].some((top) => `${dir}/`.startsWith(top)))
    throw new Error(`${dir}: each node has its own ${dir.split('/', 2).join('/')}: choose another folder`);
  if (Buffer.byteLength(join(dir, 'n32/docker.sock')) > 107)
    throw new Error(`${dir}: too long a path for a socket: choose a shorter folder (--dir)`);
}

/** Throws when there is a lab in the folder already. */
export const createState = (state: LabState): void =>
  writeFileSync(join(state.dir, stateFile), JSON.stringify(state, undefined, 2), { flag: 'wx' });

/** Undefined when no lab is in the folder. */
export function readState(dir: string): LabState | undefined {
  try {
    return JSON.parse(readFileSync(join(dir, stateFile), 'utf8')) as LabState;
  } catch {
    return undefined;
  }
}
