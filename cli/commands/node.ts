import { listNodes } from '../cluster/list.ts';
import { removeNodes } from '../cluster/remove.ts';
import { defineCommand } from '../command.ts';
import { usageError } from '../errors.ts';
import { mark } from '../marks.ts';
import { nodeName } from '../nodes.ts';

const actions = ['ls', 'rm', 'label'] as const;

export const command = defineCommand({
  positionals: '<action> [names..]',
  describe: 'List, label and remove the nodes of the cluster.',
  examples: [
    ['orc node ls', 'All nodes, and which of the managers leads'],
    ['orc node label node-b zone=eu disk-', 'Set a label, and remove one'],
    ['orc node rm node-b', 'Forget a machine that is gone; its tasks are replaced'],
    ['orc node rm node-b --force', 'The same, although it is connected'],
  ],
  epilog:
    'A machine that shall leave by itself runs `orc leave`. `orc cordon`, `drain` and `uncordon` say whether a node\n' +
    'takes tasks. A manager that does not come back is removed from etcd too, if the others are a majority without it.',
  options: (yargs) =>
    yargs
      .positional('action', { choices: actions, demandOption: true, describe: 'What to do' })
      .positional('names', {
        type: 'string',
        array: true,
        describe: 'Nodes; for `label` one node, then key=value or key-',
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

  async run(context, { action, names = [], force, overwrite, headers }) {
    switch (action) {
      case 'ls':
        if (names.length > 0) throw usageError('`orc node ls` takes no names', 'see `orc get nodes NAME…`');
        return listNodes(context, headers);
      case 'rm':
        return removeNodes(context, required(names, action), force);
      case 'label': {
        const [name = '', ...changes] = required(names, action);
        return mark(context, 'labels', [`node/${nodeName(name)}`, ...changes], overwrite);
      }
    }
  },
});

function required(names: readonly string[], action: string): readonly string[] {
  if (names.length === 0)
    throw usageError(`\`orc node ${action}\` needs the name of a node`, 'see `orc node ls`');
  return action === 'label' ? names : names.map(nodeName);
}
