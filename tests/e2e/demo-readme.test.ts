import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { eventually, startCluster, type Cluster } from '../harness/cluster.ts';
import { root } from './demo-harness.ts';

const readme = readFileSync(join(root, 'README.md'), 'utf8');
const blocks = (language: string): readonly string[] =>
  [...readme.matchAll(new RegExp(`^\`\`\`${language}\\n([^]*?)^\`\`\`$`, 'gm'))].map(([, text = '']) => text);

interface Sample {
  readonly command: string;
  readonly shown: string;
}

/** Each `$ command` of a console block, with what README says it prints. */
const samplesOf = (block: string): readonly Sample[] =>
  block
    .split(/^\$ /m)
    .slice(1)
    .map((text) => ({ command: text.split('\n')[0] ?? '', shown: text.split('\n').slice(1).join('\n') }));

/**
 * What must agree: all but names made of hashes, ids, ages, times, the machine's name and its paths. The order of a
 * table's rows follows from the hashes, so lines are compared as a set.
 */
const normal = (text: string, node: string): readonly string[] =>
  text
    .replaceAll(node, 'vm')
    .replace(/(-\d)-[0-9a-f]{5}\b/g, '$1-HASH')
    .replace(/\b[0-9a-f]{12}\b/g, 'ID')
    .replace(/https:\/\/[\d.]+:\d+ \([\d.]+ s\)/g, 'URL')
    .replace(/(context "orc" in|engine at) \S+/g, '$1 PATH')
    .replace(/( \d+(ms|s|m))+$/gm, ' AGE')
    .split('\n')
    .map((line) => line.replace(/ +/g, ' ').trimEnd())
    .filter((line) => line !== '')
    .sort();

describe('README', () => {
  const [pitch = '', ...tour] = blocks('console');
  const [stack = ''] = blocks('yaml');
  let cluster: Cluster;
  let dir = '';
  beforeAll(async () => {
    dir = mkdtempSync('/var/tmp/orc-readme-');
    mkdirSync(join(dir, 'bin'));
    symlinkSync(join(root, 'bin/orc.mjs'), join(dir, 'bin/orc'));
    // The tour makes the image of the examples itself.
    cluster = await startCluster({ image: 'others:1' });
  }, 120_000);
  afterAll(async () => {
    await cluster.stop();
    rmSync(dir, { recursive: true, force: true });
  }, 60_000);

  /** What a terminal on the engine's machine shows. */
  const type = (command: string, cwd = root): string => {
    const [enter = '', ...args] = cluster.engine.enter;
    const env = {
      ...cluster.env,
      PATH: `${join(dir, 'bin')}:${process.env['PATH'] ?? ''}`,
      DOCKER_HOST: `unix://${cluster.engine.socketPath}`,
    };
    const line = `exec 2>&1; cd ${cwd}; ${command}`;
    return spawnSync(enter, [...args, 'bash', '-c', line], { env, encoding: 'utf8', input: 'exit\n' }).stdout;
  };
  const runningWeb = async (): Promise<string> =>
    (await cluster.tasks('hello-web'))[0]?.status?.containerID ?? 'none';

  /** Runs the command; one that only looks is run again until what it prints agrees, or it never will. */
  const expectSample = async ({ command, shown }: Sample, cwd?: string): Promise<void> => {
    const node = cluster.engine.name;
    if (command.startsWith('alias ')) return;
    if (command === 'orc up') {
      const line = cluster.log().split('\n').find((each) => each.startsWith('orc is up')); // prettier-ignore
      expect(normal(line ?? '', node)).toEqual(normal(shown, node));
      return;
    }
    if (command.startsWith('docker kill ')) {
      const { socketPath } = cluster.engine;
      type(`curl -fsS -X POST --unix-socket ${socketPath} http://d/containers/${await runningWeb()}/kill`);
      return;
    }
    const wanted = normal(shown, node);
    if (command.startsWith('orc apply')) {
      // It draws its progress again and again on a terminal: what README shows is the last of it.
      const drawn = type(`script -qec '${command}' /dev/null`, cwd).replace(/\x1b\[[\d;?]*[a-zA-Z]|\r/g, '');
      const printed = normal(drawn, node);
      expect({ command, missing: wanted.filter((line) => !printed.includes(line)), printed }).toMatchObject({
        missing: [],
      });
      return;
    }
    const isLook = /^(orc (get|describe)|for )/.test(command);
    let printed = normal(type(command, cwd), node);
    if (isLook)
      await eventually('it agrees', () => {
        printed = normal(type(command, cwd), node);
        return JSON.stringify(printed) === JSON.stringify(wanted);
      }).catch(() => undefined);
    expect({ command, printed }).toEqual({ command, printed: wanted });
  };

  test('shows the example as it is', () => {
    const example = readFileSync(join(root, 'manifests/examples/hello/stack.yml'), 'utf8');
    expect(stack.replace(/^#.*\n/gm, '')).toBe(example.replace(/^#.*\n/gm, ''));
  });

  test('shows in its tour what is really printed', async () => {
    expect(tour.length).toBeGreaterThan(4);
    for (const block of tour) for (const sample of samplesOf(block)) await expectSample(sample);
  }, 240_000);

  test('names only commands that work', () => {
    const lines = blocks('sh').flatMap((block) =>
      block.split('\n').flatMap((line) => (line.startsWith('orc ') ? line.replace(/ +#.*$/, '') : [])),
    );
    expect(lines.length).toBeGreaterThan(4);
    for (const line of lines) {
      // Those that follow go on until they are told to end; there is no terminal here.
      const follows = / -f | -w$/.test(line);
      const output = type(
        `${follows ? 'timeout -s INT 5 ' : ''}${line.replace(' -it ', ' -i ')}; echo " exit $?"`,
      );
      expect({ line, output }).toMatchObject({ output: expect.stringMatching(follows ? /./ : / exit 0\n$/) });
      expect({ line, output }).not.toMatchObject({ output: expect.stringMatching(/^(error|usage)/im) });
    }
  }, 120_000);

  test('shows on its first page what is really printed', async () => {
    writeFileSync(join(dir, 'stack.yml'), stack);
    for (const sample of samplesOf(pitch)) await expectSample(sample, dir);
  }, 120_000);
});
