import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { cgroupOf, cgroupRoots, pidsIn } from '../lab/clean.mjs';
import { run } from '../lab/run.ts';
import { eventually } from '../harness/cluster.ts';
import { startLab, type Lab, type LabNode } from '../harness/lab.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
/** Of the lab's network; other tests have theirs at the same time. */
const inHostNetwork = (): readonly string[] =>
  execFileSync('ip', ['-br', 'address'], { encoding: 'utf8' })
    .split('\n')
    .filter((line) => /^(br0|p\d+)[@ ]/.test(line) || line.includes('10.77.0.'));
const reaches = async (from: LabNode, to: LabNode): Promise<boolean> =>
  (await from.exec(['ping', '-c', '1', '-W', '1', to.name])).code === 0;

/** What of a lab is still on the machine. */
const leftovers = (dir: string): readonly string[] => [
  ...pidsIn(cgroupOf(dir)).map((pid) => `process ${pid}`),
  ...cgroupRoots().map((each) => join(each, cgroupOf(dir))).filter((each) => existsSync(each)), // prettier-ignore
  ...readFileSync('/proc/mounts', 'utf8')
    .split('\n')
    .filter((line) => line.includes(dir)),
  ...(existsSync(dir) ? [dir] : []),
];

describe('A lab of engines 20, 26 and 28', () => {
  let lab: Lab;
  let [a, b, c]: readonly LabNode[] = [];
  const three = (): readonly [LabNode, LabNode, LabNode] => {
    if (a === undefined || b === undefined || c === undefined) throw new Error('the lab did not start');
    return [a, b, c];
  };
  beforeAll(async () => {
    lab = await startLab({ nodes: 3, engines: ['20', '26', '28'], clocks: true });
    [a, b, c] = lab.nodes;
  }, 400_000);
  afterAll(() => lab?.close(), 60_000);

  test('each node has the engine that was asked for, and the example image', async () => {
    const versions = lab.nodes.map((node) => node.must(['docker', 'version', '-f', '{{.Server.Version}}']));
    const majors = (await Promise.all(versions)).map((version) => version.split('.')[0]);
    expect(majors).toEqual(['20', '26', '28']);
    for (const node of lab.nodes)
      expect(await node.must(['docker', 'run', '--rm', 'orc.local/hello:1', 'echo', 'in'])).toBe('in\n');
  }, 60_000);

  test('nothing of it is in the network of the machine', () => {
    expect(inHostNetwork()).toEqual([]);
  });

  test('nodes reach each other by name', async () => {
    for (const from of lab.nodes) for (const to of lab.nodes) expect(await reaches(from, to)).toBe(true);
  });

  test('each has its own /var/lib/orc and /root/.orc, which a crash leaves', async () => {
    const [n1, n2] = three();
    const files = ['/var/lib/orc/own', '/root/.orc/own'];
    await n1.must(['touch', ...files]);
    expect(files.filter((file) => existsSync(file))).toEqual([]);
    expect((await n2.exec(['ls', ...files])).code).not.toBe(0);
    await n1.crash();
    await n1.boot();
    await n1.must(['ls', ...files]);
  }, 60_000);

  test('a command gets its input, and gives its output and exit code', async () => {
    const [n1] = three();
    const ran = await n1.exec(['sh', '-c', 'cat; echo $WORD >&2; exit 7'], {
      input: 'text',
      env: { WORD: 'word' },
    });
    expect(ran).toEqual({ code: 7, stdout: 'text', stderr: 'word\n' });
  });

  test('a program that was started ends by a signal', async () => {
    const program = three()[0].spawn([
      'sh',
      '-c',
      'trap "exit 5" TERM; echo up; while :; do sleep 0.1; done',
    ]);
    await new Promise((resolve) => program.child.stdout?.once('data', resolve));
    program.signal('SIGTERM');
    expect(await program.exited).toEqual({ code: 5, signal: null });
  });

  test('a partition cuts a node off, or from one other only, and healing takes it back', async () => {
    const [n1, n2, n3] = three();
    n1.partition();
    expect([await reaches(n1, n2), await reaches(n3, n1), await reaches(n2, n3)]).toEqual([
      false,
      false,
      true,
    ]);
    expect(n1.cuts()).toEqual({ all: true, from: [] });
    n1.heal();
    n1.partition({ from: n2 });
    expect([await reaches(n1, n2), await reaches(n2, n1), await reaches(n1, n3)]).toEqual([
      false,
      false,
      true,
    ]);
    expect(n2.cuts()).toEqual({ all: false, from: [1] });
    n2.heal({ from: n1 });
    expect([await reaches(n1, n2), await reaches(n1, n3)]).toEqual([true, true]);
  }, 60_000);

  test('a crash ends everything on the node without a word to its peers; its disk is there at the next start', async () => {
    const [n1, n2] = three();
    await n2.must(['docker', 'run', '-d', '--name', 'kept', 'orc.local/hello:1']);
    const server = n2.spawn([
      ...[
        'node',
        '-e',
        'require("net").createServer((s) => s.write("hi")).listen(7000, () => console.log("up"))',
      ],
    ]);
    await new Promise((resolve) => server.child.stdout?.once('data', resolve));
    const file = join(lab.dir, 'crash.pcap');
    const capture = await lab.capture(file);
    const client = n1.spawn([
      ...['node', '-e', `require("net").connect(7000, "n2").on("data", () => console.log("connected"))`],
    ]);
    await new Promise((resolve) => client.child.stdout?.once('data', resolve));

    await n2.crash();
    expect(n2.isUp()).toBe(false);
    expect(n2.pids()).toEqual([]);
    expect(await reaches(n1, n2)).toBe(false);
    expect((await server.exited).code).not.toBe(0);
    await capture.stop();
    const packets = (...filter: readonly string[]): string =>
      execFileSync('tcpdump', ['-nr', file, ...filter], {
        encoding: 'utf8',
        stdio: ['ignore', 'pipe', 'ignore'],
      });
    expect(packets('src', n2.address, 'and', 'tcp[tcpflags] & tcp-syn != 0')).toContain('.7000');
    expect(packets('src', n2.address, 'and', 'tcp[tcpflags] & (tcp-fin|tcp-rst) != 0')).toBe('');
    client.signal('SIGKILL');

    await lab.start(n2);
    expect(await reaches(n1, n2)).toBe(true);
    await eventually('the container of before is known, and not running', async () => {
      const state = await n2.must(['docker', 'inspect', '-f', '{{.State.Running}}', 'kept']);
      return state.trim() === 'false';
    });
    await n2.must(['docker', 'start', 'kept']);
  }, 120_000);

  test("a node's clock can be moved", async () => {
    const [n1, n2] = three();
    const off = async (node: LabNode): Promise<number> =>
      Math.round((Number(await node.must(['node', '-p', 'Date.now()'])) - Date.now()) / 3_600_000) + 0;
    n1.setClock(-2 * 3_600_000);
    expect([await off(n1), await off(n2)]).toEqual([-2, 0]);
    n1.setClock(0);
    expect(await off(n1)).toBe(0);
  });

  test('a slow node still answers, and is at full speed again', async () => {
    const [n1, n2] = three();
    expect(['delay', 'pulses']).toContain(n2.slow(100));
    expect(await n2.must(['docker', 'version', '-f', '{{.Server.Os}}'])).toBe('linux\n');
    expect(await reaches(n1, n2)).toBe(true);
    expect(n2.slow(0)).toBe('off');
    expect(n2.isPulsing()).toBe(false);
    expect(await n2.must(['echo', 'fast'])).toBe('fast\n');
  }, 60_000);

  test('closing it leaves nothing', async () => {
    await lab.close();
    expect(leftovers(lab.dir)).toEqual([]);
    expect(inHostNetwork()).toEqual([]);
  }, 60_000);
});

