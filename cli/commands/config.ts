import { configPath, loadConfig, updateConfig, type KubeConfig } from '../../client/index.ts';
import { defineCommand, type Context } from '../command.ts';
import { CliError, usageError } from '../errors.ts';
import { say } from '../io.ts';
import { nearest } from '../parse.ts';
import { renderTable } from '../output/table.ts';

const actions = ['get-contexts', 'use-context', 'current-context', 'set-namespace'] as const;

export const command = defineCommand({
  positionals: '<action> [name]',
  describe: 'Show and choose contexts: which cluster, as whom, in which namespace.',
  examples: [
    ['orc config get-contexts', 'All contexts; * marks the current one'],
    ['orc config use-context lab', 'Make "lab" the current one'],
    ['orc config current-context', 'Its name'],
    ['orc config set-namespace shop', 'Namespace of the current context'],
  ],
  epilog: 'The file is $ORC_CONFIG, else ~/.orc/config: a kubeconfig that kubectl reads too.',
  options: (yargs) =>
    yargs
      .positional('action', { choices: actions, demandOption: true, describe: 'What to do' })
      .positional('name', { type: 'string', describe: 'Context, or namespace' })
      .option('headers', {
        type: 'boolean',
        default: true,
        describe: 'Print column names; --no-headers leaves them out',
      })
      .option('output', { alias: 'o', type: 'string', choices: ['name'] as const, describe: 'How to print' }),

  async run(context, { action, name, headers, output }) {
    const path = configPath(context.io.env as NodeJS.ProcessEnv);
    const config = await loadConfig(path);
    switch (action) {
      case 'get-contexts':
        return list(context, config, headers, output === 'name');
      case 'current-context':
        return say(context.io, current(config, path));
      case 'use-context': {
        const wanted = required(name, action);
        if (!names(config).includes(wanted)) throw unknownContext(wanted, config, path);
        await updateConfig((now) => ({ ...now, 'current-context': wanted }), path);
        return say(context.io, `Switched to context "${wanted}".`);
      }
      case 'set-namespace': {
        const namespace = required(name, action);
        const wanted = context.flags.context ?? current(config, path);
        await updateConfig((now) => withNamespace(now, wanted, namespace), path);
        return say(context.io, `Context "${wanted}" now uses namespace "${namespace}".`);
      }
    }
  },
});

const names = (config: KubeConfig): readonly string[] => (config.contexts ?? []).map((c) => c.name);

function required(name: string | undefined, action: string): string {
  if (name === undefined) throw usageError(`\`orc config ${action}\` needs a name`);
  return name;
}

function current(config: KubeConfig, path: string): string {
  const name = config['current-context'];
  if (name !== undefined && name !== '') return name;
  throw new CliError(`no current context in ${path}`, {
    remedy: 'start a cluster with `orc up`, or choose one: `orc config use-context NAME`',
  });
}

function unknownContext(name: string, config: KubeConfig, path: string): CliError {
  const near = nearest(name, names(config));
  return new CliError(`${path} has no context "${name}"`, {
    remedy: near === undefined ? `it has: ${names(config).join(', ') || 'none'}` : `did you mean "${near}"?`,
  });
}

interface ContextEntry {
  readonly cluster?: string;
  readonly user?: string;
  readonly namespace?: string;
}

function list({ io, flags }: Context, config: KubeConfig, headers: boolean, namesOnly: boolean): void {
  if (namesOnly) return names(config).forEach((name) => say(io, name));
  const chosen = flags.context ?? config['current-context'];
  const rows = (config.contexts ?? []).map((entry) => {
    const { cluster = '', user = '', namespace = '' } = (entry['context'] ?? {}) as ContextEntry;
    return [entry.name === chosen ? '*' : '', entry.name, cluster, user, namespace];
  });
  const header = headers ? ['CURRENT', 'NAME', 'CLUSTER', 'AUTHINFO', 'NAMESPACE'] : undefined;
  for (const line of renderTable(header, rows)) say(io, line);
}

const withNamespace = (config: KubeConfig, name: string, namespace: string): KubeConfig => ({
  ...config,
  contexts: (config.contexts ?? []).map((entry) =>
    entry.name === name ? { ...entry, context: { ...(entry['context'] as object), namespace } } : entry,
  ),
});
