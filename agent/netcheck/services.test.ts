import { describe, expect, test } from '@jest/globals';
import type { Endpoints, Task } from '../../api-schemas/index.ts';
import type { Attached } from '../network/inputs.ts';
import type { IngressPort } from '../network/ingress/ports.ts';
import type { ContainerState } from '../runtime/types.ts';
import { checkPorts } from './ports.ts';
import type { Connected } from './program.ts';
import { judge, planServices, programInput } from './services.ts';

const attached = (name: string, networks: readonly string[], status = 'running'): Attached => ({
  task: {
    ...{ apiVersion: 'orc.dev/v1', kind: 'Task', metadata: { name, namespace: 'a' } },
    spec: { service: 's', revision: 'r', desiredState: 'Running', networks },
  } as Task,
  container: { id: name, status, pid: 7 } as unknown as ContainerState,
  addresses: networks.map((network, i) => ({ network: `a/${network}`, ip: `10.64.0.${String(i + 10)}` })),
});
const web = (more: Partial<Endpoints> = {}): Endpoints => ({
  ...{ apiVersion: 'orc.dev/v1', kind: 'Endpoints', metadata: { name: 'web', namespace: 'a' } },
  ...{ mode: 'vip', ports: [{ target: 80, published: 8080 }] },
  networks: [{ network: 'x', virtualIP: '10.64.15.1' }],
  endpoints: [
    { task: 'web-1', nodeName: 'n1', ip: '10.64.0.2', addresses: [{ network: 'x', ip: '10.64.0.2' }] },
    { task: 'web-2', nodeName: 'n2', ip: '10.64.0.34', addresses: [{ network: 'x', ip: '10.64.0.34' }] },
  ],
  ...more,
});
const x = new Set(['a/x']);

describe('The services that a container tries', () => {
  test('are those on its networks: name, virtual IP, endpoints, out of one container for each network', () => {
    const { plans, skipped } = planServices(
      [attached('gone-1', ['x'], 'exited'), attached('tool-1', ['x']), attached('tool-2', ['x'])],
      [web()],
      x,
    );
    expect([plans.length, skipped]).toEqual([1, []]);
    expect(plans.map(({ container }) => container.task.metadata.name)).toEqual(['tool-1']);
    expect(plans.map(programInput)).toMatchObject([
      {
        names: ['web.a.orc.internal'],
        connects: ['10.64.15.1', '10.64.0.2', '10.64.0.34'].map((ip) => ({ ip, port: 80, protocol: 'tcp' })),
      },
    ]);
  });

  test('are none of networks that were not asked for, or that no container is on', () => {
    expect(planServices([attached('tool-1', ['x'])], [web()], new Set(['a/y'])).plans).toEqual([]);
    expect(planServices([attached('tool-1', ['y'])], [web()], x).plans).toEqual([]);
  });

  test('are bounded, and what is left out is said', () => {
    const many = Array.from({ length: 5 }, (_, i) =>
      web({ metadata: { name: `w${String(i)}`, namespace: 'a' } }),
    );
    const { plans, skipped } = planServices([attached('tool-1', ['x'])], many, x, {
      services: 3,
      endpoints: 1,
    });
    expect(plans[0]?.names).toHaveLength(3);
    expect(skipped).toEqual([
      '2 services beyond the first 3',
      '3 endpoints beyond the first 1 of their services',
    ]);
  });

  const judged = (names: readonly string[] | string, connects: readonly Connected[], object = web()) =>
    planServices([attached('tool-1', ['x'])], [object], x).plans.flatMap((plan) =>
      judge(plan, { names: [typeof names === 'string' ? { code: names } : { ips: names }], connects }).map(
        ({ step, target, message }) => `${step} ${target}: ${message}`,
      ),
    );

  test('fail where the name gives another address, or none', () => {
    const open: readonly Connected[] = ['open', 'open', 'open'];
    expect(judged(['10.64.15.1'], open)).toEqual([]);
    expect(judged(['10.9.9.9'], open)).toEqual([
      'name web.a.orc.internal: the answer is 10.9.9.9, not 10.64.15.1',
    ]);
    expect(judged('ETIMEOUT', open)).toEqual([
      'name web.a.orc.internal: no answer from the name server: ETIMEOUT',
    ]);
  });

  test('fail at the virtual IP only where all of its endpoints answer', () => {
    const vip = ['10.64.15.1'];
    expect(judged(vip, ['silent', 'open', 'open'])).toEqual(['virtualIP 10.64.15.1:80/tcp: no answer']);
    expect(judged(vip, ['silent', 'open', 'silent'])).toEqual(['endpoint 10.64.0.34:80/tcp: no answer']);
    expect(judged(vip, ['open', 'refused', 'open'])).toEqual([
      'endpoint 10.64.0.2:80/tcp: the connection is refused: nothing listens there',
    ]);
  });

  test('without a port are reached all the same: a refusal has come the whole way', () => {
    expect(judged(['10.64.15.1'], ['refused', 'refused', 'silent'], web({ ports: [] }))).toEqual([
      'endpoint 10.64.0.34:9/tcp: no answer',
    ]);
  });

  test('that have nothing ready have no name with addresses, and nothing to be connected to', () => {
    const none = web({ mode: 'dnsrr', endpoints: [], networks: [{ network: 'x' }] });
    expect(judged('ENODATA', [], none)).toEqual([]);
    expect(judged('ENOTFOUND', [], none)).toHaveLength(1);
  });
});

describe('Published ports', () => {
  const port: IngressPort = {
    ...{ namespace: 'a', service: 'web', published: 8080, target: 80, protocol: 'tcp' },
    ...{ backends: ['10.64.0.2', '10.64.0.34'], remote: ['10.64.0.34'] },
  };
  const check = (
    answers: Readonly<Record<string, Connected>>,
    ports = [port],
    limits = { ports: 9, endpoints: 9 },
  ) =>
    checkPorts({
      ...{ ports, endpoints: [web()], address: '10.0.0.1', limits },
      open: (host, number) => Promise.resolve(answers[`${host}:${String(number)}`] ?? 'open'),
    });

  test('that answer are no failure', async () => {
    expect(await check({})).toEqual({ failures: [], tried: 1, skipped: [] });
  });

  test('name the backend that fails, with its task and node', async () => {
    const { failures } = await check({ '10.64.0.34:80': 'silent', '10.0.0.1:8080': 'silent' });
    expect(failures).toEqual([
      {
        ...{ step: 'port', service: 'a/web', target: '8080/tcp', task: 'web-2', node: 'n2' },
        message: 'its backend 10.64.0.34:80 does not answer',
      },
    ]);
  });

  test('fail by themselves where all backends answer', async () => {
    const { failures } = await check({ '10.0.0.1:8080': 'refused' });
    expect(failures.map(({ message }) => message)).toEqual([
      '10.0.0.1:8080 refuses the connection, though all of its backends answer',
    ]);
  });

  test('are bounded, and say which were not tried', async () => {
    const udp: IngressPort = { ...port, protocol: 'udp' };
    const { tried, skipped } = await check({}, [port, port, port, udp], { ports: 2, endpoints: 1 });
    expect(tried).toBe(2);
    expect(skipped).toEqual([
      '1 published ports',
      '1 published ports of UDP or SCTP: without a client of them nothing can be told',
      '2 backends of published ports',
    ]);
  });
});
