import { Readable } from 'node:stream';
import { beforeAll, describe, expect, test } from '@jest/globals';
import type { Cluster, ClusterCa, ManagerPki, Node } from '../../api-schemas/index.ts';
import { digestOf } from '../../kit/certificate.ts';
import { systemClock } from '../../kit/clock.ts';
import { generateKey, issueCertificate, selfSign, type KeyedCertificate } from '../../server/pki/issue.ts';
import { confirm } from '../confirm.ts';
import { testIo } from '../testing.ts';
import { endpointsToAsk, isFresh, whomToAsk } from './ca-context.ts';
import { planLines } from './ca-start.ts';
import { caLines } from './ca-status.ts';
import { progressLines, toJoinAgain, underWay } from './ca-view.ts';
import { linesOf } from './status.ts';

const [from, to] = ['aa'.repeat(32), 'bb'.repeat(32)];
const pkis = {
  old: { issuer: from, trust: [from] },
  both: { issuer: from, trust: [from, to], next: to },
  issues: { issuer: to, trust: [from, to] },
  fresh: { issuer: to, trust: [to] },
} as const satisfies Record<string, ManagerPki>;

const ca = (more: Partial<ClusterCa> = {}): ClusterCa => ({
  rotation: 1,
  phase: 'Trust',
  from,
  to,
  startedAt: '2030-01-01T00:00:00Z',
  since: '2030-01-01T00:00:00Z',
  waitingFor: [],
  skipped: [],
  ...more,
});

const cluster = (
  managers: Readonly<Record<string, ManagerPki | undefined>>,
  now?: ClusterCa,
  asked = 1,
): Cluster => ({
  apiVersion: 'orc.dev/v1',
  kind: 'Cluster',
  metadata: { name: 'orc' },
  spec: { ca: { rotation: asked } },
  status: {
    ...(now === undefined ? {} : { ca: now }),
    managers: Object.fromEntries(
      Object.entries(managers).map(([name, pki]) => [
        name,
        { url: `https://${name}:6750`, since: '2030-01-01T00:00:00Z', ...(pki === undefined ? {} : { pki }) },
      ]),
    ),
  },
});

const node = (name: string, pki: ManagerPki | undefined, isConnected = true): Node => ({
  apiVersion: 'orc.dev/v1',
  kind: 'Node',
  metadata: { name },
  spec: {},
  status: {
    ...(pki === undefined
      ? {}
      : { certificate: { issuer: pki.issuer, trust: pki.trust, notAfter: '2030-04-01T00:00:00Z' } }),
    conditions: [
      {
        type: 'Connected',
        status: isConnected ? 'True' : 'False',
        reason: 'x',
        message: '',
        lastTransitionTime: '2030-01-01T00:00:00Z',
      },
    ],
  },
});

