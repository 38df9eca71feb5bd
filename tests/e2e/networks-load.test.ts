import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Task } from '../../api-schemas/index.ts';
import { openLabClient, type LabClient } from '../harness/lab-client.ts';
import { settled } from '../harness/lab-world.ts';
import { startLab, type Lab, type LabNode } from '../harness/lab.ts';
import { readPid } from '../lab/clean.mjs';
import { root } from '../lab/state.ts';

const load = join(root, 'tests/harness/http-load.mjs');
const published = 8080;

/** Ends on SIGTERM when it has finished the requests that are open; an answer of /cgi-bin/stream takes four seconds. */
const server = [
  'mkdir -p /tmp/www/cgi-bin',
  'echo "$PAGE served" > /tmp/www/index.html',
  `printf '#!/bin/sh\\necho; for i in 1 2 3 4; do echo $i; sleep 1; done; echo end\\n' > /tmp/www/cgi-bin/stream`,
  'busybox chmod +x /tmp/www/cgi-bin/stream',
  `trap 'kill $server; while busybox pidof httpd > /dev/null; do sleep 0.05; done; exit 0' TERM`,
  'httpd -f -p 80 -h /tmp/www & server=$!',
  'wait',
].join('; ');

/** Whether it listens. */
const check = `printf 'GET / HTTP/1.0\\r\\n\\r\\n' | nc -w 2 127.0.0.1 80 | grep -q served`;

interface Shape {
  readonly replicas: number;
  readonly image?: string;
  readonly page?: string;
  readonly order?: string;
}
const manifest = ({
  replicas,
  image = 'orc.local/hello:1',
  page = 'first',
  order = 'start-first',
}: Shape): string => `
apiVersion: orc.dev/v1
kind: Stack
metadata: { name: load }
spec:
  services:
    web:
      image: ${image}
      pullPolicy: never
      replicas: ${replicas}
      stopGracePeriod: 15s
      env: [{ name: PAGE, value: ${page} }]
      command: [sh, -c, ${JSON.stringify(server)}]
      ports: [{ published: ${published}, target: 80 }]
      healthcheck: { test: [CMD-SHELL, ${JSON.stringify(check)}], interval: 4s, startPeriod: 20s }
      update: { order: ${order}, parallelism: 2 }
    asker: { image: orc.local/hello:1, pullPolicy: never, mode: global, stopGracePeriod: 1s, command: [sh, -c, 'sleep 100000 & wait'] }
`;

interface Loaded {
  readonly requests: number;
  readonly streams: number;
  readonly failed: readonly string[];
}

/** The first and the last line that a process prints. */
function linesOf({ stdout }: ChildProcess): {
  readonly first: Promise<unknown>;
  readonly last: Promise<string>;
} {
  if (stdout === null) throw new Error('its output is not read');
  const lines = createInterface({ input: stdout });
  let latest = '';
  lines.on('line', (line) => (latest = line));
  return { first: once(lines, 'line'), last: once(lines, 'close').then(() => latest) };
}

