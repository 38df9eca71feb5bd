import type { NodeRole } from '../../api-schemas/join.ts';

/**
 * How others join, as a first manager says it when it is up. A token is shown in a terminal only, and never a
 * manager's: what is printed elsewhere ends in the journal, where more people read than may let machines in.
 */
export function joinHint(token: (role: NodeRole) => string, address: string, isTerminal: boolean): string {
  const manager = 'To add a manager (three of them survive the loss of one): `orc token show manager`';
  if (!isTerminal) return `To add a worker: \`orc token show worker\`\n${manager}`;
  return `To add a worker, run there:\n  orc join --token ${token('worker')} ${address}\n${manager}`;
}
