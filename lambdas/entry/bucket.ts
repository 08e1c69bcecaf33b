import { S3Bucket } from '../../adapters/s3/bucket.ts';
import { readEnvironment } from './environment.ts';

/** The bucket of `NAME_BUCKET` and `NAME_DOMAIN`, with the function's own credentials: they live as long as the container. */
export function readBucket(name: string): S3Bucket {
  const environment = readEnvironment([`${name}_BUCKET`, `${name}_DOMAIN`, 'AWS_REGION', 'AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY']);
  const sessionToken = process.env['AWS_SESSION_TOKEN'];
  return new S3Bucket({
    url: urlOf(environment[`${name}_BUCKET`] as string, environment[`${name}_DOMAIN`] as string),
    region: environment.AWS_REGION,
    credentials: {
      accessKeyId: environment.AWS_ACCESS_KEY_ID,
      secretAccessKey: environment.AWS_SECRET_ACCESS_KEY,
      ...(sessionToken && { sessionToken }),
    },
  });
}

/** An emulator is told to all clients by these variables, and has the bucket in the path. */
function urlOf(bucketName: string, domain: string): string {
  const endpoint = process.env['AWS_ENDPOINT_URL_S3'] ?? process.env['AWS_ENDPOINT_URL'];
  return endpoint === undefined ? `https://${domain}` : `${endpoint}/${bucketName}`;
}
