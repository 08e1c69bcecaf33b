import { execFile } from 'node:child_process';
import { statSync } from 'node:fs';
import { promisify } from 'node:util';
import { Match } from 'aws-cdk-lib/assertions';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { makeDeliveryTable } from '../aws/table.ts';
import { command, defineTapeline, slack, sqs, webhook } from '../../core/config.ts';
import { bundlesOf, ofType, removeFolders, statementsOf, type Synthesised, synthesisePipeline } from './synth.ts';

const config = defineTapeline({ deliver: [webhook({ url: 'https://example.com/hooks' }), slack({ name: 'alerts' })] });
let stack: Synthesised;

beforeAll(() => {
  stack = synthesisePipeline({ config });
});
afterAll(removeFolders);

describe('a stack that delivers', () => {
  it('has no finding of cdk-nag left, for AWS and for the emulator', () => {
    expect(stack.findings).toEqual([]);
    expect(synthesisePipeline({ config, emulator: true }).findings).toEqual([]);
  });

  it('allows the function what it needs, by name, on its own table, secret and queue', () => {
    const handler = statementsOf(
      stack.resources.filter(({ Properties }) => JSON.stringify(Properties?.Roles ?? '').includes('WebhooksHandler')),
    );
    const actions = handler.flatMap(({ Action }) => Action);
    expect(actions.filter((action) => action.includes('*'))).toEqual([]);
    expect(actions.filter((action) => /^(dynamodb|secretsmanager|events|lambda):/.test(action)).toSorted()).toEqual([
      'dynamodb:DeleteItem',
      'dynamodb:GetItem',
      'dynamodb:PutItem',
      'dynamodb:Query',
      'dynamodb:Query',
      'dynamodb:UpdateItem',
      'events:PutEvents',
      'lambda:InvokeFunction',
      'secretsmanager:GetSecretValue',
    ]);
    const everywhere = handler.filter(({ Resource }) => Resource.includes('*')).flatMap(({ Action }) => Action);
    expect(everywhere.every((action) => action.startsWith('xray:'))).toBe(true);
  });

  it('may send to the queues of the config by name, and to no other', () => {
    const queueArns = ['a', 'b.fifo'].map((name) => `arn:aws:sqs:eu-central-1:123456789012:${name}`);
    const ours = defineTapeline({ deliver: queueArns.map((queueArn) => sqs({ queueArn })) });
    const { resources, findings } = synthesisePipeline({ config: ours });
    const sending = statementsOf(resources).filter(({ Action }) => Action.includes('sqs:SendMessage'));
    expect([sending.map(({ Resource }) => Resource), findings]).toEqual([[queueArns], []]);
  });

  it('takes signals from the bus to a queue, what cannot be taken on to another, and sweeps each minute', () => {
    stack.template.hasResourceProperties('AWS::Events::Rule', {
      EventPattern: { source: ['tapeline'], 'detail-type': ['tapeline.signal.v1'] },
      Targets: [
        Match.objectLike({
          Arn: { 'Fn::GetAtt': [Match.stringLikeRegexp('^WebhooksQueue'), 'Arn'] },
          InputPath: '$.detail',
          DeadLetterConfig: { Arn: { 'Fn::GetAtt': [Match.stringLikeRegexp('^WebhooksUndelivered'), 'Arn'] } },
        }),
      ],
    });
    stack.template.hasResourceProperties('AWS::SQS::Queue', {
      VisibilityTimeout: 360,
      KmsMasterKeyId: Match.anyValue(),
      RedrivePolicy: {
        maxReceiveCount: 5,
        deadLetterTargetArn: { 'Fn::GetAtt': [Match.stringLikeRegexp('^WebhooksUndelivered'), 'Arn'] },
      },
    });
    stack.template.hasResourceProperties('AWS::Lambda::EventSourceMapping', {
      EventSourceArn: { 'Fn::GetAtt': [Match.stringLikeRegexp('^WebhooksQueue'), 'Arn'] },
      FunctionResponseTypes: ['ReportBatchItemFailures'],
      ScalingConfig: { MaximumConcurrency: 10 },
    });
    stack.template.hasResourceProperties('AWS::Events::Rule', {
      ScheduleExpression: 'rate(1 minute)',
      Targets: [Match.objectLike({ Input: '{"sweep":true}' })],
    });
  });

  it('lets the function call itself, and nobody else, in a chain without an end; what fails so is left to the sweep', () => {
    const [handlerId] = Object.keys(stack.template.findResources('AWS::Lambda::Function', { Properties: { RecursiveLoop: 'Allow' } }));
    expect(handlerId).toMatch(/^WebhooksHandler/);
    stack.template.hasResourceProperties('AWS::Lambda::EventInvokeConfig', {
      FunctionName: { Ref: handlerId },
      MaximumRetryAttempts: 0,
      MaximumEventAgeInSeconds: 60,
    });
    const called = JSON.stringify({ 'Fn::GetAtt': [handlerId, 'Arn'] });
    const calling = ofType(stack.resources, 'AWS::IAM::Policy').filter(({ Properties }) =>
      JSON.stringify(Properties.PolicyDocument).includes(called),
    );
    const Statement = [{ Action: 'lambda:InvokeFunction', Effect: 'Allow', Resource: { 'Fn::GetAtt': [handlerId, 'Arn'] } }];
    expect(calling.map(({ Properties }) => Properties)).toMatchObject([
      { PolicyDocument: { Statement }, Roles: [{ Ref: expect.stringMatching(/^WebhooksHandlerRole/) }] },
    ]);
  });

  it('lets nobody but that rule of the bus send to the queue', () => {
    const policies = ofType(stack.resources, 'AWS::SQS::QueuePolicy').filter(({ Properties }) =>
      JSON.stringify(Properties.Queues).includes('WebhooksQueue'),
    );
    const allowed = policies.flatMap(({ Properties }) =>
      Properties.PolicyDocument.Statement.filter(({ Effect }: { Effect: string }) => Effect === 'Allow'),
    );
    expect(allowed).toMatchObject([
      { Action: 'sqs:SendMessage', Principal: { Service: 'events.amazonaws.com' }, Condition: { ArnEquals: { 'aws:SourceArn': {} } } },
    ]);
  });

  it('makes the table that the tests of the store use', async () => {
    const made: Record<string, unknown>[] = [];
    const client = { send: async ({ input }: { input: Record<string, unknown> }) => made.push(input) };
    await makeDeliveryTable(client as never, 'deliveries');
    const { AttributeDefinitions, KeySchema, LocalSecondaryIndexes, BillingMode } = made[0] ?? {};
    stack.template.hasResourceProperties('AWS::DynamoDB::Table', {
      AttributeDefinitions,
      KeySchema,
      LocalSecondaryIndexes,
      BillingMode,
      TimeToLiveSpecification: { AttributeName: 'expiresAtSec', Enabled: true },
      PointInTimeRecoverySpecification: { PointInTimeRecoveryEnabled: true },
    });
  });

  it('keeps no secret in the template', () => {
    const [secret] = ofType(stack.resources, 'AWS::SecretsManager::Secret');
    expect(secret?.Properties).toMatchObject({ SecretString: '{}', KmsKeyId: {} });
    expect(secret?.DeletionPolicy).toBe('RetainExceptOnCreate');
  });

  it('has nothing of this where the config delivers to nobody, or only to commands of a machine', () => {
    for (const deliver of [[], [command({ name: 'bell', command: ['notify-send'] })]]) {
      const { resources } = synthesisePipeline({ config: defineTapeline({ deliver }) }, { checks: false });
      expect(ofType(resources, 'AWS::SecretsManager::Secret')).toEqual([]);
    }
  });
});

describe('the bundle of deliver', () => {
  it('is below 500 KB, and says by itself which variables it lacks', async () => {
    const bundle = bundlesOf(synthesisePipeline({ config }, { bundles: true, checks: false })).get('deliver') as string;
    expect(statSync(bundle).size).toBeLessThan(500_000);
    const code = `await import(${JSON.stringify(bundle)})`;
    await expect(promisify(execFile)(process.execPath, ['--input-type=module', '-e', code], { env: {} })).rejects.toThrow(
      'the function needs the environment variables DELIVERY_TABLE, SECRET_ID, BUS_NAME, BUS_SOURCE, SIGNAL_SOURCE, received none',
    );
  });
});
