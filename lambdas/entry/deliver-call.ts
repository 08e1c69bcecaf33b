import { LambdaCall } from '../../adapters/delivery/lambda-call.ts';
import { readEnvironment } from './environment.ts';

/** A call of this function by itself, with its own credentials: they live as long as the container. */
export function readOwnCall(): LambdaCall {
  const environment = readEnvironment([
    'AWS_LAMBDA_FUNCTION_NAME',
    'LAMBDA_DOMAIN',
    'AWS_REGION',
    'AWS_ACCESS_KEY_ID',
    'AWS_SECRET_ACCESS_KEY',
  ]);
  const sessionToken = process.env['AWS_SESSION_TOKEN'];
  return new LambdaCall({
    // An emulator is told to all clients by these variables.
    url: process.env['AWS_ENDPOINT_URL_LAMBDA'] ?? process.env['AWS_ENDPOINT_URL'] ?? `https://${environment.LAMBDA_DOMAIN}`,
    region: environment.AWS_REGION,
    credentials: {
      accessKeyId: environment.AWS_ACCESS_KEY_ID,
      secretAccessKey: environment.AWS_SECRET_ACCESS_KEY,
      ...(sessionToken && { sessionToken }),
    },
    functionName: environment.AWS_LAMBDA_FUNCTION_NAME,
  });
}
