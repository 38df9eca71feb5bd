import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from '@jest/globals';
import { FakeClock } from '../../kit/clock.ts';
import { silentLogger } from '../../kit/log.ts';
import { sayingWhoIsAwaited } from './majority-wait.ts';
import type { ManagerOptions } from './manager-options.ts';

const dataDir = mkdtempSync(join(tmpdir(), 'orc-majority-'));
afterAll(() => rmSync(dataDir, { recursive: true, force: true }));

function options(etcd: 'member' | 'joining', servers: readonly string[]) {
  const said: string[] = [];
  const clock = new FakeClock();
  const file = { listen: '0.0.0.0:6750', advertise: '10.0.0.1:6750', peerPort: 6751, etcd };
  const given: ManagerOptions = {
    dataDir,
    listen: { host: '0.0.0.0', port: 6750 },
    nodeName: 'a',
    member: { file, servers, save: () => Promise.resolve() },
    logger: silentLogger,
    signal: new AbortController().signal,
    clock,
    onWait: (message) => said.push(message),
  };
  return { given, said, clock };
}

/** What is said in `ms` while the work lasts, and whether silence follows. */
async function saidWithin(ms: number, { given, said, clock }: ReturnType<typeof options>): Promise<string[]> {
  let end = (): void => undefined;
  let begun = (): void => undefined;
  const isBegun = new Promise<void>((resolve) => (begun = resolve));
  const work = sayingWhoIsAwaited(given, () => {
    begun();
    return new Promise<void>((resolve) => (end = resolve));
  });
  await isBegun;
  clock.advance(ms);
  const heard = [...said];
  end();
  await work;
  clock.advance(600_000);
  expect(said).toEqual(heard);
  return heard;
}

test('a manager without a majority says that it waits for one, and which managers it knows', async () => {
  mkdirSync(join(dataDir, 'agent'));
  writeFileSync(join(dataDir, 'agent', 'servers.json'), '{"servers":["https://10.0.0.3:6750"]}');
  const heard = await saidWithin(
    40_000,
    options('member', ['https://10.0.0.2:6750', 'https://10.0.0.1:6750']),
  );
  expect(heard).toEqual([
    expect.stringMatching(
      /^waiting for a majority of the managers \(5s\): this is 10\.0\.0\.1:6750, and it knows 10\.0\.0\.2:6750, 10\.0\.0\.3:6750\. /,
    ),
    expect.stringContaining('(35s)'),
  ]);
});

test('nothing is said of a majority by a manager that is still to be taken in', async () => {
  expect(await saidWithin(40_000, options('joining', ['https://10.0.0.2:6750']))).toEqual([]);
});
