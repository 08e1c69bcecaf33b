import type { Deployed, MetricQuestion, Series, Stack, StackResource } from '../../adapters/account/deployed.ts';
import { type HistoryMetric, metricNamespace, type PublishMetric } from '../../core/metrics.ts';
import type { Wanted } from './before.ts';
import { type Finding, fail, judged, ok, type Said, warn } from './finding.ts';

export type AfterOptions = {
  readonly deployed: Deployed;
  readonly stackName: string;
  readonly stack: Stack;
  readonly wanted: Wanted | undefined;
  /** Unix milliseconds. */
  readonly nowMs: number;
};

const minuteMs = 60_000;
const recentMs = 15 * minuteMs;
const givenUpDays = 14;

/** Whether trades flow through a deployed stack, from the tape to the signals. */
export async function inStack({ deployed, stackName, stack, wanted, nowMs }: AfterOptions): Promise<Finding[]> {
  const resources = await deployed.resources();
  if (resources.kind !== 'answer') return named({ stack: stackOf(stack), resources: judged(resources, () => ok('')) });
  const parts = partsOf(resources.answer, stack, stackName);
  const questions = questionsOf(parts);
  const [tape, mappings, recent, longer, alarms] = await Promise.all([
    parts.tape === undefined ? undefined : deployed.stream(parts.tape),
    Promise.all(parts.mappings.map(async ({ label, uuid }) => ({ label, asked: await deployed.mapping(uuid) }))),
    deployed.metrics(questions, { fromMs: nowMs - recentMs, toMs: nowMs }),
    deployed.metrics(givenUpQuestionsOf(parts), { fromMs: nowMs - givenUpDays * 24 * 60 * minuteMs, toMs: nowMs }),
    parts.alarms.length === 0 ? undefined : deployed.alarms(parts.alarms),
  ]);
  const ofMetrics = (judge: (seriesOf: (id: string) => Series) => Said) => judged(recent, (series) => judge((id) => series.get(id) ?? []));
  const hasHistory = parts.deliveryStreams.length > 0 || parts.keeper !== undefined;
  const isOpen = wanted?.pipeline.calendar.isOpen(nowMs) ?? true;
  return named({
    stack: stackOf(stack),
    ...(tape && {
      tape: judged(
        tape,
        (answer) => tapeOf(answer, wanted),
        () => fail('the stream is gone', 'npx cdk deploy'),
      ),
    }),
    ...Object.fromEntries(
      mappings.map(({ label, asked }) => [`reader of ${label}`, judged(asked, mappingOf, () => fail('it is gone', 'npx cdk deploy'))]),
    ),
    trades: ofMetrics((series) => tradesOf(series, isOpen, nowMs)),
    lag: ofMetrics(lagOf),
    'consumer errors': ofMetrics((series) => errorsOf(series('errors'), series('invocations'), 'consume')),
    'publisher errors': ofMetrics((series) => errorsOf(series('publishErrors'), series('publishInvocations'), 'publish')),
    throttles: ofMetrics(throttlesOf),
    quarantine: ofMetrics((series) => quarantineOf(series, stack)),
    conflicts: ofMetrics((series) => conflictsOf(series('conflicts'))),
    'publish delay': ofMetrics(publishDelayOf),
    ...(hasHistory && {
      history: ofMetrics((series) =>
        historyOf([...parts.deliveryStreams.map((_, i) => series(`history${i}`)), inSeconds(series('keeperAge'))]),
      ),
    }),
    'dead letters': judged(longer, (series) => deadLettersOf((id) => series.get(id) ?? [], stack)),
    ...(hasHistory && { 'set aside by the history': judged(longer, (series) => asideOf((id) => series.get(id) ?? [])) }),
    ...(alarms && { alarms: judged(alarms, alarmsOf) }),
  });
}

function named(saids: Readonly<Record<string, Said>>): Finding[] {
  return Object.entries(saids).map(([check, said]) => ({ part: 'after', check, ...said }));
}