describe('Under load from containers and from outside, with engines 20, 26 and 28', () => {
  let lab: Lab;
  let client: LabClient;
  let file: string;
  const orc = (...words: readonly string[]): Promise<string> => lab.node(1).must(['orc', ...words]);
  const apply = async (shape: Shape): Promise<void> => {
    writeFileSync(file, manifest(shape));
    await orc('apply', '-f', file, '--wait', '--timeout', '3m');
    await settled(lab, client);
  };
  const scale = async (replicas: number): Promise<void> => {
    await orc('scale', 'service/load-web', `--replicas=${replicas}`, '--wait', '--timeout', '3m');
    await settled(lab, client);
  };

  /** Argv that enters the network of the task's container on a node, and the address of its name server. */
  const askerOn = async (node: LabNode): Promise<{ enter: readonly string[]; dns: string }> => {
    const { items } = await client.list('Task', { labelSelector: 'orc.dev/service=load-asker' });
    const own = items.find(
      ({ spec, status }: Task) => spec.nodeName === node.name && status?.state === 'Running',
    );
    const id = own?.status?.containerID ?? '';
    const inspected = await node.must([
      'docker',
      'inspect',
      '-f',
      '{{.State.Pid}} {{index .HostConfig.Dns 0}}',
      id,
    ]);
    const [pid = '', dns = ''] = inspected.trim().split(' ');
    return { enter: ['nsenter', `--net=/proc/${pid}/ns/net`], dns };
  };

  /** Loads while `work` is done: from a container on each of the nodes by name, and from outside by the port of each node. */
  const underLoad = async (work: () => Promise<void>, from: readonly LabNode[]): Promise<Loaded> => {
    const loaders: ChildProcess[] = [];
    for (const node of from) {
      const { enter, dns } = await askerOn(node);
      const target = { host: 'web.load.default.orc.internal', port: 80, dns };
      const words = JSON.stringify({ targets: [target], perSecond: 60, streams: 1 });
      loaders.push(node.spawn([...enter, 'node', load, words], { stdio: ['pipe', 'pipe', 'inherit'] }).child);
    }
    const targets = lab.nodes.map(({ address }) => ({ host: address, port: published }));
    const outside = ['--target', String(readPid(join(lab.dir, 'switch.pid'))), '--net', '--'];
    const words = JSON.stringify({ targets, perSecond: 60, streams: 1 });
    loaders.push(spawn('nsenter', [...outside, 'setpriv', '--pdeathsig', 'KILL', '--', process.execPath, load, words], { stdio: ['pipe', 'pipe', 'inherit'] })); // prettier-ignore
    const said = loaders.map(linesOf);
    await Promise.all(said.map(({ first }) => first));
    await work();
    for (const { stdin } of loaders) stdin?.end();
    const results = (await Promise.all(said.map(({ last }) => last))).map(
      (line) => JSON.parse(line) as Loaded,
    );
    const sum = (of: (one: Loaded) => number): number => results.reduce((total, one) => total + of(one), 0);
    return {
      requests: sum(({ requests }) => requests),
      streams: sum(({ streams }) => streams),
      failed: results.flatMap(({ failed }) => failed),
    };
  };

  /** Loads for as long as `work` takes; no request fails, and there were enough of them to say so. */
  const losesNothing = async (
    what: string,
    work: () => Promise<void>,
    from: readonly LabNode[] = lab.nodes,
  ): Promise<void> => {
    const began = Date.now();
    const { requests, streams, failed } = await underLoad(work, from);
    const seconds = (Date.now() - began) / 1_000;
    console.log(
      `${what}: ${requests} requests (${Math.round(requests / seconds)}/s) and ${streams} long ones, ${failed.length} failed`,
    );
    expect(failed).toEqual([]);
    expect(requests).toBeGreaterThan(1_000);
    expect(streams).toBeGreaterThan(0);
  };

  beforeAll(async () => {
    lab = await startLab({ nodes: 3, managers: 3, engines: ['20', '26', '28'] });
    client = await openLabClient(lab);
    file = join(lab.dir, 'load.yml');
    for (const node of lab.nodes)
      await node.must(['docker', 'tag', 'orc.local/hello:1', 'orc.local/hello:2']);
    await apply({ replicas: 10 });
  }, 600_000);
  afterAll(async () => {
    client?.close();
    await lab?.close();
  }, 60_000);

  test('no request fails while a service is scaled out and in', async () => {
    await losesNothing('scaling 10, 20, 5', async () => {
      await scale(20);
      await scale(5);
    });
  }, 400_000);

  test('no request fails while a service is rolled to another image', async () => {
    await losesNothing('another image', () => apply({ replicas: 10, image: 'orc.local/hello:2' }));
  }, 400_000);

  test('no request fails while a node is drained, and is back', async () => {
    const drained = lab.node(2);
    // The container there that asks goes, too.
    const others = lab.nodes.filter((node) => node !== drained);
    const drain = async (): Promise<void> => {
      await orc('drain', drained.name, '--wait', '--timeout', '3m');
      await settled(lab, client);
      await orc('uncordon', drained.name);
      await settled(lab, client);
    };
    await losesNothing('a drain', drain, others);
  }, 400_000);

  test('no request fails while a stack is upgraded that stops each task before the next one starts', async () => {
    const shape = { replicas: 6, image: 'orc.local/hello:2', order: 'stop-first' };
    await apply(shape);
    await losesNothing('stop-first', () => apply({ ...shape, page: 'second' }));
  }, 400_000);
});
