import { Duration, Stack } from 'aws-cdk-lib';
import { Match } from 'aws-cdk-lib/assertions';
import { Bucket } from 'aws-cdk-lib/aws-s3';
import { EmailSubscription } from 'aws-cdk-lib/aws-sns-subscriptions';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { defineTapeline, webhook } from '../../core/config.ts';
import { signalEventType as publishedType } from '../../adapters/bus/signal-event.ts';
import { ofType, removeFolders, type Resource, statementsOf, synthesise, synthesisePipeline, type Synthesised } from './synth.ts';

let stack: Synthesised;
let emulated: Synthesised;
/** With all that a config can ask for, and the other history. */
let full: Synthesised;

beforeAll(() => {
  stack = synthesisePipeline();
  emulated = synthesisePipeline({ emulator: true });
  const deliver = [webhook({ url: 'https://example.com/hooks' })];
  full = synthesisePipeline({ config: defineTapeline({ calendar: 'us-equities', deliver }), history: 'timestream' });
});
afterAll(removeFolders);

describe('the pipeline stack', () => {
  it('has no finding of cdk-nag left, for AWS and for the emulator', () => {
    expect(stack.findings).toEqual([]);
    expect(emulated.findings).toEqual([]);
    expect(full.findings).toEqual([]);
  });

  it('would have one for a bucket that is open to plain HTTP', () => {
    const { findings } = synthesise((app) => {
      const stack = new Stack(app, 'Open');
      new Bucket(stack, 'Bucket');
      return stack;
    });
    expect(findings).toEqual(['AwsSolutions-S1 Open/Bucket/Resource', 'AwsSolutions-S10 Open/Bucket/Resource']);
  });

  it('allows no action by a wildcard', () => {
    for (const { resources } of [stack, full]) {
      const actions = statementsOf(resources).flatMap(({ Action }) => Action);
      expect(actions.length).toBeGreaterThan(20);
      expect(actions.filter((action) => action.includes('*'))).toEqual([]);
    }
  });

  it('allows actions on every resource only where the service knows none', () => {
    const everywhere = ({ resources }: Synthesised) => statementsOf(resources).filter(({ Resource }) => Resource.includes('*'));
    const actionsOf = (stack: Synthesised) => [...new Set(everywhere(stack).flatMap(({ Action }) => Action))].sort();
    const always = ['dynamodb:ListStreams', 'xray:PutTelemetryRecords', 'xray:PutTraceSegments'];
    expect(actionsOf(stack)).toEqual(always);
    expect(actionsOf(full)).toEqual([...always, 'timestream:DescribeEndpoints'].sort());
  });

  it('has a reason in writing for each resource that it names by a wildcard', () => {
    for (const { resources, acknowledged } of [stack, full]) {
      const reasonsOf = (finding: string) => acknowledged.filter(({ id }) => id.endsWith(finding)).map(({ reason }) => reason);
      for (const { Action, Resource } of statementsOf(resources)) {
        for (const arn of Resource.map((resource) => JSON.stringify(resource)).filter((text) => text.includes('*'))) {
          // Of an object in a bucket: {"Fn::Join":["",[{"Fn::GetAtt":["BUCKET","Arn"]},"/KEYS"]]}
          const [, bucket, keys] = /"Fn::GetAtt":\["(\w+)","Arn"\]\},"(\/[^"]*\*)"/.exec(arn) ?? [];
          const reasons = reasonsOf(bucket === undefined ? 'IAM5[Resource::*]' : `IAM5[Resource::<${bucket}.Arn>${keys}]`);
          const services = new Set(Action.map((action) => action.split(':')[0] as string));
          const wanted = bucket === undefined ? [...services] : [''];
          for (const service of wanted) expect(reasons.map((reason) => reason.toLowerCase().replace('-', '')).join()).toContain(service);
          for (const reason of reasons) expect(reason.length).toBeGreaterThan(20);
          expect(reasons.length, arn).toBeGreaterThan(0);
        }
      }
    }
  });

  it('lets others in by no wildcard either: not by action, and nobody but services of AWS and its own account', () => {
    const types = ['AWS::KMS::Key', 'AWS::S3::BucketPolicy', 'AWS::SNS::TopicPolicy', 'AWS::SQS::QueuePolicy'];
    const allowed = [...stack.resources, ...full.resources]
      .filter(({ Type }) => types.includes(Type))
      .flatMap(({ Properties }) => (Properties.PolicyDocument ?? Properties.KeyPolicy).Statement)
      .filter(({ Effect }) => Effect === 'Allow')
      // Who administers the account administers the key, or nobody could.
      .filter(({ Action }) => Action !== 'kms:*');
    expect(allowed.length).toBeGreaterThan(5);
    expect(allowed.flatMap(({ Action }) => Action).filter((action) => action.includes('*'))).toEqual([]);
    for (const { Principal } of allowed) expect(Principal).toEqual({ Service: expect.stringMatching(/^[a-z0-9.]+[.]amazonaws[.]com$/) });
  });

  it('marks all that takes a tag', () => {
    const types = ['DynamoDB::Table', 'KMS::Key', 'Kinesis::Stream', 'Lambda::Function', 'S3::Bucket', 'SNS::Topic', 'SQS::Queue'];
    for (const type of types) {
      const tagged = ofType(full.resources, `AWS::${type}`);
      expect(tagged.length).toBeGreaterThan(0);
      for (const { Properties } of tagged) expect(Properties.Tags).toContainEqual({ Key: 'application', Value: 'tapeline' });
    }
  });

  it('takes no concurrency from the account unless it is told to', () => {
    for (const { Properties } of ofType(stack.resources, 'AWS::Lambda::Function'))
      expect(Properties.ReservedConcurrentExecutions).toBeUndefined();
  });

  it('has no secret in the environment of a function', () => {
    const variables = ofType(stack.resources, 'AWS::Lambda::Function').flatMap(({ Properties }) =>
      Object.entries(Properties.Environment.Variables as Record<string, unknown>),
    );
    expect(
      variables.filter(([name, value]) => /SECRET|PASSWORD|TOKEN/i.test(name) || /whsec_|BEGIN [A-Z ]*KEY/.test(JSON.stringify(value))),
    ).toEqual([]);
  });

  it.each([
    'AWS::DynamoDB::Table',
    'AWS::Events::Archive',
    'AWS::KMS::Key',
    'AWS::Kinesis::Stream',
    'AWS::Logs::LogGroup',
    'AWS::S3::Bucket',
    'AWS::SQS::Queue',
    'AWS::SecretsManager::Secret',
    'AWS::Timestream::Database',
    'AWS::Timestream::Table',
  ])('keeps every %s when the stack goes, but not what a first deployment made that fails', (type) => {
    // The queue of deliveries is empty as soon as they are taken on.
    const holdsData = ({ Properties }: Resource) => Properties?.RedrivePolicy === undefined;
    const kept = ofType([...stack.resources, ...full.resources], type).filter(holdsData);
    expect(kept.length).toBeGreaterThan(0);
    for (const { DeletionPolicy, UpdateReplacePolicy } of kept)
      expect([DeletionPolicy, UpdateReplacePolicy]).toEqual(['RetainExceptOnCreate', 'Retain']);
  });

  it('names nothing that stays: a stack of the same name makes it again beside it', () => {
    const kept = [...stack.resources, ...full.resources].filter(({ DeletionPolicy }) => DeletionPolicy?.startsWith('Retain'));
    const fixed = kept.flatMap(({ Type, Properties = {} }) =>
      Object.entries(Properties)
        .filter(
          ([property, value]) =>
            /^((Archive|Bucket|Database|LogGroup|Queue|Stream|Table)?Name|Alias)$/.test(property) && typeof value === 'string',
        )
        .map(([property, value]) => `${Type} ${property} ${value}`),
    );
    // Within a database whose name is made up.
    expect(fixed.sort()).toEqual(
      ['bars', 'late', 'quarantine', 'signals', 'trades'].map((name) => `AWS::Timestream::Table TableName ${name}`),
    );
  });

  it('has no custom resource, and no function beside its own three', () => {
    expect(stack.resources.filter(({ Type }) => Type.startsWith('Custom::') || Type === 'AWS::CloudFormation::CustomResource')).toEqual([]);
    stack.template.resourceCountIs('AWS::Lambda::Function', 3);
  });

  it('closes every bucket to the public, encrypts it and refuses what is not TLS', () => {
    const buckets = ofType(stack.resources, 'AWS::S3::Bucket');
    expect(buckets).toHaveLength(4);
    for (const { Properties } of buckets) {
      expect(Object.values(Properties.PublicAccessBlockConfiguration)).toEqual([true, true, true, true]);
      expect(Properties.BucketEncryption).toBeDefined();
    }
    stack.template.resourcePropertiesCountIs('AWS::S3::BucketPolicy', denyOf({ Bool: { 'aws:SecureTransport': 'false' } }), 4);
    stack.template.resourcePropertiesCountIs('AWS::S3::BucketPolicy', denyOf({ NumericLessThan: { 's3:TlsVersion': 1.2 } }), 4);
  });

  it('encrypts tape, table, topic, queue and delivery with its one key, which is rotated', () => {
    const keyArn = { 'Fn::GetAtt': [Match.stringLikeRegexp('^Key'), 'Arn'] };
    stack.template.resourceCountIs('AWS::KMS::Key', 1);
    stack.template.hasResourceProperties('AWS::KMS::Key', { EnableKeyRotation: true });
    stack.template.hasResourceProperties('AWS::Kinesis::Stream', { StreamEncryption: { EncryptionType: 'KMS', KeyId: keyArn } });
    stack.template.hasResourceProperties('AWS::DynamoDB::Table', { SSESpecification: { SSEEnabled: true, KMSMasterKeyId: keyArn } });
    stack.template.allResourcesProperties('AWS::SNS::Topic', { KmsMasterKeyId: keyArn });
    stack.template.allResourcesProperties('AWS::SQS::Queue', { KmsMasterKeyId: keyArn });
    const deliveries = ofType(stack.resources, 'AWS::KinesisFirehose::DeliveryStream').map(({ Properties }) => Properties);
    for (const { DeliveryStreamType, DeliveryStreamEncryptionConfigurationInput, ExtendedS3DestinationConfiguration } of deliveries) {
      // What reads the tape has nothing at rest.
      if (DeliveryStreamType === 'DirectPut') expect(DeliveryStreamEncryptionConfigurationInput?.KeyType).toBe('CUSTOMER_MANAGED_CMK');
      expect(ExtendedS3DestinationConfiguration.EncryptionConfiguration.KMSEncryptionConfig).toBeDefined();
    }
  });

  it('lets EventBridge use the key: without that, nothing reaches an encrypted topic', () => {
    stack.template.hasResourceProperties('AWS::KMS::Key', {
      KeyPolicy: {
        Statement: Match.arrayWith([
          Match.objectLike({
            Effect: 'Allow',
            Principal: { Service: 'events.amazonaws.com' },
            Action: Match.arrayWith(['kms:Decrypt']),
          }),
        ]),
      },
    });
  });

  it('lets EventBridge publish, and do nothing else, to one topic each: AWS takes no condition on it', () => {
    const byEventBridge = ofType(stack.resources, 'AWS::SNS::TopicPolicy').map(({ Properties: { PolicyDocument, Topics } }) => ({
      topics: Topics as unknown[],
      statements: PolicyDocument.Statement.filter(
        ({ Principal }: { Principal: { Service?: string } }) => Principal.Service === 'events.amazonaws.com',
      ),
    }));
    expect(byEventBridge).toHaveLength(2);
    for (const { topics, statements } of byEventBridge)
      expect(statements).toEqual([
        {
          Sid: expect.anything(),
          Effect: 'Allow',
          Principal: { Service: 'events.amazonaws.com' },
          Action: 'sns:Publish',
          Resource: topics[0],
        },
      ]);
  });

  it('tells a person what it has made', () => {
    const outputs = Object.keys(stack.template.findOutputs('*'));
    expect(outputs.sort()).toEqual([
      'AlarmTopicArn',
      'CheckpointTable',
      'DashboardUrl',
      'HistoryBucket',
      'HistoryDatabase',
      'HistoryWorkGroup',
      'QuarantineBucket',
      'SignalBusName',
      'SignalTopicArn',
      'StateBucket',
      'TapeStream',
    ]);
  });

  it('leaves out for the emulator what it lacks, and nothing else', () => {
    const missing = /^AWS::(Glue|Athena|CloudWatch|Pipes|Timestream)::|^AWS::Events::Archive$|^Custom::/;
    const resourcesOf = ({ template }: Synthesised) => Object.entries(template.toJSON()['Resources'] as Record<string, Resource>);
    const idsOf = (resources: readonly [string, Resource][]) => resources.map(([id]) => id).sort();
    // Alarms and what they tell, and a Firehose that reads a stream.
    const isLeft = (id: string) => !/^(Observability|HistoryTra(des|nsform))/.test(id);
    const left = resourcesOf(stack).filter(([id, { Type }]) => !missing.test(Type) && isLeft(id));
    expect(idsOf(resourcesOf(emulated))).toEqual(idsOf(left));
    expect(stack.resources.some(({ Type }) => missing.test(Type))).toBe(true);
    for (const { DeletionPolicy } of ofType(emulated.resources, 'AWS::Kinesis::Stream')) expect(DeletionPolicy).toBe('Delete');
  });

  it('does without a history', () => {
    const { resources, findings } = synthesisePipeline({ history: 'none' });
    expect(findings).toEqual([]);
    expect(ofType(resources, 'AWS::KinesisFirehose::DeliveryStream')).toEqual([]);
    const names = ofType(resources, 'AWS::Lambda::Function').flatMap(({ Properties }) => Object.keys(Properties.Environment.Variables));
    expect(names).not.toContain('BARS_STREAM');
  });

  it('gives the tape the shards and the retention that it is told', () => {
    const { template } = synthesisePipeline({ shardCount: 'on-demand', tapeRetention: Duration.days(7) });
    template.hasResourceProperties('AWS::Kinesis::Stream', {
      StreamModeDetails: { StreamMode: 'ON_DEMAND' },
      ShardCount: Match.absent(),
      RetentionPeriodHours: 168,
    });
    template.hasResourceProperties('AWS::Lambda::EventSourceMapping', {
      TumblingWindowInSeconds: 300,
      MaximumRecordAgeInSeconds: 167 * 3600,
    });
  });
});

