/** Every command, one line each. A command's file is loaded only when it is asked for. */
import type { Command } from './command.ts';

export interface Entry {
  readonly name: string;
  readonly group: Group;
  readonly summary: string;
  load(): Promise<{ readonly command: Command }>;
}

export const groups = ['Start a cluster', 'Change', 'Look', 'Inside a task', 'Nodes', 'Settings'] as const;
export type Group = (typeof groups)[number];

type Loader = Entry['load'];
const entry = (group: Group, name: string, summary: string, load: Loader): Entry => ({
  group,
  name,
  summary,
  load,
});

/* prettier-ignore */
export const entries: readonly Entry[] = [
  entry('Start a cluster', 'up', 'Run a whole cluster on this machine', () => import('./commands/up.ts')),
  entry('Start a cluster', 'server', 'Run the API server and controllers', () => import('./commands/server.ts')),
  entry('Start a cluster', 'agent', 'Run the agent of this node', () => import('./commands/agent.ts')),
  entry('Settings', 'version', 'Show the version of client and server', () => import('./commands/version.ts')),
];