describe('A lab with orc', () => {
  let lab: Lab;
  beforeAll(async () => {
    lab = await startLab({ nodes: 2, managers: 1 });
  }, 200_000);
  afterAll(() => lab?.close(), 60_000);
  const nodes = (): Promise<string> => lab.node(1).must(['orc', 'get', 'nodes', '--no-headers']);

  test('is a cluster of the managers and workers that were asked for', async () => {
    expect(await nodes()).toMatch(/^n1 +Ready +manager .*\nn2 +Ready +worker /);
  });

  test('a node that crashed is a member again when it is started', async () => {
    await lab.node(2).crash();
    await eventually('n2 is missed', async () => /^n2 +NotReady/m.test(await nodes()));
    await lab.start(lab.node(2));
    expect(await nodes()).toMatch(/^n2 +Ready/m);
  }, 120_000);
});

describe('npm run lab', () => {
  const folder = mkdtempSync('/var/tmp/orc-labcli-');
  const dir = join(folder, 'lab');
  const cli = (...words: readonly string[]) =>
    run([process.execPath, join(root, 'scripts/lab.mjs'), ...words, '--dir', dir]);
  afterAll(async () => {
    await cli('down');
    rmSync(folder, { recursive: true, force: true });
  }, 60_000);

  test('makes a lab that later invocations find, also after it was killed', async () => {
    const up = await cli('up', '1', '--bare');
    expect(up).toMatchObject({ code: 0, stderr: '' });
    expect(up.stdout).toMatch(/n1 +10\.77\.0\.11 +host +up +attached/);
    expect((await cli('up', '1', '--bare')).stderr).toContain('runs already');
    expect(
      await run([
        process.execPath,
        join(root, 'scripts/lab.mjs'),
        '--dir',
        dir,
        'exec',
        '1',
        'sh',
        '-c',
        'hostname; exit 3',
      ]),
    ).toMatchObject({ code: 3, stdout: 'n1\n' });

    const [pid = ''] = readFileSync(join(dir, 'switch.pid'), 'utf8').split(' ');
    process.kill(Number(pid), 'SIGKILL');
    await eventually('nothing of it runs any more', () => pidsIn(cgroupOf(dir)).length === 0);
    expect((await cli('status')).code).toBe(3);
    expect((await cli('down')).code).toBe(0);
    expect(leftovers(dir)).toEqual([]);
  }, 120_000);

  test('refuses what it does not understand, and a folder that is not a lab', async () => {
    expect(await cli('frobnicate')).toMatchObject({ code: 2 });
    expect(
      (await run([process.execPath, join(root, 'scripts/lab.mjs'), 'down', '--dir', '/usr/share'])).code,
    ).toBe(1);
    expect(existsSync('/usr/share')).toBe(true);
  });
});
