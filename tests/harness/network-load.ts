/** Requests all the time, to a virtual IP or a published port, of which each that fails is known by where it was led to. */
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import type { LabNode } from './lab.ts';
import { peerFile } from './network-truth/index.ts';

export interface Failure {
  /** When it was begun, ms since the epoch. */
  readonly at: number;
  /** What the client saw: a code, or an answer that was cut short. */
  readonly said: string;
  /** The address that it was led to; `nowhere` when the kernel knows of none. */
  readonly target: string;
}

export interface Load {
  readonly name: string;
  stop(): Promise<{ readonly count: number; readonly failures: readonly Failure[] }>;
}

export interface LoadOptions {
  readonly name: string;
  readonly host: string;
  readonly port: number;
  /** Runs on this node, */
  readonly node: LabNode;
  /** in the network namespace of this process of it when it is given, */
  readonly pid?: number;
  /** and is led by the kernel of this node; default: where it runs. */
  readonly entry?: LabNode;
}

/** Begins at once. */
export function startLoad({ name, host, port, node, pid, entry = node }: LoadOptions): Load {
  const enter = pid === undefined ? [] : ['nsenter', '-t', String(pid), '-n'];
  const client = node.spawn([...enter, 'node', peerFile, 'load', host, String(port)], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const failures: Promise<Failure>[] = [];
  let count = 0;
  const { stdout } = client.child;
  if (stdout === null) throw new Error('a load has no output');
  const lines = createInterface({ input: stdout }).on('line', (line) => {
    const told = JSON.parse(line) as { count?: number; at: number; localPort: number; said: string };
    if (told.count !== undefined) count = told.count;
    else failures.push(targetOf(told.localPort).then((target) => ({ at: told.at, said: told.said, target })));
  });
  const ended = once(lines, 'close');

  /** `… src=CLIENT dst=VIP sport=P dport=80 … src=TARGET dst=CLIENT …` */
  async function targetOf(localPort: number): Promise<string> {
    const { stdout: listing } = await entry.exec([
      ...(entry === node ? enter : []),
      ...[
        'conntrack',
        '-L',
        '-p',
        'tcp',
        '--orig-port-src',
        String(localPort),
        '--orig-port-dst',
        String(port),
      ],
    ]);
    const answers = [...listing.matchAll(/\bsrc=(\S+)/g)].map(([, ip]) => ip);
    return answers[1] ?? 'nowhere';
  }

  return {
    name,
    async stop() {
      client.child.stdin?.end();
      await client.exited;
      await ended;
      return { count, failures: await Promise.all(failures) };
    },
  };
}
