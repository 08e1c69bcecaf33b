import { failureOf } from '../aws-failure.ts';
import { TapelineError } from '../errors.ts';

export type StreamErrorCode = 'stream-not-found' | 'stream-not-permitted' | 'stream-refused' | 'stream-not-usable' | 'aws-not-set-up';

/** The stream cannot be used, and trying again changes nothing. */
export class StreamError extends TapelineError {
  declare readonly code: StreamErrorCode;

  constructor(message: string, options: { readonly code: StreamErrorCode; readonly cause?: unknown }) {
    super(message, options);
  }
}

const passingErrors = new Set(['LimitExceededException', 'KMSThrottlingException', 'ExpiredIteratorException']);
const deniedErrors = new Set([
  'AccessDeniedException',
  'AccessDenied',
  'UnrecognizedClientException',
  'InvalidSignatureException',
  'MissingAuthenticationTokenException',
  'IncompleteSignature',
  'KMSAccessDeniedException',
]);

/** Whether a failed call to Kinesis may pass if it is made again. */
export function isPassing(error: unknown): boolean {
  return passingErrors.has((error as Error | null)?.name ?? '') || failureOf(error) === 'passing';
}

/** What a person can do about a failed call; an error of our own code stays as it is. */
export function explainStreamFailure(error: unknown, streamName: string): unknown {
  if (!(error instanceof Error) || error instanceof TapelineError) return error;
  const { name, message } = error;
  const isConnection =
    failureOf(error) === 'passing' && (error as { $metadata?: { httpStatusCode?: number } }).$metadata?.httpStatusCode === undefined;
  if (name === 'ResourceNotFoundException')
    return streamError(
      'stream-not-found',
      `there is no stream "${streamName}" in this account and region, or it was deleted (${firstLineOf(message)})`,
    );
  if (name.startsWith('ExpiredToken') || name === 'TokenProviderError' || name === 'CredentialsProviderError')
    return streamError(
      'aws-not-set-up',
      `there are no credentials for AWS (${firstLineOf(message)}); log in, or set AWS_PROFILE or AWS_ACCESS_KEY_ID`,
    );
  if (/region is missing/i.test(message)) return streamError('aws-not-set-up', 'no AWS region is set; set AWS_REGION');
  if (deniedErrors.has(name))
    return streamError(
      'stream-not-permitted',
      `these credentials may not use the stream "${streamName}" (${name}: ${firstLineOf(message)})`,
    );
  if (isConnection)
    return streamError(
      'stream-not-usable',
      `Kinesis cannot be reached (${firstLineOf(message) || name}); check the network, AWS_REGION and AWS_ENDPOINT_URL`,
    );
  if (failureOf(error) === 'ours') return error;
  return streamError('stream-refused', `the stream "${streamName}" refused (${name}: ${firstLineOf(message)})`);

  function streamError(code: StreamErrorCode, text: string): StreamError {
    return new StreamError(text, { code, cause: error });
  }
}

function firstLineOf(text: string): string {
  return text.split('\n')[0] ?? '';
}
