import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Duration, type Stack } from 'aws-cdk-lib';
import { Match } from 'aws-cdk-lib/assertions';
import { EmailSubscription } from 'aws-cdk-lib/aws-sns-subscriptions';
import { Construct } from 'constructs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { defineTapeline, deploymentOptionsOf, pipelineOptionsOf, webhook } from '../../core/config.ts';
import { consumeMetrics, deliverMetrics, historyMetrics, publishMetrics, sessionMetrics } from '../../core/metrics.ts';
import { pipelineOf } from '../../core/pipeline.ts';
import { TimestreamHistory } from '../../lib/history-timestream.ts';
import { Observability } from '../../lib/observability.ts';
import { SignalBus } from '../../lib/signal-bus.ts';
import { SignalConsumer } from '../../lib/signal-consumer.ts';
import { SignalTopic } from '../../lib/signal-topic.ts';
import { Tape } from '../../lib/tape.ts';
import { loadOf } from '../../local/cost/load.ts';
import { monthOf } from '../../local/cost/month.ts';
import { root } from '../house/project.ts';
import { alone, ofType, removeFolders, type Resource, type Synthesised, synthesisePipeline } from './synth.ts';

const pagesFolder = 'docs/runbooks/';

/** What an alarm reads: metrics by their place in an expression, or the one it is about. */
type Alarm = {
  readonly AlarmName: string;
  readonly AlarmDescription: string;
  readonly MetricName?: string;
  readonly Namespace?: string;
  readonly Metrics?: readonly {
    readonly Id: string;
    readonly Expression?: string;
    readonly MetricStat?: { readonly Metric: { readonly MetricName: string; readonly Namespace: string }; readonly Stat: string };
  }[];
  readonly [property: string]: unknown;
};

let open: Synthesised;
let session: Synthesised;
let timestream: Synthesised;

beforeAll(() => {
  open = synthesisePipeline({ config: defineTapeline({ deliver: [webhook({ url: 'https://example.com/hooks' })] }) });
  session = synthesisePipeline({
    config: defineTapeline({ calendar: 'us-equities' }),
    alarms: {
      noTradesMax: Duration.minutes(30),
      iteratorAgeMax: Duration.seconds(10),
      subscriptions: [new EmailSubscription('desk@example.com')],
    },
  });
  timestream = synthesisePipeline({ history: 'timestream' });
});
afterAll(removeFolders);

const alarmsOf = ({ resources }: Synthesised) => ofType(resources, 'AWS::CloudWatch::Alarm').map(({ Properties }) => Properties as Alarm);
const alarmNamed = (stack: Synthesised, name: string) => alarmsOf(stack).find(({ AlarmName }) => AlarmName === `Tapeline-${name}`) as Alarm;

