import type { Run } from '../commands.ts';
import { applyMesh } from './apply.ts';
import { usualMtu } from './names.ts';
import { planMesh } from './plan.ts';
import { readMesh } from './read.ts';

/** Removes the mesh of an agent that is no more, with its keys; may be repeated. */
export async function clearMesh(run: Run, tag: string): Promise<void> {
  const { ops } = planMesh(undefined, await readMesh(run, tag, undefined), tag, 0, undefined);
  const ability = { error: 'nothing is made here' };
  await applyMesh({ run, tag, ability, inner: '', mtu: usualMtu, nowMs: 0 }, ops);
}
