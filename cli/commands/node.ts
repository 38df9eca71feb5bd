import { listNodes } from '../cluster/list.ts';
import { changeRole } from '../cluster/roles.ts';
import { removeNodes } from '../cluster/remove.ts';
import { taintNode } from '../cluster/taint.ts';
import { defineCommand } from '../command.ts';
import { usageError } from '../errors.ts';
import { duration, waitFlags } from '../flags.ts';
import { mark } from '../marks.ts';
import { nodeName } from '../nodes.ts';

const actions = ['ls', 'promote', 'demote', 'label', 'taint', 'rm'] as const;

export const command = defineCommand({
  positionals: '<action> [names..]',
  describe: 'List the nodes of the cluster, change their roles, label, taint and remove them.',
  examples: [
    ['orc node ls', 'All nodes, and which of the managers leads'],
    ['orc node promote node-b', 'Make a worker a manager; its containers do not notice'],
    ['orc node demote node-b', 'Make it a worker again'],
    ['orc node label node-b zone=eu disk-', 'Set a label, and remove one'],
    ['orc node taint node-b gpu=yes:NoSchedule', 'Keep tasks away that do not tolerate it'],
    ['orc node taint node-b gpu-', 'Remove it again'],
    ['orc node rm node-b', 'Forget a machine that is gone; its tasks are replaced'],
    ['orc node rm node-b --force', 'The same, although it is connected'],
    ['orc node rm 10.0.0.4:6751', 'A manager that was added to etcd and never came; by its name, too'],
  ],
  epilog:
    'Three managers survive the loss of one, five the loss of two. A machine that shall leave by itself runs\n' +
    '`orc leave`. A manager that does not come back is removed from etcd too, if the others are a majority without it.\n' +
    '`orc cordon`, `drain` and `uncordon` say whether a node takes tasks.',
  options: (yargs) =>
    waitFlags(yargs)
      .positional('action', { choices: actions, demandOption: true, describe: 'What to do' })
      .positional('names', {
        type: 'string',
        array: true,
        describe: 'Nodes; for `label` one node, then key=value or key-; for `taint` key=value:Effect or key-',
      })
      .option('force', { type: 'boolean', default: false, describe: 'rm: also one that is connected' })
      .option('overwrite', {
        type: 'boolean',
        default: false,
        describe: 'label: change values that are there',
      })
      .option('headers', {
        type: 'boolean',
        default: true,
        describe: 'ls: print column names; --no-headers leaves them out',
      }),

  async run(context, { action, names = [], force, overwrite, headers, wait, timeout }) {
    switch (action) {
      case 'promote':
      case 'demote': {
        const timeoutMs = (wait ?? context.io.stdoutTty) ? duration(timeout, '--timeout') : undefined;
        const role = action === 'promote' ? 'manager' : 'worker';
        return changeRole(context, required(names, action), role, { timeoutMs });
      }
      case 'ls':
        if (names.length > 0) throw usageError('`orc node ls` takes no names', 'see `orc get nodes NAME…`');
        return listNodes(context, headers);
      case 'rm':
        return removeNodes(context, required(names.map(withoutScheme), action), force);
      case 'taint': {
        const [name = '', ...changes] = required(names, action);
        return taintNode(context, nodeName(name), changes);
      }
      case 'label': {
        const [name = '', ...changes] = required(names, action);
        return mark(context, 'labels', [`node/${nodeName(name)}`, ...changes], overwrite);
      }
    }
  },
});

/** Of a member of etcd, as `orc cluster status -o json` has it. */
const withoutScheme = (name: string): string => name.replace(/^https:\/\//, '');

function required(names: readonly string[], action: string): readonly string[] {
  if (names.length === 0)
    throw usageError(`\`orc node ${action}\` needs the name of a node`, 'see `orc node ls`');
  return action === 'label' || action === 'taint' ? names : names.map(nodeName);
}
