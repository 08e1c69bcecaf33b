/** For clients of adapters that try again by themselves; a call that hangs is given up early enough for that. */
export const ownRetries = {
  maxAttempts: 1,
  requestHandler: { connectionTimeout: 1_000, requestTimeout: 5_000, throwOnRequestTimeout: true },
};
