import { describe, expect, test } from '@jest/globals';
import { parse, UsageError } from './cli-words.ts';
import { clockText } from './node.ts';
import { orcArgs } from './orc.ts';
import { checkDir, planNodes } from './state.ts';
import { cutPairs } from './switch.ts';

describe('the nodes of a lab', () => {
  test('have names, addresses and engines in turn, the last engine repeats', () => {
    const { prefix, nodes } = planNodes({ nodes: 3, engines: ['20', '28'], subnet: '10.9.8.0/24' });
    expect(prefix).toBe(24);
    expect(nodes.map(({ name, address, engine }) => `${name} ${address} ${engine}`)).toEqual([
      'n1 10.9.8.11 20',
      'n2 10.9.8.12 28',
      'n3 10.9.8.13 28',
    ]);
  });

  test.each([
    [{ nodes: 0 }, '1 to 32 nodes'],
    [{ engines: ['19'] }, 'no engine "19"'],
    [{ subnet: '10.77.0.0/28' }, 'not a subnet'],
    [{ subnet: '10.777.0.0/24' }, 'not a subnet'],
  ])('are refused when they cannot be: %j', (wrong, text) => {
    expect(() => planNodes({ nodes: 1, engines: [], subnet: '10.77.0.0/24', ...wrong })).toThrow(text);
  });

  test.each(['/var/tmp/a b', '/var/tmp/a,b', '/run/lab', `/var/tmp/${'x'.repeat(90)}`])(
    'are not kept in %s',
    (dir) => expect(() => checkDir(dir)).toThrow(dir),
  );
});

describe('the command line of the lab', () => {
  test('leaves every word after `exec N` to the command', () => {
    expect(parse(['--dir', 'd', 'exec', '2', 'docker', 'ps', '--all', '-h'])).toEqual({
      verb: 'exec',
      dir: 'd',
      node: '2',
      argv: ['docker', 'ps', '--all', '-h'],
    });
  });

  test('understands times, also negative ones and off', () => {
    expect(parse(['clock', '1', '-90'])).toMatchObject({ verb: 'clock', node: '1', ms: -90_000 });
    expect(parse(['slow', 'n2', 'off'])).toMatchObject({ verb: 'slow', node: 'n2', ms: 0 });
  });

  test('says of up what was asked for', () => {
    expect(parse(['up', '5', '--engine', '20,28', '--managers', '1'])).toEqual({
      verb: 'up',
      nodes: 5,
      bare: false,
      clocks: false,
      managers: 1,
      engines: ['20', '28'],
    });
  });

  test.each([
    [[], 'help'],
    [['up', '3', '--help'], 'help'],
  ])('%j is answered with help', (words, verb) => expect(parse(words)).toEqual({ verb }));

  test.each([
    [['up'], 'how many nodes'],
    [['up', 'three'], 'how many nodes'],
    [['crash'], 'which node'],
    [['crash', '1', '2'], 'one word too many'],
    [['partition', '1', 'n1'], 'two different nodes'],
    [['slow', '1', '-5'], 'how many milliseconds'],
    [['exec', '1'], 'exec what'],
    [['down', '--bare'], 'no option --bare'],
    [['up', '1', '--frob'], '--frob'],
    [['frob'], 'no command "frob"'],
  ])('%j is refused', (words, text) => {
    expect(() => parse(words)).toThrow(UsageError);
    expect(() => parse(words)).toThrow(text);
  });
});

test("the pairs that are cut are read from nft's listing", () => {
  const listing = { nftables: [{ metainfo: {} }, { set: { elem: [{ concat: ['p1', 'p2'] }] } }] };
  expect(cutPairs(JSON.stringify(listing))).toEqual([['p1', 'p2']]);
  expect(cutPairs('{"nftables":[{"set":{}}]}')).toEqual([]);
});

test('a moved clock is written in seconds', () => {
  expect([clockText(1500), clockText(-250)]).toEqual(['+1.500\n', '-0.250\n']);
});

test('orc is told who it is when it becomes a member, and its cluster file knows after that', () => {
  const node = { name: 'n2', address: '10.77.0.12', dataDir: '/d' };
  const here = '--data-dir /d --listen 0.0.0.0:6750 --docker-host unix:///run/docker.sock';
  const identity = '--name n2 --advertise 10.77.0.12';
  expect(orcArgs(node, { kind: 'init' }).join(' ')).toBe(`init ${identity} ${here}`);
  expect(orcArgs(node, { kind: 'join', token: 't', to: '10.77.0.11' }).join(' ')).toBe(
    `join --token t ${identity} ${here} 10.77.0.11:6750`,
  );
  expect(orcArgs(node, { kind: 'up' }).join(' ')).toBe(`up ${here}`);
});