describe('the functions', () => {
  it('run on Node 24 and arm64, with source maps and logs that end', () => {
    stack.template.allResourcesProperties('AWS::Lambda::Function', {
      Runtime: 'nodejs24.x',
      Architectures: ['arm64'],
      LoggingConfig: { LogGroup: Match.anyValue() },
      Environment: {
        Variables: Match.objectLike({
          NODE_OPTIONS: Match.stringLikeRegexp('--enable-source-maps'),
          POWERTOOLS_METRICS_NAMESPACE: 'Tapeline',
        }),
      },
    });
    stack.template.allResourcesProperties('AWS::Logs::LogGroup', { RetentionInDays: 30 });
  });

  it('are traced, but for the one whose invocations come every second: its traces would cost more than it does', () => {
    const modes = ofType(stack.resources, 'AWS::Lambda::Function').map(({ Properties }) => [
      Properties.Description,
      Properties.TracingConfig?.Mode,
      Properties.Environment.Variables.POWERTOOLS_TRACE_ENABLED,
    ]);
    expect(modes).toContainEqual(['Folds the tape into bars and signals', undefined, 'false']);
    expect(modes).toContainEqual(['Publishes the signals of the outbox', 'Active', undefined]);
  });

  it('keeps the states that a table names which is restored to any moment of the tape', () => {
    stack.template.hasResourceProperties('AWS::S3::Bucket', {
      VersioningConfiguration: { Status: 'Enabled' },
      LifecycleConfiguration: {
        Rules: Match.arrayWith([
          Match.objectLike({ NoncurrentVersionExpiration: { NoncurrentDays: 1, NewerNoncurrentVersions: 10 }, Status: 'Enabled' }),
        ]),
      },
    });
  });

  it('reads the tape in order, keeps no batch back and loses none', () => {
    stack.template.hasResourceProperties('AWS::Lambda::EventSourceMapping', {
      EventSourceArn: { 'Fn::GetAtt': [Match.stringLikeRegexp('^TapeStream'), 'Arn'] },
      TumblingWindowInSeconds: 300,
      ParallelizationFactor: 1,
      BisectBatchOnFunctionError: false,
      StartingPosition: 'TRIM_HORIZON',
      // Until the tape forgets: an hour less than its 24.
      MaximumRetryAttempts: Match.absent(),
      MaximumRecordAgeInSeconds: 23 * 3600,
      FunctionResponseTypes: Match.absent(),
      DestinationConfig: { OnFailure: { Destination: { 'Fn::GetAtt': [Match.stringLikeRegexp('^SignalConsumerQuarantine'), 'Arn'] } } },
    });
  });

  it('puts batches that were given up only into a bucket of this account', () => {
    const guarded = statementsOf(stack.resources).filter(
      ({ Action }) => Action.includes('s3:ListBucket') && Action.includes('s3:PutObject'),
    );
    expect(guarded).toHaveLength(2);
    for (const { Condition } of guarded) {
      expect(Condition).toEqual({ StringEquals: { 's3:ResourceAccount': { Ref: 'AWS::AccountId' } } });
    }
  });

  it('publishes from inserts into the outbox of its generation, and from nothing else in the table', () => {
    const [mapping] = ofType(stack.resources, 'AWS::Lambda::EventSourceMapping').filter(({ Properties }) => Properties.FilterCriteria) as [
      Resource,
    ];
    expect(mapping.Properties).toMatchObject({
      BatchSize: 100,
      ParallelizationFactor: 1,
      BisectBatchOnFunctionError: false,
      FunctionResponseTypes: ['ReportBatchItemFailures'],
      MaximumRecordAgeInSeconds: 23 * 3600,
      StartingPosition: 'TRIM_HORIZON',
    });
    const [filter] = mapping.Properties.FilterCriteria.Filters;
    expect(JSON.parse(filter.Pattern)).toEqual({
      eventName: ['INSERT', 'MODIFY'],
      dynamodb: { Keys: { pk: { S: [{ prefix: 'outbox#1#' }] } } },
    });
  });

  it('keeps checkpoints in a table with a stream of new images, a time to live and recovery to a point in time', () => {
    stack.template.hasResourceProperties('AWS::DynamoDB::Table', {
      KeySchema: [
        { AttributeName: 'pk', KeyType: 'HASH' },
        { AttributeName: 'sk', KeyType: 'RANGE' },
      ],
      BillingMode: 'PAY_PER_REQUEST',
      StreamSpecification: { StreamViewType: 'NEW_IMAGE' },
      TimeToLiveSpecification: { AttributeName: 'expiresAtSec', Enabled: true },
      PointInTimeRecoverySpecification: { PointInTimeRecoveryEnabled: true },
    });
  });
});

