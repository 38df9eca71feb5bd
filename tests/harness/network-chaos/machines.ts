/** What befalls machines and programs by chance. Each returns what it did, in words. */
import { setTimeout as delay } from 'node:timers/promises';
import type { LabClient } from '../lab-client.ts';
import type { Lab, LabNode } from '../lab.ts';
import type { Chance } from './random.ts';

/** As long as a node needs to be taken for lost, or less. */
const pause = async (chance: Chance): Promise<string> => {
  const ms = chance.pick([0, 1_000, 4_000, 7_000]) ?? 0;
  await delay(ms);
  return `${ms / 1000} s`;
};

export async function crash(lab: Lab, node: LabNode, chance: Chance): Promise<string> {
  await node.crash();
  const waited = await pause(chance);
  await lab.start(node);
  return `crash ${node.name}, back after ${waited}`;
}

export async function cutOff(node: LabNode, chance: Chance): Promise<string> {
  node.partition();
  const waited = await pause(chance);
  node.heal();
  return `cut ${node.name} off for ${waited}`;
}

export async function killOrc(lab: Lab, node: LabNode): Promise<string> {
  await lab.restartOrc(node);
  return `kill orc of ${node.name}`;
}

export async function endEngine(node: LabNode, chance: Chance): Promise<string> {
  const signal = chance.pick(['SIGTERM', 'SIGKILL'] as const) ?? 'SIGTERM';
  await node.restartEngine(signal);
  return `${signal} to the engine of ${node.name}`;
}

export async function drain(client: LabClient, node: LabNode, chance: Chance): Promise<string> {
  const set = (availability: string) => client.patch('Node', { name: node.name }, { spec: { availability } });
  await set('drain');
  const waited = await pause(chance);
  await set('active');
  return `drain ${node.name} for ${waited}`;
}
