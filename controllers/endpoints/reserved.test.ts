import { describe, expect, test } from '@jest/globals';
import type { Cluster } from '../../api-schemas/index.ts';
import { reservedPorts } from './reserved.ts';

const cluster = (managers: NonNullable<NonNullable<Cluster['status']>['managers']>): Cluster => ({
  apiVersion: 'orc.dev/v1',
  kind: 'Cluster',
  metadata: { name: 'orc' },
  spec: {},
  status: { managers },
});
const since = '2030-01-01T00:00:00Z';

describe('ports that are orc’s own', () => {
  test('are those of the API and of etcd on any manager, within the range to choose from', () => {
    const managers = {
      a: { url: 'https://10.0.0.1:30750', peerURL: 'https://10.0.0.1:30751', since },
      b: { url: 'https://[fd00::2]:30750', peerURL: 'https://[fd00::2]:6751', since },
      c: { url: 'https://10.0.0.3:6750', peerURL: '', since },
    };
    expect(reservedPorts(cluster(managers))).toEqual([30_750, 30_751]);
    expect(reservedPorts(undefined)).toEqual([]);
  });
});
