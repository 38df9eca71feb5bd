/** A node's role as users wish it, over the API. */
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import type { Cluster, ClusterCa, Node } from '../../api-schemas/index.ts';
import { startTestApi, type Answer, type TestApi } from './api-harness.ts';

let api: TestApi;
beforeAll(async () => {
  api = await startTestApi();
  const { registry } = api.store;
  const node = (name: string, role: 'manager' | 'worker'): Promise<Node> =>
    registry.create<Node>({
      apiVersion: 'orc.dev/v1',
      kind: 'Node',
      metadata: { name },
      spec: {},
      status: { role },
    });
  await node('w', 'worker');
  await node('m', 'manager');
  await registry.create<Cluster>({
    apiVersion: 'orc.dev/v1',
    kind: 'Cluster',
    metadata: { name: 'orc' },
    spec: { ca: { rotation: 1 } },
  });
}, 60_000);
afterAll(() => api.stop());

const wish = (name: string, role: string): Promise<Answer> =>
  api.ask('PATCH', `/apis/orc.dev/v1/nodes/${name}`, {
    body: { spec: { role } },
    type: 'application/merge-patch+json',
  });

test('a node is not told to become a manager while the CA is replaced, with the reason; all else is taken', async () => {
  const refused = await wish('w', 'manager');
  expect([refused.code, refused.body.message]).toEqual([
    403,
    expect.stringMatching(/spec\.role: the CA is being replaced.*`orc ca status` says that it is done/),
  ]);
  expect((await wish('m', 'manager')).code).toBe(200);
  expect((await wish('m', 'worker')).code).toBe(200);

  const time = '2030-01-01T00:00:00Z';
  const when = { startedAt: time, since: time };
  const done: ClusterCa = {
    rotation: 1,
    phase: 'Done',
    from: 'a',
    to: 'b',
    ...when,
    waitingFor: [],
    skipped: [],
  };
  await api.store.registry.modify<Cluster>({ kind: 'Cluster', namespace: '', name: 'orc' }, (cluster) => ({
    ...cluster,
    status: { ...cluster.status, ca: done },
  }));
  expect((await wish('w', 'manager')).code).toBe(200);
  const table = await api.ask('GET', '/apis/orc.dev/v1/nodes', {
    headers: { accept: 'application/json;as=Table;v=v1;g=meta.k8s.io' },
  });
  const roles = (table.body as unknown as { rows: readonly { cells: readonly unknown[] }[] }).rows.map(
    ({ cells }) => cells[2],
  );
  expect(roles).toEqual(['manager (to be worker)', 'worker (to be manager)']);
});
