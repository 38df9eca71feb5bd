import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { createPublicKey, generateKeyPairSync, sign } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { kinds, type KindName } from '../../api-schemas/index.ts';
import { proofText } from '../../api-schemas/join.ts';
import { pathOf } from '../../client/resources.ts';
import { systemClock } from '../../kit/clock.ts';
import { issueCertificate } from '../../server/pki/index.ts';
import { eventually } from '../harness/cluster.ts';
import { openLabClient, type CallError, type LabClient } from '../harness/lab-client.ts';
import { helloService, settled } from '../harness/lab-world.ts';
import { startLab, type Lab, type LabNode } from '../harness/lab.ts';
import { readFlows, tlsVersionOf } from '../harness/wire.ts';
import { formCluster } from '../lab/orc.ts';

const canary = 'canary-4711-of-the-environment';
const json = { 'content-type': 'application/json' };

describe('A cluster of two managers and a worker, watched from its network', () => {
  let lab: Lab;
  let client: LabClient;
  let [first, second, worker, stranger]: readonly LabNode[] = [];
  const four = (): readonly [LabNode, LabNode, LabNode, LabNode] => {
    if (first === undefined || second === undefined || worker === undefined || stranger === undefined)
      throw new Error('the lab did not start');
    return [first, second, worker, stranger];
  };
  const tokenOf = async (role: 'worker' | 'manager'): Promise<string> =>
    (await four()[0].must(['orc', 'token', 'show', role, '--quiet'])).trim();
  let stopCapture: () => Promise<void>;
  const captured = (): string => join(lab.dir, 'all.pcap');

  beforeAll(async () => {
    lab = await startLab({ nodes: 4 });
    [first, second, worker, stranger] = lab.nodes;
    const capture = await lab.capture(captured());
    stopCapture = () => capture.stop();
    const members = four().slice(0, 3);
    await formCluster(members, 2, () => undefined);
    client = await openLabClient(lab, members.slice(0, 2));
  }, 300_000);
  afterAll(async () => {
    client?.close();
    await lab?.close();
  }, 60_000);

  test('nothing that is sent can be read, and all of it is TLS 1.3', async () => {
    const [n1, n2, n3] = four();
    const command = ['sh', '-c', 'while :; do echo "$SECRET"; sleep 1; done'];
    await client.apply(
      helloService('zebra-crossing', {
        replicas: 4,
        env: [{ name: 'SECRET', value: canary }],
        command,
        stopGracePeriod: '1s',
      }),
    );
    await settled(lab, client);
    const through = ['--server', `https://${n2.address}:6750`];
    const tasks = (await client.list('Task')).items;
    for (const node of [n1, n2, n3]) {
      const task = tasks.find(({ spec }) => spec.nodeName === node.name);
      if (task === undefined) continue;
      const { name } = task.metadata;
      await eventually('it has said something', async () =>
        (await n1.must(['orc', 'logs', `task/${name}`, ...through])).includes(canary),
      );
      const said = n1.must([
        ...['orc', 'exec', `task/${name}`, ...through, '--', 'sh', '-c', 'echo "$SECRET"'],
      ]);
      expect(await said).toContain(canary);
    }
    await n1.must(['orc', 'cluster', 'backup', join(lab.dir, 'wire.backup'), ...through], {
      env: { ORC_PASSPHRASE: 'correct horse battery' },
    });
    // The capture and its reader see what is not sealed.
    const open = n2.spawn(['node', '-e', 'require("net").createServer((s) => s.end("said-in-the-open")).listen(7000, () => console.log("up"))']); // prettier-ignore
    await new Promise((resolve) => open.child.stdout?.once('data', resolve));
    await n1.must([
      ...['node', '-e', 'require("net").connect(7000, "n2").on("data", () => {}).on("close", () => {})'],
    ]);
    open.signal('SIGKILL');
    await stopCapture();

    const flows = readFlows(captured());
    const reads = (text: string): readonly string[] =>
      flows.filter(({ bytes }) => bytes.includes(text)).map(({ from, to }) => `${from} > ${to}`);
    expect(reads('said-in-the-open')).toHaveLength(1);
    const secrets = (await Promise.all([tokenOf('worker'), tokenOf('manager')])).map((token) => token.slice(-43)); // prettier-ignore
    for (const text of ['zebra-crossing', canary, 'orc.dev/v1', 'correct horse', ...secrets])
      expect(reads(text)).toEqual([]);
    const served = flows.filter(({ fromPort, bytes }) => fromPort < 7000 && bytes.length > 0);
    const versions = served.map(({ fromPort, bytes }) => `${fromPort}: TLS ${tlsVersionOf(bytes)}`);
    expect(new Set(versions)).toEqual(new Set(['6750: TLS 1.3', '6751: TLS 1.3']));
    const known = new Set([6750, 6751, 7000]);
    const others = flows.filter(({ fromPort, toPort }) => !known.has(fromPort) && !known.has(toPort));
    expect(others.map(({ from, to }) => `${from} > ${to}`)).toEqual([]);
  }, 180_000);

  test('the port of the etcd members takes no certificate of a node, and their client port is not on the network', async () => {
    const [n1, n2, n3] = four();
    const ask = async (from: LabNode, name: string, port: number): Promise<string> => {
      const pki = (file: string): string => join(from.dataDir, 'pki', file);
      const tls = ['--cacert', pki('ca.crt'), '--cert', pki(`${name}.crt`), '--key', pki(`${name}.key`)];
      const how = ['-sS', '--http1.1', '--max-time', '10', '-o', '/dev/null', '-w', '%{http_code}'];
      return (await from.exec(['curl', ...how, ...tls, `https://${n1.address}:${port}/version`])).stdout;
    };
    const { clientPort } = JSON.parse(readFileSync(join(n1.dataDir, 'etcd/etcd.json'), 'utf8')) as {
      clientPort: number;
    };
    expect(await ask(n2, 'etcd', 6751)).toBe('200');
    const none = '000'; // the connection was not made, or ended before an answer
    expect(await ask(n3, 'node', 6751)).toBe(none);
    expect(await ask(n2, 'node', 6751)).toBe(none);
    expect(await ask(n2, 'etcd-client', clientPort)).toBe(none);
  }, 60_000);

  test('a machine without the right to join is refused, and that is logged and counted', async () => {
    const [n1, , , n4] = four();
    const here = ['--name', 'n4', '--advertise', n4.address, '--data-dir', n4.dataDir, '--no-start'];
    const join4 = (token: string, ...more: readonly string[]) =>
      n4.exec(['orc', 'join', '--token', token, ...here, ...more, `${n1.address}:6750`]);
    const worker1 = await tokenOf('worker');
    const [, , digest = '', secret = ''] = /^(orc1-\w+)-(\w+)-(.+)$/.exec(worker1)?.slice(0) ?? [];
    const refused: readonly (readonly [string, RegExp])[] = [
      ['orc1-worker-not-a-token', /no join token/],
      [`orc1-worker-${'0'.repeat(64)}-${secret}`, /another cluster/],
      [`orc1-worker-${digest}-${'A'.repeat(43)}`, /rotated, or is wrong/],
      [`orc1-manager-${digest}-${secret}`, /rotated, or is wrong/],
    ];
    for (const [token, message] of refused) {
      const ran = await join4(token);
      expect(ran.code).not.toBe(0);
      expect(ran.stderr).toMatch(message);
    }
    const taken = await n4.exec([
      ...['orc', 'join', '--token', worker1, '--name', 'n3', '--data-dir', n4.dataDir, '--no-start'],
      `${n1.address}:6750`,
    ]);
    expect(taken.stderr).toMatch(/n3/);
    expect(taken.code).not.toBe(0);
    await n1.must(['orc', 'token', 'rotate', 'worker']);
    const rotated = await join4(worker1);
    expect(rotated.stderr).toMatch(/rotated, or is wrong/);
    expect(existsSync(join(n4.dataDir, 'cluster.json'))).toBe(false);

    const api = client.to([n1]);
    const ask = async (body: object): Promise<number | string> =>
      api.raw('POST', '/cluster/v1/join', JSON.stringify(body), json).then(
        () => 200,
        (error: unknown) => (error as CallError).code,
      );
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const { challenge } = JSON.parse(await api.raw('GET', '/cluster/v1/challenge')) as { challenge: string };
    const token = await tokenOf('worker');
    const request = {
      token,
      nodeName: 'n9',
      publicKey: String(createPublicKey(privateKey).export({ type: 'spki', format: 'pem' })),
      challenge,
      signature: sign('sha256', Buffer.from(proofText(challenge, 'n9')), privateKey).toString('base64'),
    };
    expect(await ask({ ...request, token: `orc1-worker-${'0'.repeat(64)}-${secret}` })).toBe(403);
    expect(await ask({ ...request, token: 'nothing' })).toBe(403);
    expect(await ask(request)).toBe(200);
    expect(await ask(request)).toBe(403);

    const metrics = await api.raw('GET', '/metrics');
    const counted = (reason: string): number =>
      Number(new RegExp(`^orc_join_refusals\\{reason="${reason}"\\} (\\d+)$`, 'm').exec(metrics)?.[1] ?? 0);
    const counts = ['token-wrong', 'token-otherCluster', 'token-malformed', 'name-taken', 'proof'].map(
      counted,
    );
    expect(counts).toEqual([3, 1, 1, 1, 1]);
    const log = readFileSync(n1.orcLog, 'utf8').split('\n');
    expect(log.filter((line) => line.includes('a request to join was refused'))).toHaveLength(7);
    expect(log.filter((line) => line.includes(secret))).toEqual([]);

    await n4.must(['orc', 'join', '--token', token, ...here, `${n1.address}:6750`]);
    expect(existsSync(join(n4.dataDir, 'cluster.json'))).toBe(true);
  }, 120_000);

  test("a worker's certificate opens its own Node, and nothing else of any kind", async () => {
    const [n1, n2, n3] = four();
    const api = client.to([n1], { as: n3 });
    expect((await api.get('Node', { name: 'n3' })).metadata.name).toBe('n3');
    const code = (call: Promise<unknown>): Promise<number | string> =>
      call.then(
        () => 200,
        (error: unknown) => (error as CallError).code,
      );
    const opened: string[] = [];
    const attempt = async (what: string, call: Promise<unknown>): Promise<void> => {
      const answer = await code(call);
      if (answer !== 403) opened.push(`${what}: ${answer}`);
    };
    for (const { kind } of kinds as readonly { readonly kind: KindName }[]) {
      const items = (await client.list(kind)).items.filter(({ metadata }) => metadata.name !== 'n3');
      const { name = 'none', namespace } = items[0]?.metadata ?? {};
      const [one, all] = [pathOf(kind, { namespace, name }), pathOf(kind, { namespace })];
      const body = JSON.stringify(items[0] ?? {});
      await attempt(`get ${one}`, api.raw('GET', one));
      await attempt(`list ${all}`, api.raw('GET', all));
      await attempt(`watch ${all}`, api.raw('GET', `${all}?watch=true`));
      await attempt(`create ${all}`, api.raw('POST', all, body, json));
      await attempt(`update ${one}`, api.raw('PUT', one, body, json));
      await attempt(`delete ${one}`, api.raw('DELETE', one));
      await attempt(`deletecollection ${all}`, api.raw('DELETE', all));
      for (const type of ['merge-patch+json', 'json-patch+json', 'apply-patch+yaml'])
        await attempt(`${type} ${one}`, api.raw('PATCH', `${one}?fieldManager=x`, '{}', { 'content-type': `application/${type}` })); // prettier-ignore
      for (const sub of ['status', 'scale', 'log', 'exec']) {
        const answer = await code(api.raw('GET', `${one}/${sub}`));
        if (answer !== 403 && answer !== 404 && answer !== 400) opened.push(`get ${one}/${sub}: ${answer}`);
      }
    }
    const own = pathOf('Node', { name: 'n3' });
    await attempt(`update ${own}`, api.raw('PUT', own, '{}', json));
    await attempt(`patch ${own}`, api.raw('PATCH', own, '{}', { 'content-type': 'application/merge-patch+json' })); // prettier-ignore
    for (const path of ['token?role=manager', 'members', 'status'])
      await attempt(path, api.raw('GET', `/cluster/v1/${path}`));
    await attempt('backup', api.raw('POST', '/cluster/v1/backup', '{"passphrase":"long enough"}', json));
    await attempt('metrics', api.raw('GET', '/metrics'));
    await attempt(
      'in the name of an admin',
      api.raw('GET', pathOf('Service'), undefined, {
        'x-orc-user': 'admin',
        'x-orc-group': 'system:masters',
      }),
    );
    expect(opened).toEqual([]);

    const upgrade = (path: string): Promise<string> => upgradeAs(n3, n2, path);
    const other = (await client.list('Task')).items.find(({ spec }) => spec.nodeName !== 'n3');
    const exec = pathOf('Task', {
      ...other?.metadata,
      name: other?.metadata.name ?? '',
      subresource: 'exec',
    });
    expect(await upgrade('/session/v1/streams/0123456789abcdef')).toBe('404');
    expect(await upgrade(`${exec}?command=id&stdout=true`)).toBe('403');
  }, 120_000);

  test("a worker's certificate holds no session for another node, in whatever way it says who it is", async () => {
    const [n1, n2, n3] = four();
    const session = '/session/v1';
    expect(await upgradeAs(n3, n2, session)).toBe('101');
    const count = async (): Promise<number> => {
      const line = 'orc_api_requests_total{verb="connect",resource="sessions",code="403"} ';
      const text = await client.to([n2]).raw('GET', '/metrics');
      return Number(
        text
          .split('\n')
          .find((one) => one.startsWith(line))
          ?.slice(line.length) ?? 0,
      );
    };
    const warned = (): readonly string[] =>
      readFileSync(n2.orcLog, 'utf8').split('\n').filter((line) => line.includes('an upgrade was refused')); // prettier-ignore
    const before = { count: await count(), warned: warned().length };

    // As one server speaks to another for a caller of its own.
    const asNode = ['x-orc-user: system%3Anode%3An1', 'x-orc-group: system%3Anodes'];
    for (const headers of [asNode, asNode.slice(0, 1), asNode.slice(1)]) {
      expect(await upgradeAs(n3, n2, session, { headers })).toBe('403');
      expect(await upgradeAs(n3, n2, `${session}/alive`, { headers })).toBe('403');
    }
    // The CA's own word for the name, and the key of a machine that it was not given to.
    const read = (name: string): string => readFileSync(join(n1.dataDir, 'pki', name), 'utf8');
    const request = { commonName: 'system:node:n1', organization: 'system:nodes', usage: 'client', days: 1 } as const; // prettier-ignore
    const key = createPublicKey(readFileSync(join(n3.dataDir, 'pki/node.key')));
    const pem = String(key.export({ type: 'spki', format: 'pem' }));
    const issued = join(lab.dir, 'as-n1.crt');
    writeFileSync(issued, issueCertificate({ cert: read('ca.crt'), key: read('ca.key') }, request, pem, systemClock)); // prettier-ignore
    expect(await upgradeAs(n3, n2, session, { cert: issued })).toBe('403');
    expect(await upgradeAs(n3, n2, `${session}/alive`, { cert: issued })).toBe('403');

    expect(await count()).toBe(before.count + 8);
    const lines = warned().slice(before.warned).map((line) => JSON.parse(line) as { readonly user: string; readonly code: number }); // prettier-ignore
    expect(lines.map(({ user, code }) => `${user} ${String(code)}`)).toEqual([
      ...Array.from({ length: 6 }, () => 'system:node:n3 403'),
      ...Array.from({ length: 2 }, () => 'system:node:n1 403'),
    ]);
    const node = (await client.get('Node', { name: 'n1' })).status;
    expect(node?.conditions).toContainEqual(expect.objectContaining({ type: 'Connected', status: 'True' }));
  }, 60_000);
});

/** The status that a server answers to an upgrade which a machine asks for, with its own key. */
async function upgradeAs(
  from: LabNode,
  to: LabNode,
  path: string,
  { headers = [], cert }: { readonly headers?: readonly string[]; readonly cert?: string } = {},
): Promise<string> {
  const pki = (file: string): string => join(from.dataDir, 'pki', file);
  const ran = await from.exec([
    ...['curl', '-sS', '--http1.1', '--max-time', '3', '-o', '/dev/null', '-w', '%{http_code}'],
    ...['--cacert', pki('ca.crt'), '--cert', cert ?? pki('node.crt'), '--key', pki('node.key')],
    ...['-H', 'Connection: Upgrade', '-H', 'Upgrade: websocket', '-H', 'Sec-WebSocket-Version: 13'],
    ...['-H', `Sec-WebSocket-Key: ${Buffer.alloc(16).toString('base64')}`],
    ...headers.flatMap((header) => ['-H', header]),
    `https://${to.address}:6750${path}`,
  ]);
  return ran.stdout;
}
