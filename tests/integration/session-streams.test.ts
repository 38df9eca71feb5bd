import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import type { AgentStream } from '../../agent/session/index.ts';
import { channel, type StreamRequest, type Task } from '../../api-schemas/index.ts';
import { Client } from '../../client/index.ts';
import { SessionBench, task, unique, until, type TestAgent } from '../harness/session.ts';

const bench = new SessionBench();
const startAgent = bench.startAgent.bind(bench);
const create = bench.create.bind(bench);
const current = bench.task.bind(bench);

describe('a stream', () => {
  const send = (stream: AgentStream, number: number, text: string): Promise<void> =>
    new Promise((resolve, reject) =>
      stream.send(Buffer.concat([Buffer.of(number), Buffer.from(text)]), (error) =>
        error ? reject(error) : resolve(),
      ),
    );
  const admin = (): Client =>
    new Client({
      endpoints: [bench.server.url],
      tls: { ca: bench.pki.ca.cert, cert: bench.pki.admin.cert, key: bench.pki.admin.key },
    });
  let client: Client;
  beforeEach(() => {
    client = admin();
  });
  afterEach(() => client.close());

  async function serving(
    serve: (stream: AgentStream, request: StreamRequest) => Promise<void>,
  ): Promise<{ t: string; agent: TestAgent }> {
    const [name, t] = [unique('n'), unique('t')];
    await create(task(t, name));
    const agent: TestAgent = await startAgent(name, {
      onStream: (id, uid, request) => {
        agent.streams.push([id, uid, request]);
        void agent.session.openStream(id).then((stream) => serve(stream, request));
      },
    });
    await until('connected', () => agent.session.connected);
    return { t, agent };
  }
  const text = async (stream: AsyncIterable<unknown>): Promise<string> => {
    let all = '';
    for await (const part of stream) all += String(part);
    return all;
  };

  test('brings the log of a container, whole', async () => {
    const line = 'x'.repeat(1_000) + '\n';
    const { t, agent } = await serving(async (stream) => {
      for (let i = 0; i < 2_000; i++) await send(stream, i % 2 === 0 ? channel.stdout : channel.stderr, line);
      await send(stream, channel.status, '{}');
      stream.close();
    });
    const log = await client.logs({ name: t }, { tailLines: 5, timestamps: true });
    expect((await text(log)).length).toBe(2_000 * line.length);
    expect(agent.streams[0]?.[1]).toBe(current(t)?.metadata.uid);
    expect(agent.streams[0]?.[2]).toEqual({ kind: 'logs', follow: false, tail: 5, timestamps: true });
  });

  test('ends at the agent when a follower leaves', async () => {
    let left = false;
    const { t } = await serving(async (stream) => {
      stream.on('close', () => (left = true));
      await send(stream, channel.stdout, 'hello\n');
    });
    const stop = new AbortController();
    const log = await client.logs({ name: t }, { follow: true }, stop.signal);
    log.on('error', () => undefined);
    await new Promise((resolve) => log.once('data', resolve));
    stop.abort();
    await until('left', () => left);
  });

  test('says why there is no log', async () => {
    const { t } = await serving(async (stream) => {
      await send(stream, channel.status, '{"error":"the task has no container on this node"}');
      stream.close();
    });
    await expect(client.logs({ name: t })).rejects.toMatchObject({
      code: 400,
      message: 'the task has no container on this node',
    });
    await expect(client.logs({ name: t }, { tailLines: -1 })).rejects.toMatchObject({ code: 400 });
    const away = unique('t');
    await create(task(away, 'not-there'));
    await expect(client.logs({ name: away })).rejects.toMatchObject({
      code: 503,
      message: expect.stringContaining('not-there'),
    });
  });

  test('runs a command with input, output and exit code', async () => {
    const { t, agent } = await serving(async (stream) => {
      let input = '';
      stream.on('message', (frame) => {
        const data = frame.subarray(1);
        if (frame[0] === channel.stdin) input += data.toString();
        if (frame[0] === channel.resize) input += data.toString();
        if (frame[0] !== channel.close) return;
        void send(stream, channel.stdout, input)
          .then(() => send(stream, channel.stderr, 'oops'))
          .then(() => send(stream, channel.status, '{"exitCode":3}'))
          .then(() => stream.close());
      });
    });
    const exec = await client.exec({ name: t }, { command: ['cat', '-'], stdin: true, env: ['A=b'] });
    exec.resize(80, 24);
    exec.stdin.end('typed');
    expect(await Promise.all([text(exec.stdout), text(exec.stderr), exec.ended])).toEqual([
      '{"Width":80,"Height":24}typed',
      'oops',
      { exitCode: 3 },
    ]);
    expect(agent.streams[0]?.[2]).toEqual({
      kind: 'exec',
      command: ['cat', '-'],
      stdin: true,
      tty: false,
      env: ['A=b'],
    });
    await expect(client.exec({ name: t }, { command: [] })).rejects.toMatchObject({ code: 400 });
  });

  test('is good once, and for the node that was asked only', async () => {
    const { t, agent } = await serving(async () => undefined);
    const stranger = await startAgent(unique('n'));
    await until('connected', () => stranger.session.connected);
    let id = '';
    const pending = bench.server.gateway.openStream(current(t) as Task, {
      kind: 'logs',
      follow: false,
      timestamps: false,
    });
    await until('asked', () => (id = agent.streams[0]?.[0] ?? ''));
    await expect(stranger.session.openStream(id)).rejects.toThrow(/404/);
    const stream = await pending;
    await expect(agent.session.openStream(id)).rejects.toThrow(/404/);
    stream.close();
  });

  test('ends with an error when the node is lost', async () => {
    const { t, agent } = await serving(() => Promise.resolve());
    const exec = await client.exec({ name: t }, { command: ['sleep'] });
    await until('asked', () => agent.streams.length === 1);
    await bench.server.kill();
    expect((await exec.ended).error).toBeDefined();
    await bench.server.start();
  });
});
