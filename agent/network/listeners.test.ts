import { createServer, type AddressInfo } from 'node:net';
import { once } from 'node:events';
import { expect, test } from '@jest/globals';
import { holdPort } from './ingress/hold.ts';
import type { IngressPort } from './ingress/ports.ts';
import { portHolder } from './listeners.ts';

const portAt = (published: number, protocol: 'tcp' | 'udp' = 'tcp'): IngressPort => {
  return {
    namespace: 'd',
    service: 's',
    published,
    target: 80,
    protocol,
    hostIP: '127.0.0.1',
    backends: [],
    remote: [],
  };
};

test('a port that is listened on cannot be held, and its holder is found', async () => {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  await expect(holdPort(portAt(port))).rejects.toMatchObject({ code: 'EADDRINUSE' });
  expect(await portHolder('tcp', port)).toBe('orc itself, for a published port');
  server.close();
  await once(server, 'close');
  expect(await portHolder('tcp', port)).toBeUndefined();
});

test.each(['tcp', 'udp'] as const)('a held %s port is free again after its release', async (protocol) => {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  const release = await holdPort(portAt(port, protocol));
  await expect(holdPort(portAt(port, protocol))).rejects.toMatchObject({ code: 'EADDRINUSE' });
  release();
  await new Promise((resolve) => setImmediate(resolve));
  (await holdPort(portAt(port, protocol)))();
});

test('an address that the node does not have cannot be held', async () => {
  const port = { ...portAt(18_080), hostIP: '192.0.2.1' };
  await expect(holdPort(port)).rejects.toMatchObject({ code: 'EADDRNOTAVAIL' });
});
