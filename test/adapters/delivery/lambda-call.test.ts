import { AwsV4Signer } from 'aws4fetch';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { LambdaCall } from '../../../adapters/delivery/lambda-call.ts';
import { type Answer, HttpService, type Request } from '../../http-service.ts';

class FakeLambda extends HttpService {
  requests: Request[] = [];
  answers: Answer[] = [];

  protected override answerTo(request: Request): Answer {
    this.requests.push(request);
    return this.answers.shift() ?? { status: 202 };
  }
}

let lambda: FakeLambda;
beforeAll(async () => {
  lambda = await FakeLambda.start();
});
beforeEach(() => {
  lambda.requests = [];
  lambda.answers = [];
});
afterAll(() => lambda.stop());

const credentials = { accessKeyId: 'AKIDEXAMPLE', secretAccessKey: 'secret' };

function callTo(more: Partial<ConstructorParameters<typeof LambdaCall>[0]> = {}): LambdaCall {
  const { endpoint: url } = lambda;
  return new LambdaCall({ url, region: 'eu-central-1', credentials, functionName: 'Deliver-1_a', wait: async () => {}, ...more });
}

describe('a call of a function', () => {
  it.each([{}, { sessionToken: 'token/+=' }])('gives the event over and waits for nothing, signed: %j', async (more) => {
    await callTo({ credentials: { ...credentials, ...more } }).call({ endpoint: 'Büro 1' });
    const [{ method, url, headers, body } = {} as Request] = lambda.requests;
    expect([method, url, headers['x-amz-invocation-type'], JSON.parse(String(body))]).toEqual([
      'POST',
      '/2015-03-31/functions/Deliver-1_a/invocations',
      'Event',
      { endpoint: 'Büro 1' },
    ]);
    const signer = new AwsV4Signer({
      ...credentials,
      ...more,
      service: 'lambda',
      region: 'eu-central-1',
      method: 'POST',
      url: lambda.endpoint + url,
      datetime: String(headers['x-amz-date']),
      headers: { 'x-amz-invocation-type': 'Event' },
      body: String(body),
    });
    expect(headers.authorization).toBe(await signer.authHeader());
  });

  it('is tried again where Lambda is only busy, or out of reach', async () => {
    lambda.answers = [{ status: 429 }, 'cut'];
    await callTo().call({ endpoint: 'a' });
    expect(lambda.requests).toHaveLength(3);
  });

  it('ends after three attempts, and at once where it is refused', async () => {
    lambda.answers = [{ status: 500 }, { status: 503 }, { status: 429, body: 'Rate exceeded' }];
    await expect(callTo().call({})).rejects.toMatchObject({
      code: 'call-refused',
      retryable: true,
      message: 'the function "Deliver-1_a" was not called in 3 attempts (429 Rate exceeded)',
    });
    lambda.requests = [];
    lambda.answers = [{ status: 403 }];
    await expect(callTo().call({})).rejects.toMatchObject({ code: 'call-refused', retryable: false });
    expect(lambda.requests).toHaveLength(1);
  });
});
