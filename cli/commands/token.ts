import { clusterName, type Cluster } from '../../api-schemas/index.ts';
import type { NodeRole } from '../../api-schemas/join.ts';
import type { Client } from '../../client/index.ts';
import { defineCommand } from '../command.ts';
import { note, say } from '../io.ts';

const roles = ['worker', 'manager'] as const satisfies readonly NodeRole[];

export const command = defineCommand({
  positionals: '<action> <role>',
  describe: 'Show or rotate the token with which machines join the cluster.',
  examples: [
    ['orc token show worker', 'The command that makes a machine a worker'],
    ['orc token show manager --quiet', 'The token alone'],
    ['orc token rotate worker', 'Make earlier tokens worthless; nodes that have joined are not concerned'],
  ],
  options: (yargs) =>
    yargs
      .positional('action', {
        choices: ['show', 'rotate'] as const,
        demandOption: true,
        describe: 'What to do',
      })
      .positional('role', { choices: roles, demandOption: true, describe: 'What the machine becomes' })
      .option('quiet', { alias: 'q', type: 'boolean', default: false, describe: 'Print the token alone' }),

  async run({ io, connect, signal }, { action, role, quiet }) {
    const { client } = await connect();
    const cluster = await client.get('Cluster', { name: clusterName }, signal);
    if (action === 'rotate') await rotate(client, cluster, role, signal);
    const { token } = JSON.parse(await client.raw('GET', `/cluster/v1/token?role=${role}`)) as {
      token: string;
    };
    if (quiet) return say(io, token);
    if (action === 'rotate') note(io, `earlier tokens of ${role}s are worthless from now on`);
    note(io, `To add a ${role}, run there:`);
    say(io, `orc join --token ${token} ${addressesOf(cluster).join(',')}`);
  },
});

async function rotate(client: Client, cluster: Cluster, role: NodeRole, signal: AbortSignal): Promise<void> {
  const generation = (cluster.spec.tokens?.[role] ?? 1) + 1;
  await client.patch(
    'Cluster',
    { name: clusterName },
    'merge',
    {
      metadata: { resourceVersion: cluster.metadata.resourceVersion },
      spec: { tokens: { [role]: generation } },
    },
    { signal },
  );
}

const addressesOf = ({ status }: Cluster): readonly string[] =>
  Object.values(status?.managers ?? {}).map(({ url }) => url.replace(/^https:\/\//, ''));
