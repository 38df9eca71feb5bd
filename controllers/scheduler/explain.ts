/** Nodes that are named one by one; of more, equal reasons are counted. */
const named = 5;

/** Says for each node why it was refused: `no node fits: node-1: …; node-2: …`, or `3 nodes: …` of many. */
export function explain(refusals: ReadonlyMap<string, string>): string {
  if (refusals.size === 0) return 'no node fits: there is no node';
  if (refusals.size <= named) {
    const lines = [...refusals].sort(([a], [b]) => (a < b ? -1 : 1)).map(([name, why]) => `${name}: ${why}`);
    return `no node fits: ${lines.join('; ')}`;
  }
  const groups = new Map<string, string[]>();
  for (const [name, why] of refusals) {
    const group = groups.get(why);
    if (group === undefined) groups.set(why, [name]);
    else group.push(name);
  }
  const lines = [...groups]
    .sort(([a, x], [b, y]) => y.length - x.length || (a < b ? -1 : 1))
    .map(([why, names]) =>
      names.length === 1 ? `${names[0] ?? ''}: ${why}` : `${names.length} nodes: ${why}`,
    );
  return `no node fits: ${lines.join('; ')}`.slice(0, 4096);
}
