const passingErrors = new Set([
  'InternalFailure',
  'KmsThrottled',
  'ProvisionedThroughputExceededException',
  'RequestLimitExceeded',
  'RequestThrottled',
  'ThrottlingException',
  'TimeoutError',
  'TooManyRequestsException',
  'TransactionInProgressException',
]);

/** Of a failed call to AWS: it may pass if tried again, the service refused it, or it never was the service's. */
export function failureOf(error: unknown): 'passing' | 'refused' | 'ours' {
  if (!(error instanceof Error)) return 'ours';
  const { $metadata, code } = error as { $metadata?: { httpStatusCode?: number }; code?: unknown };
  if (passingErrors.has(error.name) || ($metadata?.httpStatusCode ?? 0) >= 500) return 'passing';
  // What Node says of a connection has a code such as ECONNRESET, and no answer of the service.
  if (typeof code === 'string' && /^E[A-Z_]+$/.test(code)) return 'passing';
  return $metadata?.httpStatusCode === undefined ? 'ours' : 'refused';
}