describe('a rotation', () => {
  test('is under way from when it is asked for until it is done', () => {
    expect(underWay(cluster({}, undefined, 0))).toBeUndefined();
    expect(underWay(cluster({}))).toBe(1);
    expect(underWay(cluster({}, ca(), 5))).toBe(1);
    expect(underWay(cluster({}, ca({ phase: 'Done' })))).toBeUndefined();
    expect(underWay(cluster({}, ca({ phase: 'Done' }), 2))).toBe(2);
  });

  test('is told by its phase, the turn, how many are done and who is waited for', () => {
    const managers = { n1: pkis.both, n2: pkis.old, n3: pkis.old };
    const atManagers = ca({ turn: 'n2', waitingFor: ['manager n2', 'manager n3'] });
    expect(progressLines(cluster(managers), [])).toEqual([
      'rotation 1 is asked for; a manager that leads begins it',
    ]);
    expect(progressLines(cluster(managers, atManagers), [])).toEqual([
      'rotation 1: Trust, 1 of 3 managers done, n2 has the turn: all come to trust both CAs',
    ]);
    const nodes = [node('w1', pkis.both), node('w2', pkis.old, false), node('w3', pkis.old)];
    const atNodes = ca({ waitingFor: ['node w2', 'node w3'], skipped: ['manager n3'] });
    expect(progressLines(cluster(managers, atNodes), nodes)).toEqual([
      'rotation 1: Trust, 1 of 3 nodes done: all come to trust both CAs',
      '  Trust: waiting for node w2, out of reach (for 2m at most)',
      '  Trust: waiting for node w3',
      '  skipped: manager n3, out of reach; stop orc there, `orc node rm n3`, then `orc leave --force` and `orc join` there',
    ]);
    const why = 'manager n1: no other can give the new CA, start orc there';
    expect(progressLines(cluster(managers, ca({ waitingFor: [why, 'manager n3'] })), [])).toEqual([
      'rotation 1: Trust, 1 of 3 managers done: all come to trust both CAs',
      `  Trust: waiting for ${why}`,
    ]);
    const many = Array.from({ length: 9 }, (_, i) => `node w${String(i)}`);
    expect(progressLines(cluster(managers, ca({ waitingFor: many })), nodes)).toHaveLength(1);
    expect(progressLines(cluster(managers, ca({ phase: 'Done' })), nodes)).toEqual(['rotation 1 is done']);
  });

  test('leaves one thing to do for a machine that is a manager and a node', () => {
    const skipped = ['manager n3', 'node n3', 'node w2'];
    expect(toJoinAgain(cluster({}, ca({ skipped })))).toEqual(['manager n3', 'node w2']);
  });

  test('says before it begins what it does, and who will have to join again', () => {
    const managers = cluster({ n1: pkis.old, n2: pkis.old });
    const lines = planLines(
      managers,
      [node('w1', pkis.old), node('w2', pkis.old, false), node('w3', undefined)],
      (name) => name === 'n1',
      '5m',
    ).join('\n');
    expect(lines).toMatch(/2 managers, one at a time.* then 3 nodes/);
    expect(lines).toMatch(
      /out of reach now: manager n2, node w2; who is not there within 5m must join again/,
    );
    expect(lines).toMatch(/older orc on w3: waited for until it is updated/);
  });

  test('is refused while a manager runs that cannot take part', () => {
    expect(() => planLines(cluster({ n1: pkis.old, n2: undefined }), [], () => true, '2m')).toThrow(
      /n2 cannot take part: orc there is of an older version/,
    );
  });

  test('is shown with who issues with and trusts what, nodes that are alike in one row', () => {
    const report = {
      cluster: cluster(
        { n1: pkis.issues, n2: pkis.both },
        ca({ phase: 'Issue', turn: 'n2', waitingFor: ['manager n2'] }),
      ),
      managers: [],
      nodes: [node('w1', pkis.both), node('w2', pkis.both), node('w3', undefined)],
      leaders: {},
      nowMs: 0,
    };
    expect(caLines(report).map((line) => line.split(/ {2,}/))).toEqual([
      [
        'Rotation',
        '1, Issue, n2 has the turn: certificates come to be of the new CA (since 2030-01-01T00:00:00Z)',
      ],
      ['From', `sha256 ${from}`],
      ['To', `sha256 ${to}`],
      ['Waiting for', 'manager n2'],
      [''],
      ['MANAGER', 'ISSUES WITH', 'TRUSTS', 'NEXT'],
      ['n1', 'b'.repeat(16), `${'a'.repeat(16)}, ${'b'.repeat(16)}`, '-'],
      ['n2', 'a'.repeat(16), `${'a'.repeat(16)}, ${'b'.repeat(16)}`, 'b'.repeat(16)],
      [''],
      ['NODES', 'CERTIFICATES OF', 'TRUST', 'NAMES'],
      ['2', 'a'.repeat(16), `${'a'.repeat(16)}, ${'b'.repeat(16)}`, 'w1, w2'],
      ['1', '-', 'unknown', 'w3'],
    ]);
    expect(linesOf(report)).toContainEqual(
      expect.stringMatching(/^New CA +rotation 1, Issue, n2 has the turn.*`orc ca status`/),
    );
    expect(linesOf({ ...report, cluster: cluster({}, ca({ phase: 'Done' })) }).join()).not.toMatch('New CA');
  });
});