describe('delivery', () => {
  it('subscribes whom the config names, each with its filter on the message, and whom it is told', () => {
    const queueArn = 'arn:aws:sqs:eu-central-1:123456789012:fund';
    const config = defineTapeline({
      subscribe: [
        { email: 'desk@example.com' },
        { url: 'https://example.com/signals', intervals: ['60s'], confidenceMin: 0.5 },
        { queueArn, symbols: ['IBM'], strategies: ['ema-cross'], sides: ['buy'] },
      ],
    });
    const { resources, findings } = synthesisePipeline({ config, subscriptions: [new EmailSubscription('fund@example.com')] });
    expect(findings).toEqual([]);
    const TopicArn = { Ref: expect.stringMatching(/^SignalTopic/) };
    expect(ofType(resources, 'AWS::SNS::Subscription').map(({ Properties }) => Properties)).toEqual([
      { TopicArn, Protocol: 'email', Endpoint: 'desk@example.com' },
      {
        TopicArn,
        Protocol: 'https',
        Endpoint: 'https://example.com/signals',
        FilterPolicyScope: 'MessageBody',
        FilterPolicy: { interval: ['1m'], data: { confidence: [{ numeric: ['>=', 0.5] }] } },
      },
      {
        TopicArn,
        Protocol: 'sqs',
        Endpoint: queueArn,
        RawMessageDelivery: true,
        FilterPolicyScope: 'MessageBody',
        FilterPolicy: { data: { symbol: ['IBM'], strategy: ['ema-cross'], side: ['buy'] } },
      },
      { TopicArn, Protocol: 'email', Endpoint: 'fund@example.com' },
    ]);
  });

  it('archives and routes what the publisher puts on the bus', () => {
    const pattern = { source: ['tapeline'], 'detail-type': [publishedType] };
    stack.template.hasResourceProperties('AWS::Events::Archive', { EventPattern: pattern, RetentionDays: 30 });
    stack.template.hasResourceProperties('AWS::Events::Rule', {
      EventPattern: pattern,
      State: 'ENABLED',
      Targets: [
        Match.objectLike({
          Arn: { Ref: Match.stringLikeRegexp('^SignalTopic') },
          InputPath: '$.detail',
          RetryPolicy: { MaximumEventAgeInSeconds: 86_400, MaximumRetryAttempts: 185 },
          DeadLetterConfig: { Arn: { 'Fn::GetAtt': [Match.stringLikeRegexp('^SignalTopicUndelivered'), 'Arn'] } },
        }),
      ],
    });
    const variables = ofType(stack.resources, 'AWS::Lambda::Function').map(({ Properties }) => Properties.Environment.Variables);
    expect(variables.find(({ BUS_NAME }) => BUS_NAME)?.BUS_SOURCE).toBe('tapeline');
  });
});

function denyOf(condition: object): object {
  return { PolicyDocument: { Statement: Match.arrayWith([Match.objectLike({ Effect: 'Deny', Condition: condition })]) } };
}
