/** The name that takes the fewest edits to become `name`: what somebody who mistyped it most likely meant. Undefined for no names. */
export function nearestOf(name: string, names: readonly string[]): string | undefined {
  return names.toSorted((a, b) => editsBetween(name.toLowerCase(), a.toLowerCase()) - editsBetween(name.toLowerCase(), b.toLowerCase()))[0];
}

/** How many characters must be put in, taken out or changed to make one text the other (Levenshtein). */
function editsBetween(from: string, to: string): number {
  let row = Array.from({ length: to.length + 1 }, (_, column) => column);
  for (const [line, character] of [...from.slice(0, 64)].entries()) {
    const next = [line + 1];
    for (let column = 1; column <= to.length; column++) {
      const change = (row[column - 1] as number) + (character === to[column - 1] ? 0 : 1);
      next.push(Math.min(change, (row[column] as number) + 1, (next[column - 1] as number) + 1));
    }
    row = next;
  }
  return row[to.length] as number;
}
