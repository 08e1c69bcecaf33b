import { Duration } from 'aws-cdk-lib';
import {
  type Alarm,
  AlarmStatusWidget,
  Dashboard,
  GraphWidget,
  type GraphWidgetProps,
  type IMetric,
  type IWidget,
  MathExpression,
  PeriodOverride,
  Stats,
} from 'aws-cdk-lib/aws-cloudwatch';
import type { Construct } from 'constructs';
import type { SignalConsumer } from './signal-consumer.ts';
import type { Watched, WatchedHistory } from './watched.ts';
import type { Webhooks } from './webhooks.ts';

export type PipelineDashboardProps = { readonly dashboardName: string; readonly watched: Watched; readonly alarms: readonly Alarm[] };

const period = Duration.minutes(1);
const columnCount = 3;

/** The pipeline on one page, from the feed on the left to the signals on the right. */
export class PipelineDashboard extends Dashboard {
  constructor(scope: Construct, id: string, { dashboardName, watched, alarms }: PipelineDashboardProps) {
    super(scope, id, { dashboardName, defaultInterval: Duration.hours(6), periodOverride: PeriodOverride.INHERIT });
    this.addWidgets(new AlarmStatusWidget({ title: 'Alarms', alarms: [...alarms], width: 24, height: 3 }));
    this.addWidgets(...graphsOf(watched).map(inColumns));
  }
}

type Graph = Omit<GraphWidgetProps, 'width' | 'height'>;

function graphsOf(watched: Watched): Graph[] {
  const { tape, consumer, signals, topic, history, webhooks, givenUp } = watched;
  const counted = (name: Parameters<typeof consumer.metric>[0]) => consumer.metric(name, { period, label: name });
  const published = (name: Parameters<typeof signals.metric>[0]) => signals.metric(name, { period, label: name });
  return [
    {
      title: 'Trades a second',
      left: [
        ratePerSec('trades', consumer.metric('trades', { period })),
        ratePerSec('records', tape.stream.metricIncomingRecords({ statistic: 'Sum', period })),
      ],
      right: [ratePerSec('bytes', tape.stream.metricIncomingBytes({ statistic: 'Sum', period }))],
    },
    { title: 'Bars', left: [counted('bars')] },
    {
      title: 'Signals',
      left: [counted('signals'), published('published'), topic.metricPublished({ period, label: 'at the topic' })],
    },
    {
      title: 'Lag, ms',
      left: [counted('watermarkLagMs'), consumer.metricIteratorAgeMs({ period, label: 'iterator age' })],
    },
    { title: 'Late and repeated', left: [counted('late'), counted('duplicates')] },
    {
      title: 'Publish delay, ms',
      left: [published('publishDelayMs'), signals.metricIteratorAgeMs({ period, label: 'iterator age' })],
    },
    { title: 'Set aside, by reason', left: [consumer.metricQuarantinedByReason({ period })], stacked: true },
    {
      title: 'Errors and throttles',
      left: [
        consumer.metricErrors({ period, label: 'consume errors' }),
        consumer.metricThrottles({ period, label: 'consume throttles' }),
        signals.metricErrors({ period, label: 'publish errors' }),
        signals.metricThrottles({ period, label: 'publish throttles' }),
        tape.stream.metricWriteProvisionedThroughputExceeded({ statistic: 'Sum', period, label: 'tape throttles' }),
        ...[
          history?.metricErrors({ period, label: 'history errors' }),
          history?.metricThrottles({ period, label: 'history throttles' }),
        ].filter((metric) => metric !== undefined),
      ],
    },
    {
      title: 'Given up',
      left: [
        published('unpublished'),
        published('refused'),
        published('badItems'),
        topic.metricUndelivered({ period, label: 'undelivered' }),
        givenUp.with({ period, label: 'batches' }),
      ],
    },
    {
      title: 'Durations, ms',
      left: Object.entries({ consume: consumer, publish: signals, deliver: webhooks, history }).flatMap(([name, of]) =>
        [50, 99]
          .map((percentile) => of?.metricDurationMs({ period, statistic: Stats.p(percentile), label: `${name} p${percentile}` }))
          .filter((metric) => metric !== undefined),
      ),
    },
    {
      title: 'Checkpoints',
      left: [consumer.metricWriteUnits({ period, label: 'write units' }), counted('checkpointConflicts')],
      right: [counted('stateBytes')],
    },
    ...(webhooks ? [{ title: 'Deliveries', left: deliveriesOf(webhooks) }] : []),
    ...(history ? historyOf(history, consumer) : []),
  ];
}

function historyOf(history: WatchedHistory, consumer: SignalConsumer): Graph[] {
  const aside = Object.entries(history.metricsSetAside({ period }, consumer)).map(([label, metric]) => metric.with({ label }));
  return [
    { title: 'Wait for the history, s', left: [history.metricDeliveryAgeSec({ period, label: 'oldest bar or trade' })] },
    { title: 'Set aside by the history', left: aside },
  ];
}

function deliveriesOf(webhooks: Webhooks): IMetric[] {
  const names = ['delivered', 'attemptsFailed', 'deadLetters', 'endpointsDisabled', 'badMessages', 'gaps'] as const;
  const own = names.map((name) => webhooks.metric(name, { period, label: name }));
  return [...own, webhooks.metricUndelivered({ period, label: 'undelivered' }), webhooks.metricErrors({ period, label: 'errors' })];
}

function ratePerSec(label: string, metric: IMetric): MathExpression {
  return new MathExpression({ expression: `${label} / PERIOD(${label})`, usingMetrics: { [label]: metric }, period, label });
}

/** Left to right, then the next row. */
function inColumns(graph: Graph, i: number): IWidget {
  const [width, height] = [24 / columnCount, 6];
  const widget = new GraphWidget({ ...graph, width, height, leftYAxis: { min: 0, showUnits: false } });
  widget.position((i % columnCount) * width, Math.floor(i / columnCount) * height);
  return widget;
}
