import type { Taint } from '../../api-schemas/index.ts';
import type { Context } from '../command.ts';
import { usageError } from '../errors.ts';
import { say } from '../io.ts';

const effects: readonly Taint['effect'][] = ['NoSchedule', 'PreferNoSchedule', 'NoExecute'];

/** `key=value:Effect` and `key:Effect` set; `key-` and `key:Effect-` remove. As kubectl has them. */
export type TaintChange =
  { readonly set: Taint } | { readonly remove: { readonly key: string; readonly effect?: Taint['effect'] } };

/** Throws a usage error. */
export function parseTaint(word: string): TaintChange {
  const [, key = '', value, effect, minus] = /^([^=:]+?)(?:=([^:]*))?(?::([A-Za-z]+))?(-)?$/.exec(word) ?? [];
  const known = effects.find((one) => one === effect);
  if (key !== '' && minus === '-' && value === undefined && (effect === undefined || known !== undefined)) {
    return { remove: { key, ...(known === undefined ? {} : { effect: known }) } };
  }
  if (key !== '' && minus === undefined && known !== undefined) {
    return { set: { key, ...(value === undefined ? {} : { value }), effect: known } };
  }
  throw usageError(
    `${word} is no taint`,
    `expected key=value:Effect or key:Effect, or with a "-" behind it to remove it; effects are ${effects.join(', ')}`,
  );
}

/** The taints after the changes. A taint is known by its key and effect. Pure. */
export function withChanges(taints: readonly Taint[], changes: readonly TaintChange[]): readonly Taint[] {
  return changes.reduce<readonly Taint[]>((now, change) => {
    if ('set' in change) {
      const { set } = change;
      return [...now.filter((one) => one.key !== set.key || one.effect !== set.effect), set];
    }
    const { key, effect } = change.remove;
    return now.filter((one) => one.key !== key || (effect !== undefined && one.effect !== effect));
  }, taints);
}

/** `orc node taint NAME CHANGE…` */
export async function taintNode(context: Context, name: string, words: readonly string[]): Promise<void> {
  if (words.length === 0)
    throw usageError('no taint is given', 'e.g. orc node taint node-b gpu=yes:NoSchedule');
  const changes = words.map(parseTaint);
  const { client } = await context.connect();
  const node = await client.get('Node', { name }, context.signal);
  const before = node.spec.taints ?? [];
  const taints = withChanges(before, changes);
  const isSame = JSON.stringify(taints) === JSON.stringify(before);
  if (!isSame) {
    await client.patch(
      'Node',
      { name },
      'merge',
      { metadata: { resourceVersion: node.metadata.resourceVersion }, spec: { taints } },
      { fieldManager: 'orc-cli', signal: context.signal },
    );
  }
  say(context.io, `node/${name} ${isSame ? 'unchanged' : 'tainted'}`);
}
