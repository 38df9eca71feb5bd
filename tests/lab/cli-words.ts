/** The command line of the lab: words in, a request out. Pure. */
import { parseArgs } from 'node:util';

export const usage = `npm run lab -- COMMAND [--dir DIR]: a cluster of real Docker Engines on this machine. Needs root.

  up N                 N nodes, n1 to nN, at 10.77.0.11, .12, …; orc runs on each: 3 managers (1 below 3 nodes), then workers
     --bare              engines only: orc is yours to start, with its data in the node's own /var/lib/orc
     --managers M        the first M nodes are managers
     --engine E[,E…]     20, 26, 28 or host (default): the i-th node runs the i-th, the last one repeats
     --subnet A.B.C.0/24 other addresses
     --clocks            each node has a clock of its own (see clock)
  down                 end everything and remove all files
  status               what runs, what is cut
  partition N [M]      nothing passes between node N and the others, or node M only; no end notices but by silence
  heal N [M]           the reverse
  crash N              power cut: cable first, then every process at once; the disk stays
  start N              boot it again on the same disk
  slow N MS|off        delay its packets; without netem in the kernel, freeze the node in pulses of MS
  clock N SECONDS|off  put orc's clock on the node forward or back (-SECONDS)
  exec N CMD…          run a command on a node; its exit code is returned
  logs N               orc's log, or the engine's: --engine-log; --follow
  shell N              a shell on a node

A lab's nodes reach each other and nothing else: no registry, no internet. The image orc.local/hello:1 is in each engine.
--dir DIR (default .orc/lab) is the lab's folder; labs in several folders run side by side.

Examples
  npm run lab -- up 3                              3 managers
  npm run lab -- up 5 --managers 3 --engine 20,26,28
  npm run lab -- exec 1 orc get nodes
  npm run lab -- partition 2 && npm run lab -- exec 1 ping -c 1 -W 1 n2
  npm run lab -- crash 1; npm run lab -- exec 2 orc get nodes; npm run lab -- start 1
  npm run lab -- up 2 --bare --dir /var/tmp/other  a second lab

Exit codes: 0 done, 1 failed, 2 wrong usage, 3 status: no lab runs, 130 interrupted; exec: the command's.`;

export class UsageError extends Error {}

interface OnNode {
  readonly dir?: string;
  readonly node: string;
}

export type Request =
  | { readonly verb: 'help' }
  | { readonly verb: 'down' | 'status'; readonly dir?: string }
  | (OnNode & { readonly verb: 'crash' | 'start' | 'shell' })
  | (OnNode & { readonly verb: 'partition' | 'heal'; readonly from?: string })
  | (OnNode & { readonly verb: 'slow' | 'clock'; readonly ms: number })
  | (OnNode & { readonly verb: 'logs'; readonly engine: boolean; readonly follow: boolean })
  | (OnNode & { readonly verb: 'exec'; readonly argv: readonly string[] })
  | {
      readonly verb: 'up';
      readonly dir?: string;
      readonly nodes: number;
      readonly bare: boolean;
      readonly managers?: number;
      readonly engines: readonly string[];
      readonly subnet?: string;
      readonly clocks: boolean;
    };

const options = {
  help: { type: 'boolean', short: 'h' },
  dir: { type: 'string' },
  bare: { type: 'boolean' },
  clocks: { type: 'boolean' },
  managers: { type: 'string' },
  engine: { type: 'string' },
  subnet: { type: 'string' },
  'engine-log': { type: 'boolean' },
  follow: { type: 'boolean', short: 'f' },
} as const;

/** Which options each command takes beside --dir. */
const optionsOf: Readonly<Record<string, readonly string[]>> = {
  up: ['bare', 'clocks', 'managers', 'engine', 'subnet'],
  logs: ['engine-log', 'follow'],
};

