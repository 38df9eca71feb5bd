import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { join } from 'node:path';
import { eventually } from '../harness/cluster.ts';
import { openLabClient, type LabClient } from '../harness/lab-client.ts';
import {
  containersOn,
  helloService,
  isNodeReady,
  missingFrom,
  orphans,
  runningIn,
  settled,
  stopOrc,
} from '../harness/lab-world.ts';
import { startLab, type Lab, type LabNode } from '../harness/lab.ts';
import { formCluster } from '../lab/orc.ts';

const patience = 120_000;
const passphrase = { ORC_PASSPHRASE: 'correct horse battery' };

describe('A cluster whose managers are all gone for good', () => {
  let lab: Lab;
  let old: LabClient;
  let fresh: LabClient | undefined;
  let [first, second, worker, spare]: readonly LabNode[] = [];
  const four = (): readonly [LabNode, LabNode, LabNode, LabNode] => {
    if (first === undefined || second === undefined || worker === undefined || spare === undefined)
      throw new Error('the lab did not start');
    return [first, second, worker, spare];
  };
  beforeAll(async () => {
    lab = await startLab({ nodes: 4 });
    [first, second, worker, spare] = lab.nodes;
    const members = four().slice(0, 3);
    await formCluster(members, 2, () => undefined);
    old = await openLabClient(lab, members.slice(0, 2));
    await old.apply(helloService('web', { replicas: 6 }));
    await old.apply(helloService('agent', { mode: 'global' }));
    await settled(lab, old);
  }, 300_000);
  afterAll(async () => {
    old?.close();
    fresh?.close();
    await lab?.close();
  }, 60_000);

  test('is restored on a machine of another address; what runs is taken over', async () => {
    const [n1, n2, n3, n4] = four();
    const file = join(lab.dir, 'orc.backup');
    const said = await n2.must(['orc', 'cluster', 'backup', file], { env: passphrase });
    expect(said).toMatch(/\d+ bytes, checked/);
    const before = await runningIn(lab);
    const kept = before.filter(({ node }) => node === n3.name);
    expect(kept.length).toBeGreaterThan(1);
    const services = async (client: LabClient): Promise<readonly string[]> =>
      (await client.list('Service')).items.map(({ metadata }) => `${metadata.name} ${metadata.uid}`).sort();
    const wanted = await services(old);

    await n1.crash();
    await n2.crash();
    const here = ['--data-dir', n4.dataDir, '--listen', '0.0.0.0:6750'];
    const wrong = await n4.exec(
      ['orc', 'cluster', 'restore', file, '--node-name', 'n4', '--advertise', n4.address, ...here],
      { env: { ORC_PASSPHRASE: 'another one altogether' } },
    );
    expect(wrong.code).not.toBe(0);
    expect(wrong.stderr).toMatch(/passphrase/);
    await n4.must(
      ['orc', 'cluster', 'restore', file, '--node-name', 'n4', '--advertise', n4.address, ...here],
      { env: passphrase },
    );
    const engine = ['--docker-host', 'unix:///run/docker.sock'];
    n4.spawnToFile(['orc', 'up', ...here, ...engine], n4.orcLog);
    await eventually(
      'the restored manager answers',
      async () => (await n4.exec(['orc', 'get', 'services'])).stdout.includes('web'),
      patience,
    );
    fresh = await openLabClient(lab, [n4]);
    const client = fresh;
    expect(await services(client)).toEqual(wanted);

    await stopOrc(n3);
    expect(missingFrom(kept, await runningIn(lab))).toEqual([]);
    const token = (await n4.must(['orc', 'token', 'show', 'worker', '--quiet'])).trim();
    n3.spawnToFile(
      ['orc', 'join', '--token', token, '--data-dir', n3.dataDir, ...engine, `${n4.address}:6750`],
      n3.orcLog,
    );
    for (const name of ['n3', 'n4'])
      await eventually(
        `${name} is Ready, with the new manager`,
        async () => {
          const { status } = await client.get('Node', { name });
          return status?.session?.server === 'n4' && (await isNodeReady(client, name));
        },
        patience,
      );
    expect(missingFrom(kept, await runningIn(lab))).toEqual([]);

    await n4.must(['orc', 'node', 'rm', 'n1', 'n2']);
    const after = await settled(lab, client, patience);
    expect(missingFrom(kept, after)).toEqual([]);
    expect(new Set(after.map(({ node }) => node))).toEqual(new Set(['n3', 'n4']));
    expect(await orphans(lab, client)).toEqual([]);
    expect((await containersOn(n3)).filter(({ isRunning }) => !isRunning)).toEqual([]);
    await client.setScale('Service', { name: 'web' }, 7);
    expect(missingFrom(after, await settled(lab, client))).toEqual([]);
  }, 300_000);
});