/** The stack's resources by what they are for: their ids begin with the names of their constructs. */
function partsOf(resources: readonly StackResource[], { outputs }: Stack, stackName: string) {
  const ofType = (type: string) => resources.filter((resource) => resource.type === type);
  const functionOf = (construct: string) =>
    ofType('AWS::Lambda::Function').find(({ logicalId }) => logicalId.startsWith(`${construct}Handler`))?.name;
  return {
    stackName,
    tape: outputs['TapeStream'] ?? ofType('AWS::Kinesis::Stream')[0]?.name,
    consume: functionOf('SignalConsumer'),
    publish: functionOf('SignalBus'),
    keeper: functionOf('History'),
    mappings: ofType('AWS::Lambda::EventSourceMapping').map(({ logicalId, name }) => ({ label: readerOf(logicalId), uuid: name })),
    deliveryStreams: ofType('AWS::KinesisFirehose::DeliveryStream').map(({ name }) => name),
    undelivered: ofType('AWS::SQS::Queue').filter(({ logicalId }) => logicalId.includes('Undelivered')),
    givenUpRule: ofType('AWS::Events::Rule').find(({ logicalId }) => logicalId.includes('GivenUp'))?.name,
    alarms: ofType('AWS::CloudWatch::Alarm').map(({ name }) => name),
  };
}

const readers: readonly (readonly [construct: string, what: string])[] = [
  ['SignalConsumer', 'the tape'],
  ['SignalBus', 'the outbox'],
  ['Webhooks', 'the delivery queue'],
  ['History', 'the tape for the history'],
];

function readerOf(logicalId: string): string {
  return readers.find(([construct]) => logicalId.startsWith(construct))?.[1] ?? logicalId;
}

type Parts = ReturnType<typeof partsOf>;

function questionsOf({ stackName, tape, consume, publish, keeper, deliveryStreams }: Parts): MetricQuestion[] {
  const minutely = (question: Omit<MetricQuestion, 'periodSec'>): MetricQuestion => ({ ...question, periodSec: 60 });
  const own = (id: string, entry: string, name: string, statistic: MetricQuestion['statistic']) =>
    minutely({ id, namespace: metricNamespace, name, dimensions: { service: `${stackName}/${entry}` }, statistic });
  const ofFunction = (id: string, functionName: string | undefined, name: string, statistic: MetricQuestion['statistic']) =>
    functionName === undefined
      ? []
      : [minutely({ id, namespace: 'AWS/Lambda', name, dimensions: { FunctionName: functionName }, statistic })];
  return [
    ...(tape === undefined
      ? []
      : [
          minutely({
            id: 'incoming',
            namespace: 'AWS/Kinesis',
            name: 'IncomingRecords',
            dimensions: { StreamName: tape },
            statistic: 'Sum',
          }),
          minutely({
            id: 'tapeThrottled',
            namespace: 'AWS/Kinesis',
            name: 'WriteProvisionedThroughputExceeded',
            dimensions: { StreamName: tape },
            statistic: 'Sum',
          }),
        ]),
    ...ofFunction('iteratorAge', consume, 'IteratorAge', 'Maximum'),
    ...ofFunction('errors', consume, 'Errors', 'Sum'),
    ...ofFunction('throttles', consume, 'Throttles', 'Sum'),
    ...ofFunction('invocations', consume, 'Invocations', 'Sum'),
    ...ofFunction('publishErrors', publish, 'Errors', 'Sum'),
    ...ofFunction('publishThrottles', publish, 'Throttles', 'Sum'),
    ...ofFunction('publishInvocations', publish, 'Invocations', 'Sum'),
    ...ofFunction('keeperAge', keeper, 'IteratorAge', 'Maximum'),
    own('trades', 'consume', 'trades', 'Sum'),
    own('quarantined', 'consume', 'quarantined', 'Sum'),
    own('conflicts', 'consume', 'checkpointConflicts', 'Sum'),
    own('watermarkLag', 'consume', 'watermarkLagMs', 'Maximum'),
    own('publishDelay', 'publish', 'publishDelayMs', 'Maximum'),
    ...deliveryStreams.map((name, i) =>
      minutely({
        id: `history${i}`,
        namespace: 'AWS/Firehose',
        name: 'DeliveryToS3.DataFreshness',
        dimensions: { DeliveryStreamName: name },
        statistic: 'Maximum',
      }),
    ),
  ];
}

/** Our own counts of what was kept aside; a function that a stack does not have counts nothing. */
const countedAside: readonly { readonly id: string; readonly entry: string; readonly name: PublishMetric | HistoryMetric }[] = [
  { id: 'refused', entry: 'publish', name: 'refused' },
  { id: 'badItems', entry: 'publish', name: 'badItems' },
  { id: 'framesFailed', entry: 'history-transform', name: 'framesFailed' },
  { id: 'rowsRefused', entry: 'history', name: 'rowsRefused' },
  { id: 'barsRefused', entry: 'consume', name: 'rowsRefused' },
];

