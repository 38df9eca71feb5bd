import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { startChurn } from '../harness/lab-churn.ts';
import { eventually } from '../harness/cluster.ts';
import { openLabClient, type LabClient } from '../harness/lab-client.ts';
import {
  helloService,
  isNodeReady,
  leaderOf,
  missingFrom,
  runningIn,
  settled,
} from '../harness/lab-world.ts';
import { startLab, type Lab } from '../harness/lab.ts';
import { lostWrites, outageMs } from '../harness/prober.ts';

describe('Three managers and a worker, while services are scaled all the time', () => {
  let lab: Lab;
  let client: LabClient;
  beforeAll(async () => {
    lab = await startLab({ nodes: 4, managers: 3 });
    client = await openLabClient(lab);
    await client.apply(helloService('steady', { replicas: 6 }));
    await client.apply(helloService('moving', { replicas: 3 }));
    await settled(lab, client);
  }, 300_000);
  afterAll(async () => {
    client?.close();
    await lab?.close();
  }, 60_000);

  test('the loss of the machine that leads restarts, doubles and loses nothing, three times', async () => {
    for (let round = 1; round <= 3; round++) {
      const leader = await eventually('an etcd leads', () => leaderOf(lab.managers));
      const others = lab.managers.filter((node) => node !== leader);
      const stayed = (await runningIn(lab, 'steady')).filter(({ node }) => node !== leader.name);
      const churn = startChurn(() => client.to(others, { timeoutMs: 5_000 }), 'moving', [5, 2, 4, 1]);
      await client.startProber();
      const killedAt = Date.now();
      await leader.crash();
      await eventually(
        'the node is missed',
        async () => !(await isNodeReady(client.to(others), leader.name)),
      );
      await lab.start(leader);

      expect(await churn.stop()).toEqual([]);
      const writes = await client.stopProber();
      console.log(
        `round ${round}: ${leader.name} led; writes were accepted again after ${outageMs(writes, killedAt)} ms`,
      );
      const after = await settled(lab, client);
      expect(missingFrom(stayed, after)).toEqual([]);
      expect(writes.length).toBeGreaterThan(10);
      expect(lostWrites(writes, (await client.list('Lease', { namespace: 'default' })).items)).toEqual([]);
    }
  }, 240_000);
});
