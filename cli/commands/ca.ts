import { caStatus } from '../cluster/ca-status.ts';
import { followPresent, followRotation } from '../cluster/ca-follow.ts';
import { startRotation } from '../cluster/ca-start.ts';
import { defineCommand } from '../command.ts';
import { usageError } from '../errors.ts';
import { duration } from '../flags.ts';
import { note, say } from '../io.ts';
import { formatDuration } from '../../api-schemas/index.ts';

export const command = defineCommand({
  positionals: '<action>',
  describe: 'Show the CA of the cluster, or replace it by a new one while the cluster runs.',
  examples: [
    ['orc ca status', 'Who issues with and trusts which CA, and how far a replacement is'],
    ['orc ca status --wait', 'Follow a replacement that is under way; begins none'],
    ['orc ca rotate', 'Replace the CA, and wait until it is done'],
    ['orc ca rotate --wait-for-unreachable 10m', 'Give machines that restart more time'],
    ['orc ca rotate --yes --no-wait', 'Only start it; `orc ca status --wait` follows it'],
  ],
  epilog:
    'rotate: all come to trust a new CA beside the old one, then get certificates of it, then cease to trust the old\n' +
    'one: in each of these phases the managers one at a time, then the nodes. Containers are not touched. Who is out of\n' +
    'reach for too long is skipped and has to join again. The context in use is renewed on the way. One that is under\n' +
    'way is followed. status --wait follows one, too, and never begins one. status: exit code 1 when somebody was skipped.\n' +
    'Exit codes of both when they wait: 0 done, 1 failed, 2 wrong usage, 3 not done within --timeout, 130 interrupted (the rotation goes on).',
  options: (yargs) =>
    yargs
      .positional('action', {
        choices: ['status', 'rotate'] as const,
        demandOption: true,
        describe: 'What to do',
      })
      .option('yes', {
        alias: 'y',
        type: 'boolean',
        default: false,
        describe: 'rotate: do not ask; needed outside a terminal',
      })
      .option('wait', {
        type: 'boolean',
        defaultDescription: 'rotate: true, status: false',
        describe: 'Wait until it is done, and renew this context on the way',
      })
      .option('timeout', { type: 'string', default: '1h', describe: 'Longest wait' })
      .option('wait-for-unreachable', {
        type: 'string',
        defaultDescription: '2m',
        describe: 'rotate: how long those out of reach are waited for in each phase; kept for the next time',
      })
      .option('output', {
        alias: 'o',
        type: 'string',
        choices: ['json'] as const,
        describe: 'status: how to print',
      }),

  async run(context, flags) {
    if (flags.action === 'status') {
      if (flags.wait !== true) return caStatus(context, flags.output);
      if (flags.output !== undefined) throw usageError('-o and --wait do not go together');
      const code = await followPresent(
        context,
        await context.connect(),
        duration(flags.timeout, '--timeout'),
      );
      if (code !== undefined) return code;
      say(context.io, 'no rotation is under way: there is nothing to wait for');
      return 0;
    }
    if (flags.output !== undefined) throw usageError('-o is for `orc ca status`');
    const timeoutMs = duration(flags.timeout, '--timeout');
    const wait =
      flags.waitForUnreachable === undefined
        ? undefined
        : formatDuration(duration(flags.waitForUnreachable, '--wait-for-unreachable'));
    const connection = await context.connect();
    const rotation = await startRotation(context, connection.client, { yes: flags.yes, wait });
    if (rotation === undefined) return context.signal.aborted ? 130 : 1;
    if (flags.wait ?? true) return followRotation(context, connection, rotation, timeoutMs);
    note(
      context.io,
      'follow it with `orc ca status --wait` before it is done: that renews this context, too',
    );
    return 0;
  },
});
