import { KinesisClient, type KinesisClientConfig } from '@aws-sdk/client-kinesis';
import { NodeHttpHandler } from '@smithy/node-http-handler';

export type { KinesisClient };

const connectMaxMs = 5_000;
const answerMaxMs = 20_000;

/**
 * A client for the account and region of the environment, or for the endpoint that AWS_ENDPOINT_URL names. It speaks HTTP/1.1: emulators do
 * not understand the HTTP/2 that the client would speak by itself, and nothing here needs it. A call without an answer fails after 20 s.
 */
export function makeKinesisClient(config: KinesisClientConfig = {}): KinesisClient {
  const requestHandler = new NodeHttpHandler({
    connectionTimeout: connectMaxMs,
    requestTimeout: answerMaxMs,
    throwOnRequestTimeout: true,
  });
  return new KinesisClient({ requestHandler, ...config });
}
