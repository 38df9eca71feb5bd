import { describe, expect, test } from '@jest/globals';
import type { CommandResult } from './commands.ts';
import { Tools } from './tools.ts';

describe('Programs that networks need', () => {
  const tools = new Tools();
  let result: CommandResult;
  const run = tools.watch(() => Promise.resolve(result));
  const said = (): readonly string[] => tools.problems().map(({ message }) => message);

  test('are told of when they are missing, in the node or in a container, and no more when they are there', async () => {
    result = { code: 127, stdout: '', stderr: 'spawn nft ENOENT' };
    await run(['nft', '-f', '-']);
    result = {
      code: 127,
      stdout: '',
      stderr: 'nsenter: failed to execute conntrack: No such file or directory',
    };
    await run(['nsenter', '--net=/proc/1/fd/3', 'conntrack', '-L']);
    expect(said()).toEqual([
      'the program conntrack is not installed: install it (Debian: `apt-get install conntrack`)',
      'the program nft is not installed: install it (Debian: `apt-get install nftables`)',
    ]);
    result = { code: 1, stdout: '', stderr: 'no such table' };
    await run(['nft', 'list', 'table', 'ip', 'orc']);
    await run(['nsenter', '--net=/proc/1/fd/3', 'conntrack', '-L']);
    expect(said()).toEqual([]);
  });

  test('are not confused with what else a command may end with', async () => {
    result = { code: 127, stdout: '', stderr: 'cannot open the namespace' };
    await run(['nsenter', '--net=/proc/1/fd/3', 'nft', '-f', '-']);
    await run(['tee', '/proc/sys/net']);
    expect(said()).toEqual([]);
  });
});
