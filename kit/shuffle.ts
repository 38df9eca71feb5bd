/** The items in an order by chance. */
export const shuffled = <T>(items: readonly T[], random: () => number = Math.random): T[] =>
  items
    .map((item) => ({ item, at: random() }))
    .sort((a, b) => a.at - b.at)
    .map(({ item }) => item);
