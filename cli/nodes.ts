/** `cordon`, `uncordon` and the first half of `drain`: changes of a node's availability. */
import type { Argv } from 'yargs';
import type { Node, NodeSpec } from '../api-schemas/index.ts';
import type { Client } from '../client/index.ts';
import type { CommandSpec } from './command.ts';
import { usageError } from './errors.ts';
import { say } from './io.ts';
import { parseRef } from './kinds.ts';

export type Availability = NonNullable<NodeSpec['availability']>;

/** The field manager of these changes: a manifest that sets the availability too is told who has changed it. */
const manager = 'orc-cordon';

interface NodesArgs {
  readonly nodes: string[];
}

/** A command that sets the availability of the nodes it is given, and says so with `done`. */
export const availabilityCommand = (
  availability: Availability,
  done: string,
  { describe, examples }: Pick<CommandSpec<NodesArgs>, 'describe' | 'examples'>,
): CommandSpec<NodesArgs> => ({
  positionals: '<nodes..>',
  describe,
  examples,
  options: (yargs: Argv) =>
    yargs.positional('nodes', {
      type: 'string',
      array: true,
      demandOption: true,
      describe: 'Names of nodes',
    }),

  async run(context, { nodes }) {
    const names = nodes.map(nodeName);
    const { client } = await context.connect();
    for (const name of names) {
      const changed = await setAvailability(client, name, availability, context.signal);
      say(context.io, `node/${name} ${changed ? '' : 'already '}${done}`);
    }
  },
});

/** `node-a`, `node/node-a`. Throws when it is another kind's. */
export function nodeName(word: string): string {
  if (!word.includes('/')) return word;
  const { def, name } = parseRef(word);
  if (def.kind !== 'Node') throw usageError(`${word} is no node`);
  return name;
}

/** Sets the availability; false when it was so already. Throws NotFound. */
export async function setAvailability(
  client: Client,
  name: string,
  availability: Availability,
  signal: AbortSignal,
): Promise<boolean> {
  const node: Node = await client.get('Node', { name }, signal);
  if ((node.spec.availability ?? 'active') === availability) return false;
  await client.patch(
    'Node',
    { name },
    'merge',
    { spec: { availability } },
    { fieldManager: manager, signal },
  );
  return true;
}
