import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Duration } from 'aws-cdk-lib';
import { Match } from 'aws-cdk-lib/assertions';
import { EmailSubscription } from 'aws-cdk-lib/aws-sns-subscriptions';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { defineTapeline, webhook } from '../../core/config.ts';
import { consumeMetrics, deliverMetrics, publishMetrics, sessionMetrics } from '../../core/metrics.ts';
import { root } from '../house/project.ts';
import { ofType, removeFolders, type Synthesised, synthesisePipeline } from './synth.ts';

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
    readonly MetricStat?: { readonly Metric: { readonly MetricName: string; readonly Namespace: string } };
  }[];
  readonly [property: string]: unknown;
};

let open: Synthesised;
let session: Synthesised;

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

  it('reads metrics that there are: our own by the names that the handlers emit', () => {
    const known = new Set(Object.keys({ ...consumeMetrics, ...deliverMetrics, ...publishMetrics, ...sessionMetrics }));
    const own = alarmsOf(session).flatMap(({ Namespace, MetricName, Metrics = [] }) =>
      [{ Namespace, MetricName }, ...Metrics.map(({ MetricStat }) => ({ ...MetricStat?.Metric }))].flatMap((metric) =>
        metric.Namespace === 'Tapeline' ? [metric.MetricName as string] : [],
      ),
    );
    expect(own.length).toBeGreaterThan(5);
    expect(own.filter((name) => !known.has(name))).toEqual([]);
  });

  it('uses in its expression exactly the metrics that it is given', () => {
    for (const { AlarmName, Metrics = [] } of alarmsOf(session)) {
      if (Metrics.length === 0) continue;
      const expression = Metrics.find(({ Expression }) => Expression)?.Expression as string;
      const used = [...new Set(expression.match(/\b[a-z]\w*/g))].sort();
      expect({ AlarmName, used }).toEqual({ AlarmName, used: Metrics.flatMap(({ Id, MetricStat }) => (MetricStat ? [Id] : [])).sort() });
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
    const notShown = new Set(['records', 'sessionOpen']);
    const names = Object.keys({ ...consumeMetrics, ...deliverMetrics, ...publishMetrics }).filter((name) => !notShown.has(name));
    expect(names.filter((name) => !body.includes(name))).toEqual([]);
    expect(body).toContain('{Tapeline,reason,service} MetricName=');
    open.template.hasOutput('DashboardUrl', { Value: Match.anyValue() });
  });
});

describe('without a history and endpoints', () => {
  it('nobody watches over them', () => {
    const bare = synthesisePipeline({ history: 'none' });
    for (const name of ['history-delay', 'deliveries'])
      expect([alarmNamed(open, name), alarmNamed(bare, name)]).toEqual([expect.anything(), undefined]);
  });
});