/** Throws a UsageError for words that ask for nothing that there is. */
export function parse(words: readonly string[]): Request {
  const { own, argv } = splitExec(words);
  const { values, positionals } = read(own);
  const [verb, ...rest] = positionals;
  if (values.help === true || verb === undefined || verb === 'help') return { verb: 'help' };
  const stray = Object.keys(values).find((key) => key !== 'dir' && optionsOf[verb]?.includes(key) !== true);
  if (stray !== undefined) throw new UsageError(`${verb} has no option --${stray}`);
  const at = values.dir === undefined ? {} : { dir: values.dir };
  const [first, second] = rest;
  const most = ['down', 'status'].includes(verb)
    ? 0
    : ['partition', 'heal', 'slow', 'clock'].includes(verb)
      ? 2
      : 1;
  if (rest.length > most) throw new UsageError(`${verb}: "${rest[most]}" is one word too many`);
  const node = (): OnNode => {
    if (first === undefined) throw new UsageError(`${verb} which node? e.g. ${verb} 1`);
    return { ...at, node: first };
  };
  switch (verb) {
    case 'up':
      return {
        ...at,
        verb,
        nodes: whole(first, 'up how many nodes? e.g. up 3'),
        bare: values.bare === true,
        clocks: values.clocks === true,
        engines: values.engine?.split(',') ?? [],
        ...(values.managers === undefined ? {} : { managers: whole(values.managers, '--managers is a whole number, 1 or more') }), // prettier-ignore
        ...(values.subnet === undefined ? {} : { subnet: values.subnet }),
      };
    case 'down':
    case 'status':
      return { ...at, verb };
    case 'crash':
    case 'start':
    case 'shell':
      return { ...node(), verb };
    case 'partition':
    case 'heal':
      if (second !== undefined && second.replace(/^n/, '') === first?.replace(/^n/, ''))
        throw new UsageError(`${verb}: give two different nodes, or one`);
      return { ...node(), verb, ...(second === undefined ? {} : { from: second }) };
    case 'slow':
      return {
        ...node(),
        verb,
        ms: amount(second, 'slow: how many milliseconds? e.g. slow 2 200, or slow 2 off', 0),
      };
    case 'clock':
      return {
        ...node(),
        verb,
        ms: 1000 * amount(second, 'clock: how many seconds? e.g. clock 2 3600, or clock 2 off'),
      };
    case 'logs':
      return { ...node(), verb, engine: values['engine-log'] === true, follow: values.follow === true };
    case 'exec':
      if (argv.length === 0) throw new UsageError('exec what? e.g. exec 1 docker ps');
      return { ...node(), verb, argv };
    default:
      throw new UsageError(`no command "${verb}"`);
  }
}

/** After `exec N`, every word is the command's, also those with dashes. */
function splitExec(words: readonly string[]): {
  readonly own: readonly string[];
  readonly argv: readonly string[];
} {
  const verb = words.findIndex((word, i) => !word.startsWith('-') && words[i - 1] !== '--dir');
  if (verb < 0 || words[verb] !== 'exec') return { own: words, argv: [] };
  const argv = words.slice(verb + 2);
  return { own: words.slice(0, verb + 2), argv: argv[0] === '--' ? argv.slice(1) : argv };
}

function read(words: readonly string[]) {
  try {
    // A number of seconds may have a minus.
    const marked = words.map((word) => (/^-\d/.test(word) ? `\0${word}` : word));
    const { values, positionals } = parseArgs({ args: marked, options, allowPositionals: true });
    return { values, positionals: positionals.map((word) => word.replace('\0', '')) };
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error));
  }
}

function whole(word: string | undefined, question: string): number {
  if (word === undefined || !/^[1-9]\d*$/.test(word)) throw new UsageError(question);
  return Number(word);
}

function amount(word: string | undefined, question: string, least = -Infinity): number {
  const number = word === 'off' ? 0 : Number(word ?? NaN);
  if (!Number.isFinite(number) || number < least) throw new UsageError(question);
  return number;
}
