import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { createServer, type Server } from 'node:http';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { startServerOnly, type ServerOnly } from '../harness/server.ts';

const good = (name: string): string =>
  `apiVersion: orc.dev/v1\nkind: Service\nmetadata: { name: ${name} }\nspec: { image: orc.local/hello:1 }\n`;

/** Bad input is refused whole, with its place, and loses nothing. */
describe('Bad input', () => {
  let cluster: ServerOnly;
  beforeAll(async () => {
    cluster = await startServerOnly();
    expect((await cluster.apply(good('kept'), '--no-wait')).code).toBe(0);
  }, 60_000);
  afterAll(() => cluster.stop(), 30_000);

  /** Each is refused with a text, and what was stored before is all that is stored after. */
  const cases: Record<string, readonly [string, ...(string | RegExp)[]]> = {
    'an unknown field, with a hint': [
      good('a').replace('image', 'imag'),
      'manifest.yml:4:',
      'spec.imag',
      'did you mean "image"',
    ],
    'a wrong type': [
      good('a').replace('hello:1 }', 'hello:1, replicas: three }'),
      'manifest.yml:4:',
      'spec.replicas',
      'must be a whole number',
    ],
    'an unknown kind': [good('a').replace('kind: Service', 'kind: Servce'), 'Servce', 'Service'],
    'an unknown version': [good('a').replace('orc.dev/v1', 'orc.dev/v9'), 'orc.dev/v9'],
    'a bad image name': [good('a').replace('orc.local/hello:1', '"not an image"'), 'spec.image'],
    'malformed YAML': ['apiVersion: orc.dev/v1\nkind: [Service\n', 'manifest.yml:'],
    'a tab as indentation': [
      'apiVersion: orc.dev/v1\nkind: Service\nmetadata:\n\tname: a\n',
      'manifest.yml:4',
    ],
    'no document at all': ['# nothing\n', /no (objects|documents)|nothing/i],
    'a scalar': ['hello\n', 'manifest.yml:1'],
    'two names in one map': [good('a').replace('name: a', 'name: a, name: b'), 'manifest.yml:3', 'name'],
    'a field that is not there yet': [
      good('a').replace('hello:1 }', 'hello:1, secrets: [x] }'),
      'spec.secrets',
      'not supported yet',
    ],
    'a second document that is invalid': [
      `${good('first')}---\n${good('second').replace('image', 'imag')}`,
      'manifest.yml:9:',
      'spec.imag',
    ],
    'a bomb of aliases': [
      `a: &a [x,x,x,x,x,x,x,x,x]\n${[...'bcdefghi'].map((c, i) => `${c}: &${c} [${`*${'abcdefgh'[i]},`.repeat(9)}]`).join('\n')}\napiVersion: orc.dev/v1\n`,
      /alias/i,
    ],
    'ten megabytes': [`${good('a')}# ${'x'.repeat(10 * 2 ** 20)}\n`, /MiB|too large/i],
    'depth without end': [
      `apiVersion: orc.dev/v1\nkind: Service\nmetadata: { name: a }\nspec: ${'['.repeat(5000)}${']'.repeat(5000)}\n`,
      'manifest.yml',
    ],
    'a name that is a path': [good('a').replace('name: a', 'name: ../../etc/passwd'), 'metadata.name'],
  };

  test.each(Object.entries(cases))(
    '%s is refused, and nothing is stored',
    async (_, [text, ...wanted]) => {
      const ran = await cluster.apply(text, '--no-wait');
      expect(ran.code).toBe(1);
      for (const part of wanted)
        expect(ran.stderr).toEqual(
          typeof part === 'string' ? expect.stringContaining(part) : expect.stringMatching(part),
        );
      expect(ran.stderr).not.toMatch(/\n\s+at .*\.(ts|mjs|js):\d+/);
      expect((await cluster.orc('get', 'services', '-A', '-o', 'name')).stdout.trim()).toBe('service/kept');
    },
    60_000,
  );

  describe('from an address', () => {
    let site: Server;
    let port = 0;
    beforeAll(async () => {
      site = createServer((request, response) => {
        if (request.url === '/good.yml') return response.end(good('from-http'));
        if (request.url === '/cut.yml') {
          response.writeHead(200, { 'content-length': '4000' });
          response.write(good('half'));
          return setTimeout(() => response.destroy(), 100);
        }
        response.writeHead(404).end('no such file');
      }).listen(0, '127.0.0.1');
      await once(site, 'listening');
      port = (site.address() as AddressInfo).port;
    });
    afterAll(() => void site.close());

    test('a body that is cut off half-way is refused, and nothing is stored', async () => {
      const ran = await cluster.orc('apply', '-f', `http://127.0.0.1:${port}/cut.yml`, '--no-wait');
      expect(ran.code).toBe(1);
      expect((await cluster.orc('get', 'services', '-o', 'name')).stdout).not.toContain('half');
    }, 30_000);

    test('a page that is not there is an error that names it', async () => {
      const ran = await cluster.orc('apply', '-f', `http://127.0.0.1:${port}/absent.yml`, '--no-wait');
      expect(ran.code).toBe(1);
      expect(ran.stderr).toContain('404');
    }, 30_000);

    test('a good one is applied', async () => {
      expect(
        (await cluster.must('apply', '-f', `http://127.0.0.1:${port}/good.yml`, '--no-wait')).trim(),
      ).toBe('service/from-http created');
      await cluster.must('delete', 'service', 'from-http');
    }, 30_000);
  });
});
