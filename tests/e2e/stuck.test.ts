import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import type { Obj } from '../../api-schemas/index.ts';
import { eventually, startCluster, type Cluster } from '../harness/cluster.ts';

const withoutSpec = ({ spec: _spec, ...rest }: Obj & { readonly spec?: unknown }): object => rest;

/** What is stuck says why, on the object, with the remedy. */
describe('What is stuck', () => {
  let cluster: Cluster;
  beforeAll(async () => {
    cluster = await startCluster();
  }, 120_000);
  afterAll(() => cluster.stop(), 60_000);
  afterEach(async () => {
    await cluster.must('delete', 'services', '--all', '--wait', '--timeout', '60s');
  }, 90_000);

  const stuck = (spec: string, texts: readonly (string | RegExp)[]): Promise<void> => {
    const manifest = `apiVersion: orc.dev/v1\nkind: Service\nmetadata: { name: s }\nspec:\n${spec.trim().replace(/^ */gm, '  ')}\n`;
    return (async () => {
      const ran = await cluster.apply(manifest, '--no-wait');
      expect(ran.stderr).not.toContain('error');
      let described = '';
      await eventually(`describe says ${texts.join(', ')}`, async () => {
        described = await cluster.must('describe', 'service', 's');
        return texts.every((text) =>
          typeof text === 'string' ? described.includes(text) : text.test(described),
        );
      }).catch((error: unknown) => {
        throw new Error(`${String(error)}\n${described}`);
      });
    })();
  };

  test(
    'an image that is nowhere',
    () => stuck('image: orc.local/absent:9', ['ImagePullFailed', 'orc.local/absent:9']),
    60_000,
  );
  test(
    'an image that is not there, and may not be pulled',
    () =>
      stuck('image: orc.local/absent:9\npullPolicy: never', [/ImageNotFound|ImageNotPresent/, 'pullPolicy']),
    60_000,
  );
  test(
    'no node fits the constraint',
    () =>
      stuck('image: orc.local/hello:1\nplacement: { constraints: ["node.labels.zone == mars"] }', [
        'NoNodeFits',
        'node.labels.zone',
      ]),
    60_000,
  );
  test(
    'no node has the memory',
    () =>
      stuck('image: orc.local/hello:1\nresources: { reservations: { memory: 900Gi } }', [
        'NoNodeFits',
        'memory',
      ]),
    60_000,
  );
  test('a crash loop: what it wrote is a command away, and nowhere else', async () => {
    const command = 'command: [sh, -c, "echo password is cheese >&2; exit 42"]';
    await stuck(`image: orc.local/hello:1\n${command}`, ['exit code 42', /restart/i, 'orc logs task/s-1-']);
    const [, task = ''] = /`orc logs (\S+)`/.exec(await cluster.must('describe', 'service', 's')) ?? [];
    expect(await cluster.must('logs', task)).toContain('password is cheese');
    for (const kind of ['services', 'tasks', 'events'])
      expect(JSON.stringify((await cluster.get(kind)).map(withoutSpec))).not.toContain('cheese');
  }, 60_000);
  test(
    'a command that is not in the image',
    () => stuck('image: orc.local/hello:1\ncommand: [no-such-program]', ['no-such-program']),
    60_000,
  );
  test(
    'unhealthy',
    () =>
      stuck(
        'image: orc.local/hello:1\nhealthcheck: { test: [CMD, "false"], interval: 200ms, retries: 2, startPeriod: 100ms }',
        ['Unhealthy'],
      ),
    60_000,
  );
  test(
    'a bind mount whose source is not there',
    () =>
      stuck('image: orc.local/hello:1\nmounts: [{ type: bind, source: /no/such/folder, target: /x }]', [
        'BadMount',
        '/no/such/folder',
      ]),
    60_000,
  );

  test('a published port that another service holds is refused with its name', async () => {
    const port = (name: string): string =>
      `apiVersion: orc.dev/v1\nkind: Service\nmetadata: { name: ${name} }\nspec: { image: orc.local/hello:1, ports: [{ published: 8081, target: 80 }] }\n`;
    expect((await cluster.apply(port('first'), '--wait', '--timeout', '60s')).code).toBe(0);
    const second = await cluster.apply(port('second'), '--no-wait');
    expect(second.code).toBe(1);
    expect(second.stderr).toContain('8081');
    expect(second.stderr).toContain('first');
  }, 90_000);
});
