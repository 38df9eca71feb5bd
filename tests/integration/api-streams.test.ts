import { connect } from 'node:tls';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { Task } from '../../api-schemas/index.ts';
import { systemClock } from '../../kit/clock.ts';
import { silentLogger } from '../../kit/log.ts';
import { createRecorder } from '../../server/index.ts';
import { startTestApi, type TestApi } from './api-harness.ts';

const tasks = '/apis/orc.dev/v1/namespaces/default/tasks';
const task: Task = {
  apiVersion: 'orc.dev/v1',
  kind: 'Task',
  metadata: { name: 't1', namespace: 'default' },
  spec: { service: 's', revision: 'r', desiredState: 'Running' },
};

let api: TestApi;
beforeAll(async () => {
  api = await startTestApi({
    streams: {
      handleLog: (request, response, { metadata }) => {
        response.writeHead(200, { 'Content-Type': 'text/plain' });
        response.end(`log of ${metadata.name} ${new URL(request.url ?? '', 'http://x').search}`);
        return Promise.resolve();
      },
      handleNetCheck: () => Promise.resolve(),
      handleExec: (_request, socket, _head, { metadata }) => {
        socket.end(`HTTP/1.1 101 Switching Protocols\r\nX-Task: ${metadata.name}\r\n\r\n`);
        return Promise.resolve();
      },
    },
    sessions: {
      handleUpgrade: (_request, socket, _head, caller) => {
        socket.end(`HTTP/1.1 101 Switching Protocols\r\nX-Node: ${caller.name}\r\n\r\n`);
      },
      handleLoaded: (question) => Promise.resolve(question),
    },
  });
  await api.store.registry.create(task);
}, 60_000);
afterAll(() => api.stop());

function upgrade(path: string, as: { cert: string; key: string } | undefined): Promise<string> {
  const { hostname, port } = new URL(api.url);
  return new Promise((resolve, reject) => {
    const socket = connect({ host: hostname, port: Number(port), ca: api.pki.ca.cert, ...as }, () =>
      socket.write(`GET ${path} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n`),
    );
    let text = '';
    socket.on('data', (chunk: Buffer) => (text += chunk.toString()));
    socket.on('end', () => resolve(text));
    socket.on('error', reject);
  });
}

describe('streams', () => {
  test('a log goes to the task streams, with its query', async () => {
    const answer = await api.ask('GET', `${tasks}/t1/log?follow=false&tailLines=3`);
    expect(answer).toMatchObject({ code: 200, text: 'log of t1 ?follow=false&tailLines=3' });
    expect((await api.ask('GET', `${tasks}/nope/log`)).code).toBe(404);
    expect((await api.ask('POST', `${tasks}/t1/log`)).code).toBe(405);
  });

  test('exec goes there too, for those who may', async () => {
    const { admin, node } = api.pki;
    expect(await upgrade(`${tasks}/t1/exec?command=ls`, admin)).toContain('X-Task: t1');
    expect(await upgrade(`${tasks}/nope/exec`, admin)).toMatch(/^HTTP\/1.1 404 [^]*"kind":"Status"/);
    expect(await upgrade(`${tasks}/t1/exec`, node)).toMatch(/^HTTP\/1.1 403 /);
    expect(await upgrade(`${tasks}/t1/exec`, undefined)).toMatch(/^HTTP\/1.1 401 /);
  });

  test('a session is for nodes only', async () => {
    const { admin, node } = api.pki;
    expect(await upgrade('/session/v1', node)).toContain('X-Node: system:node:n1');
    expect(await upgrade('/session/v1/streams/x', node)).toContain('101');
    expect(await upgrade('/session/v1', admin)).toMatch(/^HTTP\/1.1 403 /);
    expect(await upgrade('/session/v1', undefined)).toMatch(/^HTTP\/1.1 401 /);
    expect(await upgrade('/session/v1/../../apis', node)).toContain('101');
  });

  test('an upgrade that is refused is counted as any other request', async () => {
    const counted = async (resource: string, code: number): Promise<number> => {
      const line = `orc_api_requests_total{verb="connect",resource="${resource}",code="${String(code)}"} `;
      const { text } = await api.ask('GET', '/metrics');
      return Number(
        text
          .split('\n')
          .find((one) => one.startsWith(line))
          ?.slice(line.length) ?? 0,
      );
    };
    const before = [await counted('sessions', 403), await counted('tasks/exec', 403)];
    await upgrade('/session/v1', api.pki.admin);
    await upgrade(`${tasks}/t1/exec`, api.pki.node);
    expect([await counted('sessions', 403), await counted('tasks/exec', 403)]).toEqual(
      before.map((count) => count + 1),
    );
  });
});

describe('events of the server', () => {
  test('the same event is one object that counts', async () => {
    const { registry } = api.store;
    const record = createRecorder({ registry, clock: systemClock, logger: silentLogger, component: 'test' });
    const live = registry.cache.get('Task', 'default', 't1') ?? task;
    for (let i = 0; i < 60; i++) record(live, { type: 'Warning', reason: 'Tried', message: 'it failed' });
    record(live, { type: 'Normal', reason: 'Tried', message: 'it worked' });
    const find = async (): Promise<readonly number[]> => {
      const { body } = await api.ask(
        'GET',
        '/api/v1/namespaces/default/events?fieldSelector=involvedObject.name%3Dt1',
      );
      return body.items.map((event: { count: number }) => event.count).sort();
    };
    for (let i = 0; i < 50 && (await find()).join() !== '1,60'; i++)
      await new Promise((resolve) => setTimeout(resolve, 50));
    expect(await find()).toEqual([1, 60]);
  });
});
