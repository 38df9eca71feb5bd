/** Every command, one line each. A command's file is loaded only when it is asked for. */
import type { Entry, Group } from './command.ts';

const entry = (group: Group, name: string, summary: string, load: Entry['load']): Entry => ({
  group,
  name,
  summary,
  load,
});

/* prettier-ignore */
export const entries: readonly Entry[] = [
  entry('Start a cluster', 'up', 'Run a whole cluster on this machine', () => import('./commands/up.ts')),
  entry('Start a cluster', 'init', 'Make this machine the first manager of a cluster', () => import('./commands/init.ts')),
  entry('Start a cluster', 'join', 'Make this machine a node of a cluster', () => import('./commands/join.ts')),
  entry('Start a cluster', 'leave', 'Take this machine out of its cluster', () => import('./commands/leave.ts')),
  entry('Start a cluster', 'token', 'Show or rotate the tokens that let machines join', () => import('./commands/token.ts')),
  entry('Start a cluster', 'cluster', 'Show how a cluster is, back it up, restore it', () => import('./commands/cluster.ts')),
  entry('Start a cluster', 'ca', 'Show the CA of the cluster, or replace it', () => import('./commands/ca.ts')),
  entry('Start a cluster', 'systemd-unit', 'Print a systemd unit that runs orc', () => import('./commands/systemd-unit.ts')),
  entry('Start a cluster', 'server', 'Run the API server and controllers', () => import('./commands/server.ts')),
  entry('Start a cluster', 'agent', 'Run the agent of this node', () => import('./commands/agent.ts')),
  entry('Change', 'apply', 'Make the cluster as manifests say', () => import('./commands/apply.ts')),
  entry('Change', 'diff', 'Show what apply would change', () => import('./commands/diff.ts')),
  entry('Change', 'delete', 'Delete objects and what they own', () => import('./commands/delete.ts')),
  entry('Change', 'scale', 'Set how many replicas run', () => import('./commands/scale.ts')),
  entry('Change', 'label', 'Set or remove labels', () => import('./commands/label.ts')),
  entry('Change', 'annotate', 'Set or remove annotations', () => import('./commands/annotate.ts')),
  entry('Look', 'get', 'Show objects', () => import('./commands/get.ts')),
  entry('Look', 'describe', 'Explain an object: what is wrong, and what to do', () => import('./commands/describe.ts')),
  entry('Look', 'logs', 'Show what tasks print', () => import('./commands/logs.ts')),
  entry('Look', 'events', 'Show what happened', () => import('./commands/events.ts')),
  entry('Look', 'net', 'Try the networks: what fails, from where to where', () => import('./commands/net.ts')),
  entry('Look', 'wait', 'Wait for a condition', () => import('./commands/wait.ts')),
  entry('Look', 'explain', 'Explain a kind and its fields', () => import('./commands/explain.ts')),
  entry('Look', 'api-resources', 'List the kinds', () => import('./commands/api-resources.ts')),
  entry('Inside a task', 'exec', 'Run a command in a task', () => import('./commands/exec.ts')),
  entry('Nodes', 'node', 'List, promote, demote, label and remove nodes', () => import('./commands/node.ts')),
  entry('Nodes', 'cordon', 'Take no new tasks on a node', () => import('./commands/cordon.ts')),
  entry('Nodes', 'uncordon', 'Let a node take tasks again', () => import('./commands/uncordon.ts')),
  entry('Nodes', 'drain', 'Move all tasks off a node', () => import('./commands/drain.ts')),
  entry('Settings', 'config', 'Show and choose contexts', () => import('./commands/config.ts')),
  entry('Settings', 'version', 'Show versions', () => import('./commands/version.ts')),
  entry('Settings', 'completion', 'Completion for bash or zsh', () => import('./commands/completion.ts')),
  entry('Settings', '__complete', '', () => import('./commands/__complete.ts')),
];