/** What waits for somebody: given up by Lambda, refused by the bus, not taken by the topic or the delivery. */
function givenUpQuestionsOf({ stackName, givenUpRule, undelivered }: Parts): MetricQuestion[] {
  const daily = (question: Omit<MetricQuestion, 'periodSec'>): MetricQuestion => ({ ...question, periodSec: 86_400 });
  return [
    ...(givenUpRule === undefined
      ? []
      : [daily({ id: 'givenUp', namespace: 'AWS/Events', name: 'Invocations', dimensions: { RuleName: givenUpRule }, statistic: 'Sum' })]),
    ...countedAside.map(({ id, entry, name }) =>
      daily({ id, namespace: metricNamespace, name, dimensions: { service: `${stackName}/${entry}` }, statistic: 'Sum' }),
    ),
    ...undelivered.map(({ name }, i) =>
      daily({
        id: `undelivered${i}`,
        namespace: 'AWS/SQS',
        name: 'ApproximateNumberOfMessagesVisible',
        dimensions: { QueueName: name.slice(name.lastIndexOf('/') + 1) },
        statistic: 'Maximum',
      }),
    ),
  ];
}

function stackOf({ status }: Stack): Said {
  if (/^(CREATE|UPDATE|IMPORT)_COMPLETE$/.test(status)) return ok(status);
  if (/_IN_PROGRESS$/.test(status)) return warn(status, 'wait until it is done');
  if (status === 'UPDATE_ROLLBACK_COMPLETE')
    return warn(`${status}: the last deployment failed, the one before stands`, 'look into the stack events, then npx cdk deploy');
  return fail(status || 'it has no status', 'look into the stack events, then npx cdk deploy');
}

function tapeOf(
  { status, openShards, isOnDemand }: { status: string; openShards: number; isOnDemand: boolean },
  wanted: Wanted | undefined,
): Said {
  const says = `${status}, ${openShards} shards${isOnDemand ? ' on demand' : ''}`;
  if (status === 'UPDATING') return warn(says, 'it works meanwhile; wait until it is done');
  if (status !== 'ACTIVE') return fail(says, 'npx cdk deploy');
  const shards = wanted?.deployment.shards;
  if (shards !== undefined && (shards === 'on-demand') !== isOnDemand) return warn(`${says}, the config has ${shards}`, 'npx cdk deploy');
  if (typeof shards === 'number' && shards !== openShards) return warn(`${says}, the config has ${shards}`, 'npx cdk deploy');
  return ok(says);
}

function mappingOf({ state, result, reason }: { state: string; result: string; reason: string }): Said {
  const says = [state, result].filter((text) => text !== '').join(', ');
  if (state === 'Enabled')
    return /^PROBLEM/i.test(result) ? fail(says, 'look into the function’s log; docs/runbooks/function-errors.md') : ok(says);
  if (/ing$/.test(state)) return warn(says, 'wait a minute');
  return fail(
    `${says}${reason === '' ? '' : ` (${reason})`}`,
    'npx cdk deploy, or enable it: aws lambda update-event-source-mapping --enabled',
  );
}

function tradesOf(seriesOf: (id: string) => Series, isOpen: boolean, nowMs: number): Said {
  const trades = sum(seriesOf('trades'));
  const incoming = sum(seriesOf('incoming'));
  const [last] = seriesOf('trades').filter(({ value }) => value > 0);
  const minutes = recentMs / minuteMs;
  if (trades > 0)
    return ok(
      `${trades.toLocaleString('en-US')} in ${minutes} minutes, the last ${Math.round((nowMs - (last?.timeMs ?? nowMs)) / minuteMs)} minutes ago`,
    );
  if (incoming > 0)
    return fail(
      `${incoming.toLocaleString('en-US')} records came in ${minutes} minutes, and none was folded`,
      'look at the reader of the tape and the consumer’s log',
    );
  if (!isOpen) return ok(`none in ${minutes} minutes, and the market is closed`);
  return warn(`none in ${minutes} minutes`, 'start the feed: npx tapeline feed; docs/runbooks/no-trades.md');
}

function lagOf(seriesOf: (id: string) => Series): Said {
  const [age, watermark] = [max(seriesOf('iteratorAge')), max(seriesOf('watermarkLag'))];
  if (age === undefined && watermark === undefined) return ok('nothing was read');
  const says = `${seconds(age ?? 0)} behind the tape, watermark ${seconds(watermark ?? 0)} behind the arrival`;
  const todo = 'docs/runbooks/iterator-age.md';
  if ((age ?? 0) > 10 * minuteMs) return fail(says, todo);
  return (age ?? 0) > minuteMs || (watermark ?? 0) > 2 * minuteMs ? warn(says, todo) : ok(says);
}

