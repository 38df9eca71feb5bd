import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Node, Task } from '../../api-schemas/index.ts';
import { eventually } from '../harness/cluster.ts';
import { openLabClient, type LabClient } from '../harness/lab-client.ts';
import { settled } from '../harness/lab-world.ts';
import { startLab, type Lab, type LabNode } from '../harness/lab.ts';

const manifest = `
apiVersion: orc.dev/v1
kind: Stack
metadata: { name: safe }
spec:
  networks: { default: { encrypted: true } }
  services:
    web:
      image: orc.local/hello:1
      pullPolicy: never
      replicas: 3
      stopGracePeriod: 1s
      ports: [{ published: 8080, target: 80 }]
    tool:
      image: orc.local/hello:1
      pullPolicy: never
      mode: global
      stopGracePeriod: 1s
      command: [sh, -c, 'sleep 100000 & wait']
`;

describe('An encrypted network across engines 20, 26 and 28', () => {
  let lab: Lab;
  let client: LabClient;
  let file: string;
  const orc = (...words: readonly string[]): Promise<string> => lab.node(1).must(['orc', ...words]);
  const tool = async (node: LabNode): Promise<Task> => {
    const { items } = await client.list('Task', { labelSelector: 'orc.dev/service=safe-tool' });
    const found = items.find(
      ({ spec, status }) => spec.nodeName === node.name && status?.state === 'Running',
    );
    if (found === undefined) throw new Error(`the tool does not run on ${node.name}`);
    return found;
  };
  /** Runs a command in the tool's container on a node. */
  const within = async (node: LabNode, script: string) =>
    node.exec(['docker', 'exec', (await tool(node)).status?.containerID ?? '', 'sh', '-c', script]);
  const fetch = `printf 'GET / HTTP/1.0\\r\\n\\r\\n' | nc -w 5 web 80 | tail -n 1`;
  const epochs = async (): Promise<readonly (readonly number[])[]> =>
    (await client.list('Node')).items.map(({ status }: Node) =>
      (status?.encryption?.keys ?? []).map(({ epoch }) => epoch),
    );

  beforeAll(async () => {
    lab = await startLab({ nodes: 3, managers: 1, engines: ['20', '26', '28'] });
    client = await openLabClient(lab);
    file = join(lab.dir, 'safe.yml');
    writeFileSync(file, manifest);
    await orc('apply', '-f', file, '--wait', '--timeout', '3m');
    await settled(lab, client);
  }, 600_000);
  afterAll(async () => {
    client?.close();
    await lab?.close();
  }, 60_000);

  test('has names, virtual IPs, addresses and published ports as any other', async () => {
    const [network] = (await client.list('Network')).items;
    expect(network?.status?.conditions?.map(({ type, status }) => `${type}=${status}`).sort()).toEqual([
      'Allocated=True',
      'Ready=True',
    ]);
    for (const from of lab.nodes) {
      const { stdout } = await within(from, `for i in $(seq 30); do ${fetch}; done`);
      const answers = stdout.trim().split('\n');
      expect([from.name, answers.length, new Set(answers).size]).toEqual([from.name, 30, 3]);
      for (const to of lab.nodes) {
        const ip = (await tool(to)).status?.addresses?.[0]?.ip ?? '';
        // Up to the largest packet of the network.
        expect([from.name, to.name, (await within(from, `ping -c 1 -W 3 -s 1322 ${ip}`)).code]).toEqual([
          from.name,
          to.name,
          0,
        ]);
        const call = `for i in $(seq 30); do curl -s -m 5 http://${to.address}:8080/; done`;
        const ports = (await from.must(['sh', '-c', call])).trim().split('\n');
        expect([from.name, to.name, new Set(ports).size]).toEqual([from.name, to.name, 3]);
      }
    }
  }, 240_000);

  test('shows nothing of what it carries on the wire', async () => {
    const capture = await lab.capture(join(lab.dir, 'wire.pcap'));
    for (const node of lab.nodes) {
      const { stdout } = await within(node, `for i in $(seq 30); do ${fetch}; done`);
      expect(stdout).toContain('hello from');
    }
    await capture.stop();
    const text = execFileSync('tcpdump', ['-n', '-A', '-r', capture.file], {
      encoding: 'latin1',
      maxBuffer: 1 << 28,
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    expect(text.split('.6753: UDP').length).toBeGreaterThan(100);
    expect(text).not.toContain('hello from');
    expect(text).not.toMatch(/VXLAN|\.4789:|\.6754:/);
  }, 120_000);

  test('loses no request while all keys are replaced', async () => {
    const [before] = await epochs();
    const next = (before?.at(-1) ?? 0) + 1;
    const loop = `n=0; bad=0; while [ ! -e /tmp/stop ]; do n=$((n+1)); ${fetch} | grep -q hello || bad=$((bad+1)); done; echo $n $bad`;
    const running = lab.nodes.map((node) => ({ node, ended: within(node, loop) }));
    expect(await orc('net', 'rotate-keys')).toContain(`epoch ${String(next)}`);
    await eventually(
      'all nodes have the new keys, and no other',
      async () => ((await epochs()).every((all) => all.join() === String(next)) ? true : undefined),
      240_000,
    );
    for (const node of lab.nodes) await within(node, 'touch /tmp/stop');
    for (const { node, ended } of running) {
      const [count, bad] = (await ended).stdout.trim().split(' ').map(Number);
      console.log(`${node.name}: ${count} requests while keys were replaced, ${bad} failed`);
      expect(count).toBeGreaterThan(50);
      expect([node.name, bad]).toEqual([node.name, 0]);
    }
  }, 300_000);

  test('leaves nothing behind when it is gone', async () => {
    await orc('delete', '-f', file, '--wait');
    for (const node of lab.nodes) {
      const left = `ip -o link show | grep -E ': o[vw][0-9a-f]{4}-'; nft list tables | grep orc_mesh; ip -6 route show | grep fd6f; pgrep wireguard-go`;
      await eventually(`nothing is left on ${node.name}`, async () =>
        (await node.exec(['sh', '-c', left])).stdout.trim() === '' ? true : undefined,
      );
    }
  }, 120_000);
});
