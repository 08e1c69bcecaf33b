import { TransactionCanceledException } from '@aws-sdk/client-dynamodb';

const passingReasons = new Set(['None', 'TransactionConflict', 'ThrottlingError', 'ProvisionedThroughputExceeded']);
const passingErrors = new Set([
  'TransactionInProgressException',
  'TransactionConflictException',
  'ThrottlingException',
  'ProvisionedThroughputExceededException',
  'RequestLimitExceeded',
  'TimeoutError',
]);

/** Of a call to DynamoDB: it may pass if tried again, the service refused it, or it never was the service's. */
export function failureOf(error: unknown): 'passing' | 'refused' | 'ours' {
  if (!(error instanceof Error)) return 'ours';
  if (error instanceof TransactionCanceledException) {
    const reasons = error.CancellationReasons ?? [];
    return reasons.every(({ Code = 'None' }) => passingReasons.has(Code)) ? 'passing' : 'refused';
  }
  const { $metadata, code } = error as { $metadata?: { httpStatusCode?: number }; code?: unknown };
  if (passingErrors.has(error.name) || ($metadata?.httpStatusCode ?? 0) >= 500) return 'passing';
  // What Node says of a connection has a code such as ECONNRESET, and no answer of the service.
  if (typeof code === 'string' && /^E[A-Z_]+$/.test(code)) return 'passing';
  return $metadata === undefined ? 'ours' : 'refused';
}
