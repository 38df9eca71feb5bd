/** For the CLI's tests: a real API server on a real etcd, the CLI against it, and the test as the controllers. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Condition, Service, Task } from '../../api-schemas/index.ts';
import { run } from '../../cli/run.ts';
import { orc, testIo, type Ran, type TestIoOptions } from '../../cli/testing.ts';
import { mergeContext } from '../../client/index.ts';
import { startTestApi, type TestApi } from './api-harness.ts';

export interface Running {
  /** Resolves when stdout or stderr has the text; rejects after 10 s. */
  seen(text: string | RegExp): Promise<void>;
  /** Interrupts it, and gives what it said. */
  stop(): Promise<Ran>;
  readonly ended: Promise<Ran>;
}

export interface TestCli {
  readonly api: TestApi;
  /** For the test's files; removed at the end. */
  readonly dir: string;
  /** What the log of each task says, by name; a stream of `-f` stays open until its request ends. */
  readonly logs: Map<string, string>;
  cli(...args: string[]): Promise<Ran>;
  cliWith(options: TestIoOptions, ...args: string[]): Promise<Ran>;
  /** Starts a command that goes on. */
  start(...args: string[]): Running;
  /** Writes a file; returns its path. */
  file(name: string, text: string): string;
  /** What the controllers would say of a service. */
  playService(name: string, ready: number, ...conditions: Condition[]): Promise<Service>;
  /** A task as the controllers would make it; `log` is what it has said by then. */
  playTask(service: Service, slot: number, status: Task['status'], log?: string): Promise<Task>;
  stored(name: string): Service | undefined;
  stop(): Promise<void>;
}

export const serviceText = (name: string, image = 'web:1', more = ''): string =>
  `apiVersion: orc.dev/v1\nkind: Service\nmetadata:\n  name: ${name}\nspec:\n  image: ${image}\n${more}`;
export const stackText = (name: string, service = 'web'): string =>
  `apiVersion: orc.dev/v1\nkind: Stack\nmetadata:\n  name: ${name}\nspec:\n  services:\n    ${service}:\n      image: web:1\n`;

export const condition = (
  type: string,
  status: Condition['status'],
  message: string,
  generation = 1,
): Condition => ({
  type,
  status,
  reason: 'Played',
  message,
  lastTransitionTime: new Date().toISOString(),
  observedGeneration: generation,
});

export async function startTestCli(): Promise<TestCli> {
  const dir = mkdtempSync(join(tmpdir(), 'orc-cli-'));
  const logs = new Map<string, string>();
  const api = await startTestApi({
    streams: {
      handleLog(request: IncomingMessage, response: ServerResponse, task: Task): Promise<void> {
        response.writeHead(200, { 'content-type': 'text/plain' });
        response.write(logs.get(task.metadata.name) ?? '');
        if (!(request.url ?? '').includes('follow=true')) response.end();
        return Promise.resolve();
      },
      handleNetCheck: () => Promise.resolve(),
      handleExec: () => Promise.resolve(),
    },
  });
  const env = { ORC_CONFIG: join(dir, 'config') };
  const { ca, admin } = api.pki;
  await mergeContext(
    { name: 'test', endpoints: [api.url], ca: ca.cert, cert: admin.cert, key: admin.key },
    { path: env.ORC_CONFIG },
  );
  const { registry } = api.store;
  let serial = 0;
  return {
    api,
    dir,
    logs,
    cli: (...args) => orc(args, { env }),
    cliWith: (options, ...args) => orc(args, { ...options, env: { ...env, ...options.env } }),
    start: (...args) => start(env, args),
    file(name, text) {
      const path = join(dir, name);
      writeFileSync(path, text);
      return path;
    },
    playService: (name, ready, ...conditions) =>
      registry.modify<Service>({ kind: 'Service', namespace: 'default', name }, (s) => {
        const observedGeneration = s.metadata.generation ?? 1;
        const desired = s.spec.replicas ?? 1;
        return {
          ...s,
          status: { observedGeneration, desired, replicas: desired, updated: desired, ready, conditions },
        };
      }),
    playTask: ({ metadata: { name: service, uid = '' } }, slot, status, log) => {
      const name = `${service}-${String(slot)}-${String(++serial)}`;
      if (log !== undefined) logs.set(name, log);
      return registry.create<Task>({
        apiVersion: 'orc.dev/v1',
        kind: 'Task',
        metadata: {
          name,
          namespace: 'default',
          labels: { 'orc.dev/service': service },
          ownerReferences: [
            { apiVersion: 'orc.dev/v1', kind: 'Service', name: service, uid, controller: true },
          ],
        },
        spec: { service, revision: 'r', slot, desiredState: 'Running' },
        ...(status === undefined ? {} : { status }),
      });
    },
    stored: (name) => registry.cache.get('Service', 'default', name),
    async stop() {
      await api.stop();
      rmSync(dir, { recursive: true, force: true });
    },
  };
}

function start(env: Readonly<Record<string, string>>, args: readonly string[]): Running {
  const io = testIo({ env });
  const interrupt = new AbortController();
  const ended = run(args, { io, signal: interrupt.signal }).then((code) => ({
    code,
    out: io.out(),
    err: io.err(),
  }));
  const said = (): string => io.out() + io.err();
  return {
    async seen(text) {
      const until = Date.now() + 10_000;
      while (!(typeof text === 'string' ? said().includes(text) : text.test(said()))) {
        if (Date.now() > until) throw new Error(`waited in vain for ${String(text)} in:\n${said()}`);
        await new Promise((resolve) => setTimeout(resolve, 10));
      }
    },
    ended,
    stop: () => {
      interrupt.abort(new Error('interrupted'));
      return ended;
    },
  };
}
