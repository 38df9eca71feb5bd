import { describe, expect, test } from '@jest/globals';
import type { ClusterFile } from './cluster-file.ts';
import { readdressed } from './readdress.ts';

const [old, other] = ['https://10.0.0.5:6750', 'https://10.0.0.6:6750'];
const addresses = { listen: '0.0.0.0:6750', advertise: '10.0.0.5:6750', peerPort: 6751 };
const manager: ClusterFile = {
  version: 1,
  nodeName: 'a',
  role: 'manager',
  servers: [other, old],
  manager: { ...addresses, etcd: 'member' },
};
const worker: ClusterFile = {
  version: 1,
  nodeName: 'w',
  role: 'worker',
  servers: [old],
  asManager: addresses,
};

describe('a machine that is reached elsewhere', () => {
  test('says so of itself, wherever it is named', async () => {
    expect(await readdressed(manager, { advertise: '10.1.0.5' })).toEqual({
      ...manager,
      servers: [other, 'https://10.1.0.5:6750'],
      manager: { ...addresses, advertise: '10.1.0.5:6750', etcd: 'member' },
    });
    const both = await readdressed(manager, { listen: '10.1.0.5:7000', advertise: '10.1.0.5' });
    expect(both.manager).toMatchObject({ listen: '10.1.0.5:7000', advertise: '10.1.0.5:7000' });
  });

  test('is the same where nothing is new', async () => {
    expect(await readdressed(manager, {})).toBe(manager);
    expect(await readdressed(manager, { listen: ':6750', advertise: '10.0.0.5:6750' })).toBe(manager);
  });

  test('is a worker that will be a manager there, and knows the same servers', async () => {
    expect(await readdressed(worker, { advertise: '10.1.0.9' })).toEqual({
      ...worker,
      asManager: { ...addresses, advertise: '10.1.0.9:6750' },
    });
  });

  test('is not everywhere', async () => {
    await expect(readdressed(manager, { advertise: '0.0.0.0' })).rejects.toThrow(/other machines can reach/);
  });
});
