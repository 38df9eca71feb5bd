import { expect, test } from '@jest/globals';
import type { Node, Service, Task } from '../../api-schemas/index.ts';
import { portTrouble } from './ports.ts';

const apiVersion = 'orc.dev/v1' as const;
const service: Service = {
  ...{ apiVersion, kind: 'Service', metadata: { name: 'web', namespace: 'default' } },
  spec: { image: 'i', ports: [{ target: 80, published: 80, hostIP: '10.0.0.2' }] },
};
const task: Task = {
  ...{ apiVersion, kind: 'Task', metadata: { name: 'web-1', namespace: 'default' } },
  spec: { service: 'web', revision: 'r', nodeName: 'n1', desiredState: 'Running' },
  status: {
    state: 'Running',
    conditions: [
      {
        ...{
          type: 'PortsPublished',
          status: 'False',
          reason: 'NoSuchAddress',
          message: 'no address 10.0.0.2',
        },
        lastTransitionTime: '2030-01-01T00:00:00Z',
      },
    ],
  },
};
const nodes = (...addresses: readonly string[]): ReadonlyMap<string, Node> =>
  new Map(
    addresses.map((address, i): [string, Node] => [
      `n${i + 1}`,
      { apiVersion, kind: 'Node', metadata: { name: `n${i + 1}` }, spec: {}, status: { addresses: [address] } as unknown as NonNullable<Node['status']> }, // prettier-ignore
    ]),
  );

test('a port on an address is well where a node has that, and trouble where none has', () => {
  expect(portTrouble(service, [task], nodes('10.0.0.1', '10.0.0.2'))).toBeUndefined();
  expect(portTrouble(service, [task], nodes('10.0.0.1', '10.0.0.3'))).toMatchObject({
    reason: 'NoSuchAddress',
  });
});
