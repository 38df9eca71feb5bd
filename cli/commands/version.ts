import { defineCommand } from '../command.ts';
import type { Connection } from '../connection.ts';
import { say } from '../io.ts';
import { toJson, toYaml } from '../output/yaml.ts';
import { version } from '../version.ts';

export const command = defineCommand({
  describe: 'Show the version of this program and of the server.',
  examples: [
    ['orc version', 'Both versions'],
    ['orc version --client', 'Without asking the server'],
  ],
  options: (yargs) =>
    yargs
      .option('client', { type: 'boolean', default: false, describe: 'Only this program’s version' })
      .option('output', {
        alias: 'o',
        type: 'string',
        choices: ['json', 'yaml'] as const,
        describe: 'How to print',
      }),

  async run(context, { client: clientOnly, output }) {
    const own = {
      gitVersion: `v${version}`,
      platform: `${process.platform}/${process.arch}`,
      node: process.version,
    };
    const server = clientOnly ? undefined : await serverVersion(context.connect());
    const answer = { clientVersion: own, ...(server === undefined ? {} : { serverVersion: server.info }) };
    if (output === 'json') context.io.stdout.write(toJson(answer));
    else if (output === 'yaml') context.io.stdout.write(toYaml(answer));
    else {
      say(context.io, `Client Version: ${own.gitVersion}`);
      if (server !== undefined)
        say(context.io, `Server Version: ${String(server.info['gitVersion'])} (${server.endpoint})`);
    }
  },
});

async function serverVersion(connecting: Promise<Connection>) {
  const { client, endpoint } = await connecting;
  return { info: JSON.parse(await client.raw('GET', '/version')) as Record<string, unknown>, endpoint };
}
