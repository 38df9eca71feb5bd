/** Whether a cluster can do without one of its managers. */

export interface Voter {
  readonly name: string;
  /** Its server runs. */
  readonly isAlive: boolean;
}

/** How many of so many must run and reach each other. */
export const majorityOf = (voters: number): number => Math.floor(voters / 2) + 1;

/** Why a manager cannot be spared; undefined when the others are a majority without it. Pure. */
export function whyNotSpared(name: string, voters: readonly Voter[]): string | undefined {
  const others = voters.filter((voter) => voter.name !== name);
  if (others.length === 0) return `${name} is the only manager: make another node one first`;
  const down = others.filter(({ isAlive }) => !isAlive).map((voter) => voter.name);
  const needed = majorityOf(others.length);
  if (others.length - down.length >= needed) return undefined;
  return (
    `without ${name} too few managers would run: of the other ${String(others.length)}, ${String(needed)} must. ` +
    `Start ${down.join(', ')}, or remove those that do not come back (\`orc node rm\`)`
  );
}

/** What more than a word is worth saying of a number of managers; undefined: nothing. Pure. */
export function adviceFor(managers: number): string | undefined {
  if (managers === 1) return 'one manager: when it is down, nothing can be changed until it is back';
  if (managers % 2 === 1) return undefined;
  const lost = managers / 2 - 1;
  const fewer = managers - 1;
  return `${String(managers)} managers survive the loss of ${lost === 0 ? 'none' : String(lost)}, as ${fewer === 1 ? 'one does' : `${String(fewer)} do`}: an odd number is better`;
}
