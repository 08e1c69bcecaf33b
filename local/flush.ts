/** How long `feed` gathers trades, in milliseconds: what it is by default, and what it may be. Every bucket has a record each time. */
export const flushEveryMs = { usual: 2_000, least: 10, most: 60_000 } as const;
