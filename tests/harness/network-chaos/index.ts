/** Something happens to a cluster's networks, by chance. */
import type { LabClient } from '../lab-client.ts';
import type { Lab } from '../lab.ts';
import { changeByHand } from './by-hand.ts';
import { crash, cutOff, drain, endEngine, killOrc } from './machines.ts';
import { create, move, network, networkNames, remove, renew, rewire, scale } from './services.ts';
import type { Chance } from './random.ts';

export { chanceFrom, type Chance } from './random.ts';
export { connectByChance } from './connects.ts';

/** How often each happens, beside the others. */
const weights = {
  create: 20,
  scale: 14,
  move: 10,
  rewire: 5,
  remove: 8,
  renew: 3,
  crash: 4,
  cutOff: 6,
  killOrc: 8,
  endEngine: 6,
  drain: 6,
  changeByHand: 24,
  changeInContainer: 1,
};
export type Happening = keyof typeof weights;

const bag = Object.entries(weights).flatMap(([name, weight]) =>
  Array<Happening>(weight).fill(name as Happening),
);
export const draw = (chance: Chance): Happening => chance.pick(bag) ?? 'create';

/** Makes the networks of which services take theirs. */
export async function prepare(client: LabClient): Promise<void> {
  for (const name of networkNames) await client.apply(network(name));
}

/** Returns what was done, in words. Throws when what must always work, such as a start, did not. */
export async function happen(what: Happening, lab: Lab, client: LabClient, chance: Chance): Promise<string> {
  const node = chance.pick(lab.nodes) ?? lab.node(1);
  switch (what) {
    case 'create':
      return create(client, chance);
    case 'scale':
      return scale(client, chance);
    case 'move':
      return move(client, chance, lab.nodes.map(({ name }) => name)); // prettier-ignore
    case 'rewire':
      return rewire(client, chance);
    case 'remove':
      return remove(client, chance);
    case 'renew':
      return renew(client, chance);
    case 'crash':
      return crash(lab, node, chance);
    case 'cutOff':
      return cutOff(node, chance);
    case 'killOrc':
      return killOrc(lab, node);
    case 'endEngine':
      return endEngine(node, chance);
    case 'drain':
      return drain(client, node, chance);
    case 'changeByHand':
      return changeByHand(node, chance);
    case 'changeInContainer':
      return changeByHand(node, chance, true);
  }
}
