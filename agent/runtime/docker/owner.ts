import { ownerLabels, type Owner } from '../types.ts';

/** The engine's label filter for what is the owner's. */
export const ownerFilter = (owner: Owner): string[] =>
  Object.entries(ownerLabels(owner)).map(([name, value]) => `${name}=${value}`);
