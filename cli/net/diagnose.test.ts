import { describe, expect, test } from '@jest/globals';
import type { NetCheckFailure, NetCheckPath, NetCheckReport } from '../../api-schemas/index.ts';
import { plain } from '../output/color.ts';
import { diagnose } from './diagnose.ts';
import type { Gathered } from './gather.ts';
import { linesOf } from './print.ts';

const network = 'default/web';
const addresses: Readonly<Record<string, string>> = { n1: '10.0.0.1', n2: '10.0.0.2', n3: '10.0.0.3' };
const names = Object.keys(addresses);
const path = (peer: string, more: Partial<NetCheckPath> = {}): NetCheckPath => ({
  ...{ network, peer, address: addresses[peer] ?? '', mtu: 1450, small: true, full: true, ms: 0.2, ...more },
});
const lost = { small: false, full: false, reach: 'answers' } as const;

function world(
  change: (report: NetCheckReport) => NetCheckReport = (report) => report,
  more: Partial<Gathered> = {},
): Gathered {
  const silent = more.silent ?? new Map<string, string>();
  return {
    nodes: names.map((name) => ({ name, address: addresses[name] ?? '' })),
    reports: names
      .filter((node) => !silent.has(node))
      .map((node) =>
        change({
          ...{ node, address: addresses[node] ?? '', networks: [network], reaches: [], failures: [] },
          paths: names.filter((name) => name !== node).map((name) => path(name)),
          ...{
            tried: { name: 1, virtualIP: 1, endpoint: 2, port: 1 },
            problems: [],
            skipped: [],
            counts: {},
          },
        }),
      ),
    heard: new Map(),
    silent,
    ...more,
  };
}

/** What `from` sends to `to` does not arrive: neither its probes, nor its answers. */
const cut = (from: string, to: string, how: Partial<NetCheckPath> = lost): Gathered => {
  const failing = (a: string, b: string) => (a === from && b === to) || (a === to && b === from);
  return world(
    (report) => ({
      ...report,
      paths: report.paths.map((one) => (failing(report.node, one.peer) ? { ...one, ...how } : one)),
    }),
    {
      heard: new Map([
        [from, [{ network, peer: to, bytes: 1450 }]],
        [to, []],
      ]),
    },
  );
};
const text = (gathered: Gathered): string =>
  linesOf(gathered, diagnose(gathered), { wide: false, palette: plain }).join('\n');

