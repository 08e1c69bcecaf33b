import { makeKinesisClient } from '../tape/kinesis-client.ts';

/** For questions whose answer a person waits for: one more attempt, and none that hangs. */
export function clientOptions(region: string | undefined) {
  return { ...ofRegion(region), requestHandler: { connectionTimeout: 3_000, requestTimeout: 10_000, throwOnRequestTimeout: true } };
}

/** Kinesis has a handler of its own. */
export function kinesisClientFor(region: string | undefined) {
  return makeKinesisClient(ofRegion(region));
}

function ofRegion(region: string | undefined) {
  return { ...(region !== undefined && { region }), maxAttempts: 2 };
}
