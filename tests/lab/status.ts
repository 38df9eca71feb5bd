import type { Lab, LabNode } from '../harness/lab.ts';
import { answers } from './ping.ts';
import { isMember } from './orc.ts';

/** A table, a row for each node. */
export async function statusLines(lab: Lab): Promise<readonly string[]> {
  const head = ['NODE', 'ADDRESS', 'ENGINE', 'STATE', 'NETWORK', 'ORC', 'PROCESSES'];
  const rows = [head, ...(await Promise.all(lab.nodes.map((node) => row(lab, node))))];
  const widths = head.map((_, column) => Math.max(...rows.map((each) => each[column]?.length ?? 0)));
  return rows.map((each) =>
    each
      .map((cell, i) => cell.padEnd(widths[i] ?? 0))
      .join('   ')
      .trimEnd(),
  );
}

async function row(lab: Lab, node: LabNode): Promise<readonly string[]> {
  const isUp = node.isUp();
  const engine = isUp && !(await answers(node.socketPath)) ? 'up, engine down' : 'up';
  const state = !isUp ? 'crashed' : node.isPulsing() ? 'in pulses' : engine;
  const role = !isMember(node) ? '-' : lab.managers.includes(node) ? 'manager' : 'worker';
  return [
    node.name,
    node.address,
    node.engine,
    state,
    isUp ? network(node) : '-',
    role,
    String(node.pids().length),
  ];
}

function network(node: LabNode): string {
  const { all, from } = node.cuts();
  if (all) return 'partitioned';
  return from.length === 0 ? 'attached' : `cut from ${from.map((number) => `n${number}`).join(', ')}`;
}