describe('orc net check', () => {
  test('says that all is well, and what was tried', () => {
    expect(diagnose(world())).toEqual({ problems: [], notes: [] });
    expect(text(world())).toBe(
      [
        'FROM \\ TO   n1    n2    n3',
        'n1          -     ok    ok',
        'n2          ok    -     ok',
        'n3          ok    ok    -',
        '',
        'all is well: 3 nodes, 6 paths on 1 network, 3 names, 3 virtual IPs, 6 endpoints, 3 published ports tried',
      ].join('\n'),
    );
  });

  test('names the direction of a way that is cut, once, and the port to open', () => {
    const gathered = cut('n1', 'n2');
    const { problems } = diagnose(gathered);
    expect(problems).toEqual([
      {
        ...{ step: 'tunnel', from: ['n1'], to: 'n2', networks: [network] },
        message:
          'what n1 (10.0.0.1) sends to n2 (10.0.0.2) by UDP 4789 does not arrive; the address itself answers',
        remedy: 'open UDP 4789 from 10.0.0.1 to 10.0.0.2',
      },
    ]);
    expect(text(gathered)).toContain('n1          -     FAILS   ok\nn2          ok    -       ok');
  });

  test('names the ports of encrypted networks where these fail', () => {
    const [problem] = diagnose(cut('n1', 'n2', { ...lost, encrypted: true })).problems;
    expect(problem?.remedy).toBe('open UDP 6752 and 6753 from 10.0.0.1 to 10.0.0.2');
  });

  test('tells an address that nothing leads to from one that gives no answer', () => {
    const stepOf = (reach: NetCheckPath['reach'] & string): string | undefined =>
      diagnose(cut('n1', 'n2', { ...lost, reach })).problems[0]?.step;
    expect([stepOf('unreachable'), stepOf('silent'), stepOf('answers')]).toEqual([
      'underlay',
      'underlay',
      'tunnel',
    ]);
  });

  test('tells the device of one network from the way between the nodes', () => {
    const both = (report: NetCheckReport): NetCheckReport => ({
      ...report,
      paths: report.paths.flatMap((one) => [
        one,
        { ...one, network: 'default/back', small: true, full: true },
      ]),
    });
    const [problem] = diagnose({ ...cut('n1', 'n2'), reports: cut('n1', 'n2').reports.map(both) }).problems;
    expect(problem?.message).toContain('on default/web does not arrive, though it does on default/back');
  });

  test('tells a path that swallows large packets, and how large they may be', () => {
    const gathered = world((report) =>
      report.node === 'n1'
        ? { ...report, paths: [path('n2', { full: false, passes: 1350 }), path('n3')] }
        : report,
    );
    const [problem, ...more] = diagnose(gathered).problems;
    expect([problem?.step, problem?.from, problem?.to, more]).toEqual(['mtu', ['n1'], 'n2', []]);
    expect(problem?.message).toContain('packets of 1450 bytes from n1 (10.0.0.1) do not arrive at n2');
    expect(problem?.message).toContain('1350 bytes do');
    expect(problem?.remedy).toContain('`mtu: 1350`');
    expect(text(gathered)).toContain('n1          -     MTU   ok');
  });

  const endpoint: NetCheckFailure = {
    ...{ step: 'endpoint', service: 'default/web', network, target: '10.64.1.2:80/tcp', from: 'tool-1' },
    ...{ task: 'web-1', node: 'n2', message: 'no answer' },
  };

  test('tells a node that no other exchanges anything with once', () => {
    const gathered = world(
      (report) => ({
        ...report,
        paths: report.paths.flatMap((one) => [
          report.node === 'n2' || one.peer === 'n2' ? { ...one, ...lost } : one,
          { ...one, network: 'default/back' },
        ]),
      }),
      { heard: new Map(names.map((name) => [name, []])) },
    );
    const { problems } = diagnose(gathered);
    expect(problems.map(({ step, from, to }) => [step, from, to])).toEqual([['tunnel', ['n2'], undefined]]);
    expect(problems[0]?.message).toBe(
      'nothing goes between n2 (10.0.0.2) and n1, n3 on default/web, though it does on default/back',
    );
  });

  test('counts what fails with a path, instead of telling it again', () => {
    const gathered = cut('n1', 'n2');
    const reports = gathered.reports.map((report) =>
      report.node === 'n1' ? { ...report, failures: [endpoint, endpoint] } : report,
    );
    const { problems } = diagnose({ ...gathered, reports });
    expect(problems.map(({ step }) => step)).toEqual(['tunnel']);
    expect(problems[0]?.message).toContain('2 connections over it fail, too');
  });

  test('tells an endpoint that several nodes miss once, and what to do', () => {
    const gathered = world((report) => (report.node === 'n2' ? report : { ...report, failures: [endpoint] }));
    expect(diagnose(gathered).problems).toEqual([
      {
        ...{ step: 'endpoint', from: ['n1', 'n3'], to: 'n2', service: 'default/web', networks: [network] },
        message: 'the endpoint 10.64.1.2:80/tcp of service default/web (task web-1 on n2): no answer',
        remedy: expect.stringContaining('a firewall on n2'),
      },
    ]);
  });

  test('says which agents say nothing, and blames no path to them', () => {
    const gathered = world(
      (report) => ({
        ...report,
        paths: report.paths.map((one) => (one.peer === 'n3' ? { ...one, ...lost } : one)),
        failures: [{ ...endpoint, node: 'n3' }],
      }),
      { silent: new Map([['n3', 'its agent is not connected']]) },
    );
    expect(diagnose(gathered).problems.map(({ step, from }) => [step, from])).toEqual([['agent', ['n3']]]);
    expect(text(gathered)).toContain('n1          -     ok    ?');
  });

  test('passes on what a node says of itself, what it could not send, and what was left out', () => {
    const gathered = world((report) =>
      report.node === 'n1'
        ? {
            ...report,
            paths: [path('n2', { small: false, full: false, error: 'bind EADDRNOTAVAIL' }), path('n3')],
            problems: [{ reason: 'NamesFailed', message: 'something else listens on port 53' }],
            skipped: ['12 published ports'],
          }
        : report,
    );
    const { problems, notes } = diagnose(gathered);
    expect(problems.map(({ step, message }) => [step, message])).toEqual([
      ['local', 'n1: something else listens on port 53'],
      ['local', 'n1 does not send to n2: bind EADDRNOTAVAIL'],
    ]);
    expect(notes).toEqual(['not tried on n1: 12 published ports']);
  });
});