function errorsOf(errors: Series, invocations: Series, name: string): Said {
  const [failed, all] = [sum(errors), sum(invocations)];
  const says = `${failed} of ${all} invocations failed`;
  if (failed === 0) return ok(says);
  const todo = `look into the log of ${name}; docs/runbooks/function-errors.md`;
  return failed * 2 >= all ? fail(says, todo) : warn(says, todo);
}

function throttlesOf(seriesOf: (id: string) => Series): Said {
  const functions = sum(seriesOf('throttles')) + sum(seriesOf('publishThrottles'));
  const tape = sum(seriesOf('tapeThrottled'));
  if (functions > 0) return warn(`${functions} invocations had to wait for concurrency`, 'docs/runbooks/function-throttles.md');
  if (tape > 0) return warn(`${tape} puts were more than the shards take`, 'docs/runbooks/tape-throttled.md');
  return ok('none');
}

function quarantineOf(seriesOf: (id: string) => Series, { outputs }: Stack): Said {
  const [bad, good] = [sum(seriesOf('quarantined')), sum(seriesOf('trades'))];
  const percent = bad === 0 ? 0 : (100 * bad) / (bad + good);
  const says = `${bad} set aside, ${percent.toFixed(2)} % of the input`;
  return percent > 1
    ? fail(says, `look into s3://${outputs['QuarantineBucket'] ?? ''}/quarantine/; docs/runbooks/quarantine-rate.md`)
    : ok(says);
}

function conflictsOf(conflicts: Series): Said {
  const count = sum(conflicts);
  return count > 15
    ? warn(`${count} commits were too late`, 'docs/runbooks/checkpoint-conflicts.md')
    : ok(`${count} commits were too late`);
}

function publishDelayOf(seriesOf: (id: string) => Series): Said {
  const delay = max(seriesOf('publishDelay'));
  if (delay === undefined) return ok('no signals');
  const todo = 'docs/runbooks/publish-delay.md';
  if (delay > 10 * minuteMs) return fail(seconds(delay), todo);
  return delay > minuteMs ? warn(seconds(delay), todo) : ok(`${seconds(delay)} at the most`);
}

function historyOf(streams: readonly Series[]): Said {
  const ages = streams.flatMap((series) => max(series) ?? []);
  if (ages.length === 0) return ok('nothing to deliver');
  const oldest = Math.max(...ages);
  const says = `the oldest row waits for ${Math.round(oldest)} s`;
  return oldest > 1_800 ? fail(says, 'docs/runbooks/history-delay.md') : ok(says);
}

function inSeconds(series: Series): Series {
  return series.map(({ timeMs, value }) => ({ timeMs, value: value / 1_000 }));
}

function deadLettersOf(seriesOf: (id: string) => Series, { outputs }: Stack): Said {
  const givenUp = sum(seriesOf('givenUp'));
  const refused = sum(seriesOf('refused')) + sum(seriesOf('badItems'));
  const undelivered = [0, 1, 2].reduce((total, i) => total + (seriesOf(`undelivered${i}`)[0]?.value ?? 0), 0);
  if (givenUp + refused + undelivered === 0) return ok(`none in ${givenUpDays} days`);
  return fail(
    `${givenUp} batches given up, ${refused} signals refused, ${undelivered} messages undelivered in ${givenUpDays} days`,
    `look into s3://${outputs['QuarantineBucket'] ?? ''}/aws/lambda/; docs/runbooks/dead-letters.md`,
  );
}

function asideOf(seriesOf: (id: string) => Series): Said {
  const [frames, rows] = [sum(seriesOf('framesFailed')), sum(seriesOf('rowsRefused')) + sum(seriesOf('barsRefused'))];
  if (frames + rows === 0) return ok(`nothing in ${givenUpDays} days`);
  return fail(`${frames} frames and ${rows} rows in ${givenUpDays} days`, 'docs/runbooks/history-refused.md');
}

function alarmsOf(alarms: readonly { readonly name: string; readonly state: string; readonly description: string }[]): Said {
  const ringing = alarms.filter(({ state }) => state === 'ALARM');
  if (ringing.length === 0) return ok(`none of ${alarms.length}`);
  const [first] = ringing;
  return fail(
    ringing.map(({ name }) => name).join(', '),
    /What to do: (\S+)/.exec(first?.description ?? '')?.[1] ?? 'look at the dashboard',
  );
}

function sum(series: Series): number {
  return series.reduce((total, { value }) => total + value, 0);
}

function max(series: Series): number | undefined {
  return series.length === 0 ? undefined : Math.max(...series.map(({ value }) => value));
}

function seconds(ms: number): string {
  return `${(ms / 1_000).toFixed(1)} s`;
}