describe('every alarm', () => {
  it('has a page that says what to do, and every page has an alarm', () => {
    const described = alarmsOf(open).map(({ AlarmDescription }) => /What to do: (\S+)$/.exec(AlarmDescription)?.[1]);
    expect(described.length).toBeGreaterThan(8);
    expect(described.sort()).toEqual(globSync(`${pagesFolder}*.md`, { cwd: root }).sort());
    expect(
      alarmsOf(open)
        .map(({ AlarmName }) => `${pagesFolder}${AlarmName.replace('Tapeline-', '')}.md`)
        .sort(),
    ).toEqual(described);
  });

  it.each(globSync(`${pagesFolder}*.md`, { cwd: root }))(
    'is explained in %s: what it means, how to look, what to do, when it is harmless',
    (page) => {
      const text = readFileSync(join(root, page), 'utf8');
      expect(text.match(/^## .+/gm)).toEqual(['## What it means', '## How to look', '## What to do', '## When it is harmless']);
      expect(text.match(/^```sh/m)).not.toBeNull();
    },
  );

  it('tells the alarm topic when it goes off and when it is over', () => {
    const topic = { Ref: expect.stringMatching(/^ObservabilityAlarmTopic/) };
    for (const alarm of alarmsOf(open)) expect(alarm).toMatchObject({ AlarmActions: [topic], OKActions: [topic] });
  });

  it('uses in its expression exactly the metrics that it is given', () => {
    for (const { AlarmName, Metrics = [] } of [open, session, timestream].flatMap(alarmsOf)) {
      if (Metrics.length === 0) continue;
      const expression = Metrics.find(({ Expression }) => Expression)?.Expression as string;
      const used = [...new Set(expression.match(/\b[a-z]\w*/g))].sort();
      expect({ AlarmName, used }).toEqual({ AlarmName, used: Metrics.flatMap(({ Id, MetricStat }) => (MetricStat ? [Id] : [])).sort() });
    }
  });
});

/** By namespace and name: the dimension, and the statistics that mean something. @see the page of each service on its CloudWatch metrics */
const awsMetrics: Readonly<Record<string, readonly [dimension: string, statistics: RegExp]>> = {
  'AWS/Lambda Errors': ['FunctionName', /^Sum$/],
  'AWS/Lambda Throttles': ['FunctionName', /^Sum$/],
  'AWS/Lambda Duration': ['FunctionName', /^(Average|Maximum|p\d+)$/],
  'AWS/Lambda IteratorAge': ['FunctionName', /^Maximum$/],
  'AWS/Kinesis IncomingRecords': ['StreamName', /^Sum$/],
  'AWS/Kinesis IncomingBytes': ['StreamName', /^Sum$/],
  'AWS/Kinesis WriteProvisionedThroughputExceeded': ['StreamName', /^Sum$/],
  'AWS/DynamoDB ConsumedWriteCapacityUnits': ['TableName', /^Sum$/],
  'AWS/SQS ApproximateNumberOfMessagesVisible': ['QueueName', /^Maximum$/],
  'AWS/SNS NumberOfMessagesPublished': ['TopicName', /^Sum$/],
  'AWS/Events Invocations': ['RuleName', /^Sum$/],
  'AWS/Firehose DeliveryToS3.DataFreshness': ['DeliveryStreamName', /^Maximum$/],
  'AWS/Firehose FailedConversion.Records': ['DeliveryStreamName', /^Sum$/],
};

/** What each of our functions emits, by the last word of its service's name. */
const ownMetrics: Readonly<Record<string, object>> = {
  consume: { ...consumeMetrics, rowsRefused: historyMetrics.rowsRefused },
  publish: publishMetrics,
  deliver: deliverMetrics,
  history: historyMetrics,
  'history-transform': historyMetrics,
  session: sessionMetrics,
};

describe('every metric that an alarm or the dashboard reads', () => {
  const stacks = () => [open, session, timestream];

  it('is one that AWS has, by its dimension and with a statistic that it has', () => {
    const read = stacks()
      .flatMap(readBy)
      .filter(({ namespace }) => namespace !== 'Tapeline');
    const wrong = read.filter(({ namespace, name, dimensions, statistic }) => {
      const [dimension, statistics] = awsMetrics[`${namespace} ${name}`] ?? ['', /^$/];
      return !statistics.test(statistic) || Object.keys(dimensions).join() !== dimension;
    });
    expect(wrong).toEqual([]);
    expect(new Set(read.map(({ namespace, name }) => `${namespace} ${name}`))).toEqual(new Set(Object.keys(awsMetrics)));
  });

  it('is one that a function of the stack emits, by the name under which it does; counts are summed up, the rest is the largest', () => {
    for (const stack of stacks()) {
      const services = ofType(stack.resources, 'AWS::Lambda::Function').map(
        ({ Properties }) => Properties.Environment.Variables.POWERTOOLS_SERVICE_NAME as string,
      );
      const read = readBy(stack).filter(({ namespace }) => namespace === 'Tapeline');
      expect(read.length).toBeGreaterThan(15);
      for (const { name, dimensions, statistic } of read) {
        const service = dimensions['service'] as string;
        expect(services).toContain(service);
        const unit = Object.entries(ownMetrics[service.replace('Tapeline/', '')] ?? {}).find(([known]) => known === name)?.[1];
        expect({ name, service, statistic }).toEqual({
          name,
          service,
          statistic: name === 'sessionOpen' ? 'Minimum' : unit === 'Count' ? 'Sum' : 'Maximum',
        });
      }
    }
  });
});

describe('two of a kind in one stack', () => {
  it('are told apart by their metrics, alarms and dashboards', () => {
    const watched = (stack: Stack, id: string) => {
      const part = new Construct(stack, id);
      const tape = new Tape(part, 'Tape');
      const history = new TimestreamHistory(part, 'History', { tape });
      const consumer = new SignalConsumer(part, 'Consumer', { tape, history });
      const signals = new SignalBus(part, 'Bus', { table: consumer.table, generation: '1' });
      const topic = new SignalTopic(part, 'Topic', { bus: signals.bus });
      new Observability(part, 'Observability', { tape, consumer, signals, topic, history, calendar: 'us-equities' });
    };
    const both = alone((stack) => ['Fund', 'Desk'].map((id) => watched(stack, id)));
    const services = ofType(both.resources, 'AWS::Lambda::Function').map(
      ({ Properties }) => Properties.Environment.Variables.POWERTOOLS_SERVICE_NAME as string,
    );
    expect(services.sort()).toEqual(
      ['Desk', 'Fund'].flatMap((part) =>
        ['Bus/publish', 'Consumer/consume', 'History/history', 'Observability/SessionClock/session'].map((end) => `Alone/${part}/${end}`),
      ),
    );
    const named = alarmsOf(both).map(({ AlarmName }) => AlarmName);
    expect(new Set(named).size).toBe(named.length);
    const dashboards = ofType(both.resources, 'AWS::CloudWatch::Dashboard').map(({ Properties }) => Properties.DashboardName);
    expect(dashboards).toEqual(['Alone-Fund-Observability', 'Alone-Desk-Observability']);
    // Each reads its own alone.
    for (const part of ['Fund', 'Desk']) {
      const own = alarmsOf(both).filter(({ AlarmName }) => AlarmName.startsWith(`Alone-${part}-`));
      const read = [...new Set(JSON.stringify(own).match(/Alone\/\w+\/[\w/]+/g))].sort();
      expect(read).toEqual(services.filter((service) => service.startsWith(`Alone/${part}/`)).sort());
    }
  });

  it('have the names of the pipeline’s where they are what it has', () => {
    const services = ofType([...open.resources, ...session.resources, ...timestream.resources], 'AWS::Lambda::Function').map(
      ({ Properties }) => Properties.Environment.Variables.POWERTOOLS_SERVICE_NAME as string,
    );
    expect([...new Set(services)].sort()).toEqual(
      Object.keys(ownMetrics)
        .map((entry) => `Tapeline/${entry}`)
        .sort(),
    );
  });
});

describe('what the history sets aside', () => {
  it('is an alarm: frames and rows that Firehose keeps, and rows that Timestream refuses, of the history function and of the consumer', () => {
    const read = (stack: Synthesised) =>
      (alarmNamed(stack, 'history-refused').Metrics ?? []).flatMap(({ MetricStat }) => (MetricStat ? [MetricStat.Metric.MetricName] : []));
    expect(read(open)).toEqual(['framesFailed', ...Array.from({ length: 4 }, () => 'FailedConversion.Records')]);
    expect(read(timestream)).toEqual(['rowsRefused', 'rowsRefused']);
    expect(alarmNamed(open, 'history-refused')).toMatchObject({ Threshold: 0, ComparisonOperator: 'GreaterThanThreshold' });
  });

  it('and so is a batch of trades that Lambda has given up', () => {
    timestream.template.hasResourceProperties('AWS::Events::Rule', {
      EventPattern: Match.objectLike({
        detail: Match.objectLike({ bucket: { name: Match.arrayWith([{ Ref: Match.stringLikeRegexp('^HistoryRefused') }]) } }),
      }),
    });
  });
});

describe('the part of bad input', () => {
  it('is told also where all of it is bad, when no trades are counted', () => {
    const [expression] = alarmNamed(open, 'quarantine-rate').Metrics ?? [];
    expect(expression?.Expression).toBe('100 * bad / (bad + FILL(trades, 0))');
  });
});

describe('every function of the stack', () => {
  const functionsIn = (text: string) => new Set(text.match(/[A-Z][A-Za-z]+?(Handler|Transform)(?=[0-9A-F]{8}")/g));
  const all = (stack: Synthesised) =>
    Object.keys(stack.template.findResources('AWS::Lambda::Function'))
      .map((id) => id.slice(0, -8))
      .sort();

  it.each(['function-errors', 'function-throttles'])('is told by %s, whichever of the stack’s it is', (name) => {
    for (const stack of [open, session, timestream])
      expect([...functionsIn(JSON.stringify(alarmNamed(stack, name)))].sort()).toEqual(all(stack));
  });

  it('is seen on the dashboard by how long it takes', () => {
    for (const stack of [open, timestream]) {
      const body = JSON.stringify(ofType(stack.resources, 'AWS::CloudWatch::Dashboard')[0]?.Properties.DashboardBody);
      const [, durations = ''] = /Durations, ms(.*?)\\"title\\"/.exec(body) ?? [];
      expect([...functionsIn(durations)].sort()).toEqual(all(stack));
    }
  });
});

describe('that no trades come', () => {
  it('is an alarm at any time where the market never closes, also when nothing is counted at all', () => {
    expect(alarmNamed(open, 'no-trades')).toMatchObject({ TreatMissingData: 'breaching', Threshold: 0 });
    open.template.resourcePropertiesCountIs(
      'AWS::Lambda::Function',
      { Environment: { Variables: Match.objectLike({ CALENDAR: Match.anyValue() }) } },
      0,
    );
  });

  it('is an alarm only in a period that the calendar has open from its first minute to its last', () => {
    const alarm = alarmNamed(session, 'no-trades');
    expect(alarm['TreatMissingData']).toBe('notBreaching');
    const [expression, ...metrics] = alarm.Metrics as NonNullable<Alarm['Metrics']>;
    expect(expression?.Expression).toBe('IF(open == 1 AND FILL(trades, 0) == 0, 1, 0)');
    expect(metrics).toMatchObject([
      { MetricStat: { Metric: { MetricName: 'sessionOpen' }, Stat: 'Minimum', Period: 1800 } },
      { MetricStat: { Metric: { MetricName: 'trades' }, Stat: 'Sum', Period: 1800 } },
    ]);
    session.template.hasResourceProperties('AWS::Events::Rule', { ScheduleExpression: 'rate(5 minutes)', State: 'ENABLED' });
    session.template.hasResourceProperties('AWS::Lambda::Function', {
      Environment: { Variables: Match.objectLike({ CALENDAR: 'us-equities' }) },
    });
  });
});

describe('the alarm topic', () => {
  it('is encrypted, takes alarms of this account and refuses what is not TLS', () => {
    const topicId = Object.keys(open.template.findResources('AWS::SNS::Topic')).find((id) => id.startsWith('Observability')) as string;
    expect(open.template.findResources('AWS::SNS::Topic')[topicId]).toMatchObject({ Properties: { KmsMasterKeyId: expect.anything() } });
    const ofAccount = { StringEquals: { 'aws:SourceAccount': { Ref: 'AWS::AccountId' } } };
    const cloudWatch = { Effect: 'Allow', Principal: { Service: 'cloudwatch.amazonaws.com' }, Condition: ofAccount };
    open.template.hasResourceProperties('AWS::SNS::TopicPolicy', {
      Topics: [{ Ref: topicId }],
      PolicyDocument: {
        Statement: Match.arrayWith([
          Match.objectLike({ Effect: 'Deny', Condition: { Bool: { 'aws:SecureTransport': 'false' } } }),
          Match.objectLike({ ...cloudWatch, Action: 'sns:Publish' }),
        ]),
      },
    });
    open.template.hasResourceProperties('AWS::KMS::Key', {
      KeyPolicy: { Statement: Match.arrayWith([Match.objectLike({ ...cloudWatch, Action: ['kms:Decrypt', 'kms:GenerateDataKey'] })]) },
    });
  });

  it('tells whom it is told to', () => {
    session.template.hasResourceProperties('AWS::SNS::Subscription', { Protocol: 'email', Endpoint: 'desk@example.com' });
    open.template.resourceCountIs('AWS::SNS::Subscription', 0);
  });

  it('hears at once of a batch that Lambda has given up', () => {
    open.template.hasResourceProperties('AWS::S3::Bucket', {
      NotificationConfiguration: { EventBridgeConfiguration: { EventBridgeEnabled: true } },
    });
    open.template.hasResourceProperties('AWS::Events::Rule', {
      EventPattern: {
        source: ['aws.s3'],
        'detail-type': ['Object Created'],
        detail: {
          bucket: { name: [{ Ref: Match.stringLikeRegexp('^SignalConsumerQuarantine') }] },
          object: { key: [{ prefix: 'aws/lambda/' }] },
        },
      },
    });
  });
});

describe('what alarms cost', () => {
  it.each([
    ['always', 'parquet', []],
    ['always', 'timestream', []],
    ['us-equities', 'none', [webhook({ url: 'https://example.com/hooks' })]],
  ] as const)('%s, %s, %j: tapeline cost counts the metrics that they read', (calendar, history, deliver) => {
    const config = defineTapeline({ calendar, history, deliver: [...deliver] });
    const { lines } = monthOf(
      loadOf({ pipeline: pipelineOf(pipelineOptionsOf(config)), deployment: deploymentOptionsOf(config), deliver }),
    );
    const read = alarmsOf(synthesisePipeline({ config }, { checks: false })).flatMap(({ Metrics = [{ MetricStat: 'the one' }] }) =>
      Metrics.filter(({ MetricStat }) => MetricStat),
    );
    expect(lines.find(({ price }) => price === 'alarmMetric')?.quantity).toBe(read.length);
  });
});

describe('thresholds', () => {
  it('are as they are told, and have defaults', () => {
    expect([alarmNamed(session, 'iterator-age'), alarmNamed(open, 'iterator-age')]).toMatchObject([
      { Threshold: 10_000 },
      { Threshold: 60_000 },
    ]);
  });
});

describe('the dashboard', () => {
  it('shows every metric of the handlers, and is linked in the outputs', () => {
    const [dashboard] = ofType(open.resources, 'AWS::CloudWatch::Dashboard');
    const body = JSON.stringify(dashboard?.Properties.DashboardBody);
    const names = Object.keys({ ...consumeMetrics, ...deliverMetrics, ...publishMetrics, framesFailed: '' });
    expect(names.filter((name) => !body.includes(name))).toEqual([]);
    expect(JSON.stringify(ofType(timestream.resources, 'AWS::CloudWatch::Dashboard'))).toContain('rowsRefused');
    expect(body).toContain('{Tapeline,reason,service} MetricName=');
    open.template.hasOutput('DashboardUrl', { Value: Match.anyValue() });
  });
});

describe('without a history and endpoints', () => {
  it('nobody watches over them', () => {
    const bare = synthesisePipeline({ history: 'none' });
    for (const name of ['history-delay', 'history-refused', 'deliveries'])
      expect([alarmNamed(open, name), alarmNamed(bare, name)]).toEqual([expect.anything(), undefined]);
  });
});

type Read = {
  readonly namespace: string;
  readonly name: string;
  readonly dimensions: Readonly<Record<string, unknown>>;
  readonly statistic: string;
};

/** By alarms and by the dashboard, whose references to resources are left open. */
function readBy(stack: Synthesised): Read[] {
  const ofAlarm = (
    metric: { MetricName?: string; Namespace?: string; Dimensions?: { Name: string; Value: unknown }[] },
    statistic: unknown,
  ): Read[] =>
    metric.MetricName === undefined
      ? []
      : [
          {
            namespace: metric.Namespace as string,
            name: metric.MetricName,
            dimensions: Object.fromEntries((metric.Dimensions ?? []).map(({ Name, Value }) => [Name, Value])),
            statistic: String(statistic),
          },
        ];
  const byAlarms = alarmsOf(stack).flatMap((alarm) => [
    ...ofAlarm(alarm, alarm['Statistic'] ?? alarm['ExtendedStatistic']),
    ...(alarm.Metrics ?? []).flatMap(({ MetricStat }) => (MetricStat ? ofAlarm(MetricStat.Metric, MetricStat.Stat) : [])),
  ]);
  return [...byAlarms, ...byDashboard(stack)];
}

/** A line of a graph is namespace, name, dimensions in pairs, and options; one that repeats what is above it begins with dots. */
function byDashboard({ resources }: Synthesised): Read[] {
  const [dashboard] = ofType(resources, 'AWS::CloudWatch::Dashboard');
  const [, parts] = (dashboard as Resource).Properties.DashboardBody['Fn::Join'] as [string, unknown[]];
  const body = JSON.parse(parts.map((part) => (typeof part === 'string' ? part : 'reference')).join('')) as {
    widgets: { properties: { metrics?: unknown[][] } }[];
  };
  return body.widgets.flatMap(({ properties: { metrics = [] } }) =>
    metrics.flatMap((line): Read[] => {
      const texts = line.filter((part) => typeof part === 'string');
      const options = line.find((part) => typeof part === 'object') as { expression?: string; stat?: string } | undefined;
      if (options?.expression !== undefined) return [];
      const [namespace = '', name = '', ...pairs] = texts;
      const dimensions = Object.fromEntries(Array.from({ length: pairs.length / 2 }, (_, i) => [pairs[2 * i], pairs[2 * i + 1]]));
      return [{ namespace, name, dimensions, statistic: options?.stat ?? 'Average' }];
    }),
  );
}