describe('the context in use', () => {
  let [a, b]: readonly { readonly pair: KeyedCertificate; readonly digest: string }[] = [];
  let key: string;
  beforeAll(async () => {
    const make = async (commonName: string) => {
      const own = await generateKey();
      const request = { commonName, organization: 'orc', usage: 'ca', days: 9 } as const;
      const cert = selfSign(request, own, systemClock);
      return { pair: { cert, key: own }, digest: digestOf(cert) };
    };
    [a, b] = await Promise.all([make('a'), make('b')]);
    key = await generateKey();
  });
  type Of = 'a' | 'b';
  const tls = (issuer: Of, trust: readonly Of[]) => {
    const of = (one: Of): KeyedCertificate => {
      const found = (one === 'a' ? a : b)?.pair;
      if (found === undefined) throw new Error('no CA was made');
      return found;
    };
    const request = {
      commonName: 'admin',
      organization: 'system:masters',
      usage: 'client',
      days: 3,
    } as const;
    const cert = issueCertificate(of(issuer), request, key, systemClock);
    return { ca: trust.map((one) => of(one).cert).join(''), cert, key };
  };
  const digest = (one: Of): string => (one === 'a' ? a : b)?.digest ?? '';
  const pki = (issuer: Of, ...trust: readonly Of[]): ManagerPki => ({
    issuer: digest(issuer),
    trust: trust.map(digest),
  });
  const rotating = (managers: Readonly<Record<string, ManagerPki>>): Cluster =>
    cluster(managers, ca({ from: digest('a'), to: digest('b') }));
  const asks = (own: ReturnType<typeof tls>, managers: Readonly<Record<string, ManagerPki>>) =>
    whomToAsk(rotating(managers), own).map((url) => /n\d/.exec(url)?.[0]);

  test('asks each manager that is ahead of it, and that it still understands', () => {
    const old = tls('a', ['a']);
    expect(asks(old, { n1: pki('a', 'a') })).toEqual([]);
    expect(asks(old, { n1: pki('a', 'a'), n2: pki('a', 'a', 'b') })).toEqual(['n2']);
    expect(asks(old, { n1: pki('b', 'a', 'b'), n2: pki('a', 'a', 'b') })).toEqual(['n2']);
    const both = tls('a', ['a', 'b']);
    expect(asks(both, { n1: pki('a', 'a', 'b'), n2: pki('b', 'a', 'b'), n3: pki('b', 'b') })).toEqual(['n2']);
    const next = tls('b', ['a', 'b']);
    expect(asks(next, { n1: pki('b', 'a', 'b'), n2: pki('b', 'b') })).toEqual(['n2']);
    expect(asks(tls('b', ['b']), { n1: pki('b', 'b') })).toEqual([]);
  });

  test('asks where it is connected only when that manager is ahead, or the only one', () => {
    const here = 'https://vip:6750';
    const where = (managers: Readonly<Record<string, ManagerPki>>) =>
      endpointsToAsk(rotating(managers), tls('a', ['a']), here);
    const [old, both] = [pki('a', 'a'), pki('a', 'a', 'b')];
    expect(where({ n1: old })).toEqual([]);
    expect(where({ n1: both })).toEqual(['https://n1:6750', here]);
    expect(where({ n1: old, n2: both })).toEqual(['https://n2:6750']);
    expect(where({ '[::]': both })).toEqual([here]);
    expect(where({ '0.0.0.0': both, n2: both })).toEqual(['https://n2:6750']);
  });

  test('is done when it trusts the new CA alone and has a certificate of it', () => {
    const now = ca({ from: digest('a'), to: digest('b') });
    expect(
      [tls('a', ['a']), tls('a', ['a', 'b']), tls('b', ['a', 'b'])].map((own) => isFresh(now, own)),
    ).toEqual([false, false, false]);
    expect(isFresh(now, tls('b', ['b']))).toBe(true);
    expect(isFresh(now, { ca: tls('a', ['a']).ca })).toBe(true);
  });
});

test.each([
  ['y\n', true],
  ['YES\n', true],
  ['\n', false],
  ['yesterday\n', false],
  ['', false],
])('%j to a question is consent: %s', async (typed, consent) => {
  const io = { ...testIo({ tty: true }), stdin: Object.assign(Readable.from([typed]), { isTTY: true }) };
  expect(await confirm(io, 'Replace the CA?', new AbortController().signal)).toBe(consent);
  expect(await confirm(io, 'Replace the CA?', AbortSignal.abort())).toBe(false);
});
