import { createPublicKey } from 'node:crypto';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { digestOf } from '../../kit/certificate.ts';
import { FakeClock } from '../../kit/clock.ts';
import type { Logger } from '../../kit/log.ts';
import { generateKey, issueCertificate, selfSign, type KeyedCertificate } from '../../server/pki/index.ts';
import { keepNodeTls, type NodeTlsOptions } from './node-tls.ts';

const dayMs = 86_400_000;

describe('the certificate of a node', () => {
  let dir = '';
  let ca: KeyedCertificate;
  let key: string;
  const clock = new FakeClock();
  const file = (name: string): string => join(dir, 'pki', name);
  const issue = (days = 90, by = ca): string =>
    issueCertificate(
      by,
      { commonName: 'system:node:w1', organization: 'system:nodes', usage: 'client', days },
      String(createPublicKey(key).export({ type: 'spki', format: 'pem' })),
      clock,
    );

  const makeCa = async (commonName: string, laterMs = 0): Promise<KeyedCertificate> => {
    const own = await generateKey();
    const then = { ...clock, now: () => clock.now() + laterMs } as typeof clock;
    return { key: own, cert: selfSign({ commonName, usage: 'ca', days: 3650 }, own, then) };
  };

  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), 'orc-node-tls-'));
    await mkdir(file(''), { recursive: true });
    key = await generateKey();
    ca = await makeCa('ca');
    await Promise.all([
      writeFile(file('ca.crt'), ca.cert),
      writeFile(file('node.crt'), issue()),
      writeFile(file('node.key'), key),
    ]);
  });
  afterEach(() => rm(dir, { recursive: true, force: true }));

  /** A keeper, whom it asked, and a wait for what it logs. */
  function keeper(renew?: NodeTlsOptions['renew']) {
    const asked: string[] = [];
    const lines: string[] = [];
    let onLine = (): void => undefined;
    const say = (...words: unknown[]): void => {
      lines.push(JSON.stringify(words));
      onLine();
    };
    const kept = keepNodeTls({
      dataDir: dir,
      nodeName: 'w1',
      servers: () => ['https://a:1', 'https://b:1'],
      clock,
      logger: { info: say, error: say } as unknown as Logger,
      random: () => 0,
      async renew(endpoint, tls, name) {
        asked.push(endpoint);
        return renew === undefined ? { ca: ca.cert, certificate: issue() } : renew(endpoint, tls, name);
      },
    });
    const line = async (text: string): Promise<string> => {
      for (;;) {
        const at = lines.findIndex((one) => one.includes(text));
        // What follows a line follows it at once.
        if (at >= 0)
          return new Promise((resolve) => setImmediate(() => resolve(lines.splice(0, at + 1)[at] ?? '')));
        await new Promise<void>((resolve) => (onLine = resolve));
      }
    };
    return { kept, asked, line };
  }

  test('is renewed past two thirds of its life, and used from then on', async () => {
    const { kept, asked, line } = keeper();
    const first = kept.current;
    clock.advance(59 * dayMs);
    expect(asked).toEqual([]);
    clock.advance(2 * dayMs);
    await line('is renewed');
    expect(asked).toEqual(['https://a:1']);
    expect(kept.current.cert).not.toBe(first.cert);
    expect(kept.current).toEqual({ ca: ca.cert, cert: await readFile(file('node.crt'), 'utf8'), key });
    kept.close();
  });

  test('is asked of the next server when one does not answer, and again later when none does', async () => {
    let isAway = true;
    const { kept, asked, line } = keeper((endpoint) =>
      isAway || endpoint === 'https://a:1'
        ? Promise.reject(new Error('away'))
        : Promise.resolve({ ca: ca.cert, certificate: issue() }),
    );
    clock.advance(61 * dayMs);
    expect(await line('could not be renewed')).toContain('https://a:1: away; https://b:1: away');
    isAway = false;
    clock.advance(10 * 60_000);
    await line('is renewed');
    expect(asked).toEqual(['https://a:1', 'https://b:1', 'https://a:1', 'https://b:1']);
    kept.close();
  });

  test('comes with a new bundle of CAs, which is kept too', async () => {
    const bundle = `${ca.cert}\n${ca.cert}`;
    const { kept, line } = keeper(() => Promise.resolve({ ca: bundle, certificate: issue() }));
    clock.advance(61 * dayMs);
    await line('is renewed');
    expect(kept.current.ca).toBe(bundle);
    expect(await readFile(file('trust.crt'), 'utf8')).toBe(bundle);
    kept.close();
  });

  test('follows a CA that is being replaced, from the server that has come to it', async () => {
    const other = await makeCa('other');
    const [both, alone] = [`${ca.cert}${other.cert}`, other.cert];
    let answer = { ca: both, certificate: issue() };
    const { kept, asked, line } = keeper((endpoint) =>
      endpoint === 'https://a:1'
        ? Promise.resolve({ ca: ca.cert, certificate: issue() })
        : Promise.resolve(answer),
    );
    const digests = (...of: readonly string[]): string[] => of.map(digestOf).sort();
    kept.follow({ issuer: digestOf(ca.cert), trust: digests(ca.cert) }, 'https://b:1');
    expect(asked).toEqual([]);
    kept.follow({ issuer: digestOf(ca.cert), trust: digests(ca.cert, other.cert) }, 'https://b:1');
    await line('is renewed');
    expect(kept.current.ca).toBe(both);
    expect(asked).toEqual(['https://b:1']);
    answer = { ca: alone, certificate: issue(90, other) };
    kept.follow({ issuer: digestOf(other.cert), trust: digests(other.cert) }, 'https://b:1');
    await line('is renewed');
    expect(kept.current).toMatchObject({ ca: alone, cert: answer.certificate });
    kept.close();
  });

  test('asks again until it is what the server has come to', async () => {
    const other = await makeCa('other');
    let hasComeTo = false;
    const { kept, line } = keeper(() =>
      Promise.resolve({ ca: hasComeTo ? `${ca.cert}${other.cert}` : ca.cert, certificate: issue() }),
    );
    kept.follow(
      { issuer: digestOf(ca.cert), trust: [ca.cert, other.cert].map(digestOf).sort() },
      'https://b:1',
    );
    await line('is renewed');
    hasComeTo = true;
    clock.advance(1_000);
    await line('is renewed');
    expect(kept.current.ca).toBe(`${ca.cert}${other.cert}`);
    kept.close();
  });

  test('does not follow a server that is behind, nor takes a certificate from one', async () => {
    const other = await makeCa('other', 3_600_000);
    const both = `${ca.cert}${other.cert}`;
    await writeFile(file('trust.crt'), both);
    const behind = { issuer: digestOf(ca.cert), trust: [digestOf(ca.cert)] };
    const { kept, asked, line } = keeper((endpoint) =>
      Promise.resolve({ ca: endpoint === 'https://a:1' ? ca.cert : both, certificate: issue() }),
    );
    kept.follow(behind, 'https://a:1');
    expect(asked).toEqual([]);
    clock.advance(61 * dayMs);
    await line('is renewed');
    expect(asked).toEqual(['https://a:1', 'https://b:1']);
    expect(kept.current.ca).toBe(both);
    kept.close();
  });

  test('beside a manager is waited for, and nobody is asked', async () => {
    const other = await makeCa('other');
    const both = `${ca.cert}${other.cert}`;
    await writeFile(file('ca.key'), ca.key);
    const { kept, asked } = keeper();
    kept.follow(
      { issuer: digestOf(ca.cert), trust: [ca.cert, other.cert].map(digestOf).sort() },
      'https://b:1',
    );
    const pass = async (): Promise<void> => {
      clock.advance(30_000);
      await new Promise((resolve) => setImmediate(resolve));
    };
    for (let i = 0; i < 5; i++) await pass();
    expect(asked).toEqual([]);
    await writeFile(file('trust.crt'), both);
    await pass();
    await pass();
    expect(kept.current.ca).toBe(both);
    expect(asked).toEqual([]);
    kept.close();
  });

  test('that another process has renewed is taken from the file', async () => {
    const { kept, asked, line } = keeper();
    clock.advance(59 * dayMs);
    const renewed = issue();
    await writeFile(file('node.crt'), renewed);
    clock.advance(2 * dayMs);
    await line('by another process');
    expect(kept.current.cert).toBe(renewed);
    expect(asked).toEqual([]);
    kept.close();
  });

  test('that has run out is told of with the command that joins again', async () => {
    const { kept, line } = keeper(() => Promise.reject(new Error('401: Unauthorized')));
    clock.advance(100 * dayMs);
    const told = await line('could not be renewed');
    expect(told).toMatch(/ran out on .*orc join --token TOKEN a:1,b:1/);
    kept.close();
  });
});
