import { TransactionCanceledException } from '@aws-sdk/client-dynamodb';

/** Reasons of a cancelled transaction that may be taken when it is asked for again. */
const passingReasons: ReadonlySet<string> = new Set(['None', 'TransactionConflict', 'ThrottlingError', 'ProvisionedThroughputExceeded']);

/** Whether others were at the items of a transaction, or too much was asked at once: by itself, or for one more reason that may pass. */
export function isOnlyBusy(error: unknown, oneMore?: string): boolean {
  const reasons = error instanceof TransactionCanceledException ? (error.CancellationReasons ?? []) : [];
  return reasons.length > 0 && reasons.every(({ Code = 'None' }) => passingReasons.has(Code) || Code === oneMore);
}
