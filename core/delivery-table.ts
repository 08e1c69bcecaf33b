/** The index of the cloud's table of deliveries, for who makes it and who asks it. */
export const deliveryTable = { dueIndex: 'due', dueKey: 'dueAtMs' } as const;
