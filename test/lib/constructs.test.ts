import { Duration, RemovalPolicy, type Stack } from 'aws-cdk-lib';
import { Match } from 'aws-cdk-lib/assertions';
import { AttributeType, type ITable, StreamViewType, Table } from 'aws-cdk-lib/aws-dynamodb';
import { EventBus, type IEventBus } from 'aws-cdk-lib/aws-events';
import { Role, ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import { Stream } from 'aws-cdk-lib/aws-kinesis';
import { Key } from 'aws-cdk-lib/aws-kms';
import type { IBucket } from 'aws-cdk-lib/aws-s3';
import { SqsSubscription } from 'aws-cdk-lib/aws-sns-subscriptions';
import { Queue } from 'aws-cdk-lib/aws-sqs';
import { afterAll, describe, expect, it } from 'vitest';
import { acknowledge } from '../../lib/acknowledge.ts';
import { AlarmTopic } from '../../lib/alarm-topic.ts';
import { makeDataBucket } from '../../lib/data-bucket.ts';
import { DataKey } from '../../lib/data-key.ts';
import { History } from '../../lib/history.ts';
import { TimestreamHistory } from '../../lib/history-timestream.ts';
import * as constructs from '../../lib/index.ts';
import { Observability } from '../../lib/observability.ts';
import { SessionClock } from '../../lib/session-clock.ts';
import { SignalBus } from '../../lib/signal-bus.ts';
import { SignalConsumer } from '../../lib/signal-consumer.ts';
import type { SignalFilter } from '../../core/subscribers.ts';
import { SignalTopic } from '../../lib/signal-topic.ts';
import { type ReadTape, Tape } from '../../lib/tape.ts';
import { Webhooks } from '../../lib/webhooks.ts';
import { alone, ofType, removeFolders, type Resource, statementsOf } from './synth.ts';

afterAll(removeFolders);

describe('a tape alone', () => {
  it('has two shards, a day of retention and a key of its own, and stays when the stack goes', () => {
    const { template } = alone((stack) => new Tape(stack, 'Tape'));
    template.hasResource('AWS::Kinesis::Stream', {
      Properties: { ShardCount: 2, RetentionPeriodHours: 24 },
      DeletionPolicy: 'RetainExceptOnCreate',
    });
    template.resourceCountIs('AWS::KMS::Key', 1);
  });

  it('lets a feed write and a replay read, and no more', () => {
    const { resources } = alone((stack) => {
      const tape = new Tape(stack, 'Tape');
      tape.grantWrite(new Role(stack, 'Feed', { assumedBy: new ServicePrincipal('ecs-tasks.amazonaws.com') }));
      tape.grantRead(new Role(stack, 'Replay', { assumedBy: new ServicePrincipal('ecs-tasks.amazonaws.com') }));
    });
    const [feed, replay] = ofType(resources, 'AWS::IAM::Policy').map((policy) => statementsOf([policy]).flatMap(({ Action }) => Action));
    expect(feed).toContain('kinesis:PutRecords');
    expect(feed).not.toContain('kinesis:GetRecords');
    expect(replay).toContain('kinesis:GetRecords');
    expect(replay?.filter((action) => action.includes('Put') || action.includes('Generate'))).toEqual([]);
  });
});

describe('a signal consumer alone', () => {
  it('goes by its own settings, reads with a throughput of its own, and needs no history', () => {
    const { template } = alone((stack) => {
      const tape = new Tape(stack, 'Tape', { retention: Duration.days(365) });
      new SignalConsumer(stack, 'Consumer', {
        tape,
        tumblingWindow: Duration.seconds(15),
        hasEnhancedFanOut: true,
        memorySizeMb: 3008,
        reservedConcurrency: 4,
        removalPolicy: RemovalPolicy.DESTROY,
      });
    });
    template.hasResourceProperties('AWS::Lambda::Function', { MemorySize: 3008, ReservedConcurrentExecutions: 4 });
    template.resourceCountIs('AWS::Kinesis::StreamConsumer', 1);
    template.hasResourceProperties('AWS::Lambda::EventSourceMapping', {
      EventSourceArn: { 'Fn::GetAtt': [Match.stringLikeRegexp('FanOut'), 'ConsumerARN'] },
      TumblingWindowInSeconds: 15,
      // Lambda takes no more than seven days.
      MaximumRecordAgeInSeconds: 604_800,
    });
    template.hasResource('AWS::DynamoDB::Table', { DeletionPolicy: 'Delete' });
  });

  it('reads a stream that is there already, by its key, until that forgets', () => {
    const streamArn = 'arn:aws:kinesis:eu-central-1:123456789012:stream/trades';
    const keyArn = 'arn:aws:kms:eu-central-1:123456789012:key/1';
    const { template, resources } = alone((stack) => {
      const stream = Stream.fromStreamAttributes(stack, 'Trades', { streamArn, encryptionKey: Key.fromKeyArn(stack, 'TradesKey', keyArn) });
      const tape: ReadTape = { stream, retention: Duration.days(3) };
      new SignalConsumer(stack, 'Consumer', { tape, history: new History(stack, 'History', { tape }) });
    });
    template.resourceCountIs('AWS::Kinesis::Stream', 0);
    template.hasResourceProperties('AWS::Lambda::EventSourceMapping', { EventSourceArn: streamArn, MaximumRecordAgeInSeconds: 71 * 3600 });
    template.hasResourceProperties('AWS::KinesisFirehose::DeliveryStream', {
      KinesisStreamSourceConfiguration: Match.objectLike({ KinesisStreamARN: streamArn }),
    });
    const decrypting = statementsOf(resources).filter(
      ({ Action, Resource }) => Action.includes('kms:Decrypt') && Resource.includes(keyArn),
    );
    // The consumer, and the Firehose of the trades.
    expect(decrypting).toHaveLength(2);
  });

  it('may see that a state is missing, of its own bucket of states alone', () => {
    const { resources } = alone((stack) => new SignalConsumer(stack, 'Consumer', { tape: new Tape(stack, 'Tape') }));
    const listing = statementsOf(resources).filter(({ Action, Condition }) => Action.includes('s3:ListBucket') && !Condition);
    expect(listing.map(({ Action, Resource }) => [Action, Resource])).toEqual([
      [['s3:ListBucket'], [{ 'Fn::GetAtt': [expect.stringMatching(/^ConsumerStates/), 'Arn'] }]],
    ]);
  });

  it('names metrics by the service that emits them', () => {
    let metric: unknown;
    const { template } = alone((stack) => {
      const consumer = new SignalConsumer(stack, 'Consumer', { tape: new Tape(stack, 'Tape') });
      const { namespace, metricName, dimensions, statistic } = consumer.metric('watermarkLagMs');
      metric = { namespace, metricName, dimensions, statistic };
      expect(consumer.metric('trades').statistic).toBe('Sum');
    });
    expect(metric).toEqual({
      namespace: 'Tapeline',
      metricName: 'watermarkLagMs',
      dimensions: { service: 'Alone/Consumer/consume' },
      statistic: 'Maximum',
    });
    template.hasResourceProperties('AWS::Lambda::Function', {
      Environment: { Variables: Match.objectLike({ POWERTOOLS_SERVICE_NAME: 'Alone/Consumer/consume' }) },
    });
  });
});

describe('a signal bus alone', () => {
  it('publishes from any table with a stream, keeps failed batches in a bucket of its own, and archives unless told not to', () => {
    const { template } = alone((stack) => {
      new SignalBus(stack, 'Signals', { table: tableIn(stack), generation: 'g2', archiveRetention: 'none' });
    });
    template.resourceCountIs('AWS::S3::Bucket', 1);
    template.resourceCountIs('AWS::Events::Archive', 0);
    template.hasResourceProperties('AWS::Lambda::EventSourceMapping', {
      FilterCriteria: { Filters: [{ Pattern: Match.stringLikeRegexp('outbox#g2#') }] },
    });
  });
});

describe('every construct alone', () => {
  type Shared = { readonly accessLogBucket: IBucket };
  const readTape = (stack: Stack) => ({ tape: new Tape(stack, 'Tape') });
  const makers: Record<string, (stack: Stack, shared: Shared) => unknown> = {
    AlarmTopic: (stack) => new AlarmTopic(stack, 'Alarms', { encryptionKey: new DataKey(stack, 'Key') }),
    History: (stack, shared) => new History(stack, 'History', { ...shared, ...readTape(stack) }),
    Observability: (stack, shared) => {
      const watched = { ...readTape(stack), calendar: 'us-equities' } as const;
      const consumer = new SignalConsumer(stack, 'Consumer', { ...shared, ...watched });
      const signals = new SignalBus(stack, 'Bus', { ...shared, table: consumer.table, generation: '1' });
      const topic = new SignalTopic(stack, 'Topic', { bus: signals.bus });
      new Observability(stack, 'Observability', { ...watched, consumer, signals, topic });
    },
    SessionClock: (stack) => new SessionClock(stack, 'Clock', { calendar: 'us-equities' }),
    SignalBus: (stack, shared) => new SignalBus(stack, 'Bus', { ...shared, table: tableIn(stack), generation: '1' }),
    SignalConsumer: (stack, shared) => new SignalConsumer(stack, 'Consumer', { ...shared, ...readTape(stack) }),
    SignalTopic: (stack) => new SignalTopic(stack, 'Topic', { bus: new EventBus(stack, 'Bus') as IEventBus }),
    Tape: (stack) => new Tape(stack, 'Tape'),
    TimestreamHistory: (stack, shared) => new TimestreamHistory(stack, 'History', { ...shared, ...readTape(stack) }),
    Webhooks: (stack) => new Webhooks(stack, 'Webhooks', { bus: new EventBus(stack, 'Bus') as IEventBus }),
  };

  it('is one of the package', () => {
    expect(Object.keys(makers)).toEqual(
      Object.keys(constructs)
        .filter((name) => name !== 'PipelineStack')
        .sort(),
    );
  });

  it.each(Object.entries(makers))('%s has no finding of cdk-nag left, given a bucket for access logs', (_, make) => {
    const { findings } = alone(
      (stack) => {
        const accessLogBucket = makeDataBucket(stack, 'AccessLogs');
        acknowledge.finding(accessLogBucket, 'S1', 'it holds the access logs of the others');
        make(stack, { accessLogBucket });
      },
      { checks: true },
    );
    expect(findings).toEqual([]);
  });

  it('has the one that asks for access logs where it is given no such bucket', () => {
    const { findings } = alone((stack) => new SignalConsumer(stack, 'Consumer', readTape(stack)), { checks: true });
    expect(findings).toEqual(['States', 'Quarantine'].map((name) => `AwsSolutions-S1 Alone/Consumer/${name}/Resource`));
  });
});

describe('who looks into what went wrong', () => {
  it('reads states, quarantine and failures, and changes nothing', () => {
    const { resources } = alone((stack) => {
      const consumer = new SignalConsumer(stack, 'Consumer', { tape: new Tape(stack, 'Tape') });
      const signals = new SignalBus(stack, 'Signals', { table: consumer.table, generation: '1' });
      const operator = new Role(stack, 'Operator', { assumedBy: new ServicePrincipal('ec2.amazonaws.com') });
      consumer.grantReadCheckpoints(operator);
      consumer.grantReadQuarantine(operator);
      signals.grantReadFailures(operator);
    });
    const policy = ofType(resources, 'AWS::IAM::Policy').find(({ Properties }) =>
      JSON.stringify(Properties.Roles).includes('Operator'),
    ) as Resource;
    const actions = [...new Set(statementsOf([policy]).flatMap(({ Action }) => Action))].sort();
    expect(actions).toEqual([
      'dynamodb:DescribeTable',
      'dynamodb:GetItem',
      'dynamodb:Query',
      'dynamodb:Scan',
      'kms:Decrypt',
      'kms:DescribeKey',
      's3:GetBucketLocation',
      's3:GetObject',
      's3:GetObjectVersion',
      's3:ListBucket',
    ]);
    const objects = statementsOf([policy])
      .filter(({ Action }) => Action.includes('s3:GetObject'))
      .flatMap(({ Resource }) => Resource);
    expect(objects).toHaveLength(2);
  });
});

describe('a signal topic alone', () => {
  const makeTopic = (stack: Stack) => new SignalTopic(stack, 'Topic', { bus: new EventBus(stack, 'Bus') as IEventBus });

  it('refuses to be published to without TLS', () => {
    const { template } = alone(makeTopic);
    template.hasResourceProperties('AWS::SNS::TopicPolicy', {
      PolicyDocument: {
        Statement: Match.arrayWith([Match.objectLike({ Effect: 'Deny', Condition: { Bool: { 'aws:SecureTransport': 'false' } } })]),
      },
    });
  });

  it('filters subscriptions on the message, which is the event', () => {
    const { template } = alone((stack) => {
      const filterPolicyWithMessageBody = SignalTopic.filterOf({
        symbols: ['IBM', 'SPY'],
        strategies: ['ema-cross'],
        sides: ['buy'],
        confidenceMin: 0.6,
      });
      makeTopic(stack).topic.addSubscription(new SqsSubscription(new Queue(stack, 'Queue'), { filterPolicyWithMessageBody }));
    });
    template.hasResourceProperties('AWS::SNS::Subscription', {
      FilterPolicyScope: 'MessageBody',
      FilterPolicy: { data: { symbol: ['IBM', 'SPY'], strategy: ['ema-cross'], side: ['buy'], confidence: [{ numeric: ['>=', 0.6] }] } },
    });
    const fieldsOf = (filter: SignalFilter) => Object.keys(SignalTopic.filterOf(filter));
    expect(fieldsOf({ confidenceMin: 0.5 })).toEqual(['data']);
    expect([fieldsOf({ intervals: ['5m'] }), fieldsOf({ intervals: ['5m'], sides: ['buy'] })]).toEqual([
      ['interval'],
      ['interval', 'data'],
    ]);
  });

  it.each([
    [{}, 'must name symbols, strategies, sides, intervals or confidenceMin'],
    [{ intervals: [] }, 'a filter on interval must name at least one'],
    [{ symbols: [] }, 'a filter on symbol must name at least one'],
    [{ sides: ['buy'], strategies: [] } as const, 'a filter on strategy must name at least one'],
  ])('refuses the filter %j', (filter, message) => {
    expect(() => SignalTopic.filterOf(filter)).toThrow(message);
  });
});

function tableIn(stack: Stack): ITable {
  return new Table(stack, 'Table', {
    partitionKey: { name: 'pk', type: AttributeType.STRING },
    sortKey: { name: 'sk', type: AttributeType.STRING },
    stream: StreamViewType.NEW_IMAGE,
    pointInTimeRecoverySpecification: { pointInTimeRecoveryEnabled: true },
  }) as ITable;
}
