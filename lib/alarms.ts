import { Duration } from 'aws-cdk-lib';
import { ComparisonOperator, type IMetric, MathExpression, TreatMissingData } from 'aws-cdk-lib/aws-cloudwatch';
import type { Watched } from './watched.ts';

/** When an alarm goes off; what is left out has a default. */
export type AlarmThresholds = {
  /** How far the consumer may be behind the tape. @default 1 minute */
  readonly iteratorAgeMax?: Duration | undefined;
  /** How long a signal may take from its commit to the bus. @default 1 minute */
  readonly publishDelayMax?: Duration | undefined;
  /** Of a hundred trades, how many may be set aside within five minutes. @default 1 */
  readonly quarantinePercentMax?: number | undefined;
  /** How often within five minutes a bucket may be committed by somebody else first, three times in a row. @default 5 */
  readonly checkpointConflictsMax?: number | undefined;
  /** How long no trade may come while the market is open, whole minutes. @default 15 minutes */
  readonly noTradesMax?: Duration | undefined;
  /** How long bars and trades may take to the history. @default 30 minutes */
  readonly historyDelayMax?: Duration | undefined;
};

/** An alarm, and by its name the page that says what to do. */
export type AlarmPlan = {
  readonly name: string;
  /** What has happened when it goes off. */
  readonly text: string;
  readonly metric: IMetric;
  /** Goes off above this. */
  readonly threshold: number;
  /** Of these periods `datapoints` must be above the threshold. @default 1 */
  readonly periods?: number;
  readonly datapoints?: number;
  /** @default no data is no alarm */
  readonly treatMissingData?: TreatMissingData;
};

export const alarmDefaults = {
  comparisonOperator: ComparisonOperator.GREATER_THAN_THRESHOLD,
  treatMissingData: TreatMissingData.NOT_BREACHING,
};

const minute = Duration.minutes(1);
const fiveMinutes = Duration.minutes(5);

