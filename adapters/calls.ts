export type CallLimits<T> = {
  readonly itemsMax: number;
  readonly bytesMax: number;
  readonly bytesOf: (item: T) => number;
};

/** Items in order, in as few calls as take them; one that is too large by itself has a call of its own. */
export function callsOf<T>(items: readonly T[], { itemsMax, bytesMax, bytesOf }: CallLimits<T>): T[][] {
  const calls: T[][] = [];
  let bytes = 0;
  for (const item of items) {
    const itemBytes = bytesOf(item);
    const last = calls.at(-1);
    if (last === undefined || last.length === itemsMax || bytes + itemBytes > bytesMax) {
      calls.push([item]);
      bytes = itemBytes;
    } else {
      last.push(item);
      bytes += itemBytes;
    }
  }
  return calls;
}
