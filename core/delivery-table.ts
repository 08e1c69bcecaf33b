/** The keys of the cloud's table of deliveries, for who makes it and who asks it. */
export const deliveryTable = { partitionKey: 'pk', sortKey: 'sk', timeToLive: 'expiresAtSec', dueIndex: 'due', dueKey: 'dueAtMs' } as const;