/** Every alarm of what there is to watch. */
export function alarmsOf(watched: Watched, thresholds: AlarmThresholds): AlarmPlan[] {
  const { tape, consumer, signals, topic, history, webhooks, session, givenUp } = watched;
  const {
    iteratorAgeMax = minute,
    publishDelayMax = minute,
    quarantinePercentMax = 1,
    checkpointConflictsMax = 5,
    noTradesMax = Duration.minutes(15),
    historyDelayMax = Duration.minutes(30),
  } = thresholds;
  const period = fiveMinutes;
  const [historyErrors, historyThrottles] = [history?.metricErrors({ period }), history?.metricThrottles({ period })];
  const aside = history?.metricsSetAside({ period }, consumer) ?? {};
  const plans: (AlarmPlan | undefined | false)[] = [
    {
      name: 'iterator-age',
      text: `The consumer is more than ${iteratorAgeMax.toSeconds()} s behind the tape`,
      metric: consumer.metricIteratorAgeMs({ period: minute }),
      threshold: iteratorAgeMax.toMilliseconds(),
      periods: 5,
      datapoints: 3,
    },
    {
      name: 'publish-delay',
      text: `A signal waits for the bus for more than ${publishDelayMax.toSeconds()} s`,
      // What fails as a whole says nothing of its delay, but Lambda says how old it is.
      metric: math(
        'MAX([FILL(delay, 0), FILL(age, 0)])',
        {
          delay: signals.metric('publishDelayMs', { period: minute }),
          age: signals.metricIteratorAgeMs({ period: minute }),
        },
        minute,
      ),
      threshold: publishDelayMax.toMilliseconds(),
      periods: 5,
      datapoints: 3,
    },
    {
      name: 'quarantine-rate',
      text: `More than ${quarantinePercentMax} % of the input is set aside`,
      // What is nothing is not counted: where all is bad, there are no trades.
      metric: math('100 * bad / (bad + FILL(trades, 0))', {
        bad: consumer.metric('quarantined', { period }),
        trades: consumer.metric('trades', { period }),
      }),
      threshold: quarantinePercentMax,
    },
    {
      name: 'checkpoint-conflicts',
      text: 'Two consumers fold the same buckets',
      metric: consumer.metric('checkpointConflicts', { period }),
      threshold: checkpointConflictsMax,
      periods: 3,
    },
    {
      name: 'dead-letters',
      text: 'Records or signals were given up and wait for somebody',
      metric: sum({
        undelivered: topic.metricUndelivered({ period }),
        refused: signals.metric('refused', { period }),
        bad: signals.metric('badItems', { period }),
        givenUp: givenUp.with({ period }),
      }),
      threshold: 0,
    },
    noTrades(watched, noTradesMax),
    {
      name: 'function-errors',
      text: 'A function fails again and again',
      metric: sum({
        consume: consumer.metricErrors({ period }),
        publish: signals.metricErrors({ period }),
        ...(webhooks && { deliver: webhooks.metricErrors({ period }) }),
        ...(historyErrors && { history: historyErrors }),
        ...(session && { session: session.metricErrors({ period }) }),
      }),
      threshold: 0,
      periods: 3,
      datapoints: 2,
    },
    {
      name: 'function-throttles',
      text: 'The account has no concurrency left for a function',
      metric: sum({
        consume: consumer.metricThrottles({ period }),
        publish: signals.metricThrottles({ period }),
        ...(webhooks && { deliver: webhooks.metricThrottles({ period }) }),
        ...(historyThrottles && { history: historyThrottles }),
        ...(session && { session: session.metricThrottles({ period }) }),
      }),
      threshold: 0,
      periods: 3,
      datapoints: 2,
    },
    {
      name: 'tape-throttled',
      text: 'The feed writes more than the shards of the tape take',
      metric: tape.stream.metricWriteProvisionedThroughputExceeded({ statistic: 'Sum', period }),
      threshold: 0,
      periods: 3,
      datapoints: 2,
    },
    webhooks && {
      name: 'deliveries',
      text: 'Signals for an endpoint were given up, or an endpoint is disabled',
      metric: sum({
        undelivered: webhooks.metricUndelivered({ period }),
        dead: webhooks.metric('deadLetters', { period }),
        disabled: webhooks.metric('endpointsDisabled', { period }),
        bad: webhooks.metric('badMessages', { period }),
      }),
      threshold: 0,
    },
    history && {
      name: 'history-delay',
      text: `Bars or trades wait for the history for more than ${historyDelayMax.toMinutes()} minutes`,
      metric: history.metricDeliveryAgeSec({ period }),
      threshold: historyDelayMax.toSeconds(),
      periods: 3,
    },
    Object.keys(aside).length > 0 && {
      name: 'history-refused',
      text: 'The history has set something aside, and queries do not see it',
      metric: sum(aside),
      threshold: 0,
    },
  ];
  return plans.filter((plan) => plan !== undefined && plan !== false);
}

/** Where the market closes, only of a period in which it was open from the first minute to the last. */
function noTrades({ consumer, session }: Watched, noTradesMax: Duration): AlarmPlan {
  const period = noTradesMax;
  const trades = consumer.metric('trades', { period });
  const text = `No trade has come for ${noTradesMax.toMinutes()} minutes${session ? ' of an open market' : ''}`;
  const metric = session
    ? math('IF(open == 1 AND FILL(trades, 0) == 0, 1, 0)', { open: session.metricOpen({ period }), trades }, period)
    : math('IF(FILL(trades, 0) == 0, 1, 0)', { trades }, period);
  const treatMissingData = session ? TreatMissingData.NOT_BREACHING : TreatMissingData.BREACHING;
  return { name: 'no-trades', text, metric, threshold: 0, treatMissingData };
}

function sum(metrics: Record<string, IMetric>): MathExpression {
  const filled = Object.keys(metrics).map((name) => `FILL(${name}, 0)`);
  return math(`SUM([${filled.join(', ')}])`, metrics);
}

function math(expression: string, usingMetrics: Record<string, IMetric>, period = fiveMinutes): MathExpression {
  return new MathExpression({ expression, usingMetrics, period, label: '' });
}
