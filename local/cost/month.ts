import {
  type ConsumeMetric,
  consumeMetrics,
  type DeliverMetric,
  deliverMetrics,
  type HistoryMetric,
  historyMetrics,
  type PublishMetric,
  publishMetrics,
  sessionMetrics,
} from '../../core/metrics.ts';
import { type Load, peakBytesPerSec } from './load.ts';
import { assumed, measured } from './measured.ts';
import { type PriceName, priceTable } from './prices.ts';

/** The parts of a deployment, in the order in which a trade goes through it. */
export const parts = ['tape', 'consumer', 'checkpoints', 'signals', 'webhooks', 'history', 'observability', 'keys'] as const;
export type Part = (typeof parts)[number];

/** Something that is counted: the factors multiplied are the quantity, in the units that the price is for. */
export type Line = {
  readonly part: Part;
  readonly what: string;
  readonly factors: readonly Factor[];
  readonly quantity: number;
  readonly price: PriceName;
  readonly usd: number;
};
export type Factor = readonly [value: number, of: string];

export type Month = {
  readonly load: Load;
  readonly lines: readonly Line[];
  /** By list price; they sum up to `usd`. */
  readonly byPart: Readonly<Record<Part, number>>;
  readonly usd: number;
  /** Of that, what AWS gives every account for nothing each month, if nothing else in the account uses it. */
  readonly freeUsd: number;
  readonly billedUsd: number;
};

/** All hours of a month are billed, trading hours or not. */
const hoursPerMonth = 730;
const kb = 1024;
/** As the consumer has it in `lambdas/consume-kinesis.ts`, `lib/signal-consumer.ts` and `adapters/stores/dynamodb.ts`. */
const travellingCharactersMax = 700_000;
const tumblingWindowSec = 300;
const consumerGb = 1_769 / kb;
const smallGb = 512 / kb;
/** As `lib/history-timestream.ts` and `adapters/history/timestream.ts` have it. */
const historyGb = 1;
const historyBufferSec = 10;
const historyParallel = 8;
const memoryRetentionHours = 3;
const outboxDays = 7;
const archiveDays = 30;
const headBytes = 250;
const putUnitBytes = 25 * kb;
const firehoseStepBytes = 5 * kb;
const frameEntriesMax = 16_384;
/** Lambda asks each shard of a stream once a second, and starts a function where there is something. */
const pollEverySec = 1;
/** Paid for in the hours in which they are sent, and sent when something is wrong. */
const sentWhenWrong: ReadonlySet<string> = new Set<ConsumeMetric | DeliverMetric | HistoryMetric | PublishMetric>([
  'quarantined',
  'checkpointConflicts',
  'unpublished',
  'refused',
  'badItems',
  'deadLetters',
  'endpointsDisabled',
  'badMessages',
  'gaps',
  'rowsRefused',
  'framesFailed',
]);
/** As `lib/alarms.ts` has them. */
const alarmMetrics = { always: 16, history: { none: 0, parquet: 9, timestream: 5 }, webhooks: 6, session: 3 } as const;

/** What a month of this load costs, line by line; what costs nothing is left out. */
export function monthOf(load: Load): Month {
  const rates = ratesOf(load);
  const lines = [
    ...tape(load, rates),
    ...consumer(load, rates),
    ...checkpoints(load, rates),
    ...signals(rates),
    ...webhooks(load, rates),
    ...history(load, rates),
    ...observability(load, rates),
    ...keys(load),
  ].filter(({ usd }) => usd > 0);
  const sum = (of: readonly Line[]) => of.reduce((usd, line) => usd + line.usd, 0);
  const byPart = Object.fromEntries(parts.map((part) => [part, sum(lines.filter((line) => line.part === part))])) as Record<Part, number>;
  const [usd, freeUsd] = [sum(lines), freeUsdOf(lines)];
  return { load, lines, byPart, usd, freeUsd, billedUsd: usd - freeUsd };
}

function freeUsdOf(lines: readonly Line[]): number {
  const byPrice = Map.groupBy(lines, ({ price }) => price);
  return [...byPrice].reduce((sum, [name, ofPrice]) => {
    const { usd, per, free } = priceTable.prices[name];
    const quantity = ofPrice.reduce((total, line) => total + line.quantity, 0);
    return sum + (Math.min(free, quantity) / per) * usd;
  }, 0);
}

type Rates = ReturnType<typeof ratesOf>;

/** What the parts share. */
function ratesOf(load: Load) {
  const { tradesPerDay, symbols, hoursPerDay, days, buckets, windowSizesMs } = load;
  const seconds = days * hoursPerDay * 3_600;
  const trades = tradesPerDay * days;
  const tradesPerSec = trades / seconds;
  const shards = load.shards === 'on-demand' ? onDemandShards(load) : load.shards;
  const windowSec = Math.min(...windowSizesMs) / 1_000;
  const closes = seconds / windowSec;
  const bars = windowSizesMs.reduce((sum, sizeMs) => sum + Math.min(trades, (symbols * seconds * 1_000) / sizeMs), 0);
  const decided = Math.min(trades, (symbols * seconds * 1_000) / (windowSizesMs[0] as number));
  const signals = decided * load.strategies * measured.signalsPerBar;
  const stored = storedBytesOf(load, tradesPerSec);
  const characters = (stored / shards) * (4 / 3);
  const spilledShare = Math.max(0, 1 - travellingCharactersMax / characters);
  const reads = seconds / Math.max(pollEverySec, load.flushEverySec);
  const saves = closes + seconds / tumblingWindowSec + reads * spilledShare;
  return {
    seconds,
    reads,
    trades,
    tradesPerSec,
    shards,
    closes,
    bars,
    signals,
    stored,
    spilledShare,
    saves,
    frame: frameOf(load, tradesPerSec),
    buckets,
  };
}

/** A stream on demand has four shards at the least, and doubles ahead of its peak. */
function onDemandShards({ tradesPerDay }: Load): number {
  return Math.max(4, Math.ceil((2 * peakBytesPerSec(tradesPerDay)) / 1e6));
}

/** All states together, as they are stored. */
function storedBytesOf({ symbols, slotsPerSymbol, windowSizesMs, allowedLatenessMs }: Load, tradesPerSec: number): number {
  const rememberedSec = (Math.max(...windowSizesMs) + allowedLatenessMs) / 1_000;
  const perSymbol = slotsPerSymbol * measured.slotStoredBytes + windowSizesMs.length * measured.rowStoredBytes;
  return symbols * perSymbol + tradesPerSec * rememberedSec * measured.idStoredBytes;
}

/** Each time the feed gives out a frame for each bucket, or more where one does not hold all of it. */
function frameOf({ buckets, symbols, flushEverySec }: Load, tradesPerSec: number): { readonly perSec: number; readonly bytes: number } {
  const trades = (tradesPerSec * flushEverySec) / buckets;
  const frames = Math.max(1, Math.ceil(trades / frameEntriesMax));
  const ofFrame = trades / frames;
  const known = Math.max(1, symbols / buckets);
  const distinct = Math.min(ofFrame, known * (1 - (1 - 1 / known) ** ofFrame));
  return {
    perSec: frames / flushEverySec,
    bytes: measured.frameHeadBytes + ofFrame * measured.frameTradeBytes + distinct * measured.frameSymbolBytes,
  };
}

function line(part: Part, what: string, price: PriceName, ...factors: Factor[]): Line {
  const quantity = factors.reduce((product, [value]) => product * value, 1);
  const { usd, per } = priceTable.prices[price];
  return { part, what, factors, quantity, price, usd: (quantity / per) * usd };
}

const gb = (bytes: number, of: string): Factor => [bytes / 1e9, `GB ${of}`];

function tape({ shards: wanted, history }: Load, { shards, seconds, frame, buckets, trades, tradesPerSec }: Rates): Line[] {
  if (wanted !== 'on-demand') {
    return [
      line('tape', 'Kinesis shards', 'kinesisShardHour', [shards, 'shards'], [hoursPerMonth, 'h']),
      line(
        'tape',
        'Kinesis puts',
        'kinesisPutUnit',
        [buckets, 'buckets'],
        [seconds * frame.perSec, 'frames each'],
        [Math.ceil(frame.bytes / putUnitBytes), `units for ${Math.round(frame.bytes)} bytes`],
      ),
    ];
  }
  const frames: Factor[] = [
    [buckets, 'buckets'],
    [seconds * frame.perSec, 'frames each'],
  ];
  const bytesOut = trades * (frame.bytes / (tradesPerSec / buckets / frame.perSec));
  return [
    line('tape', 'Kinesis stream', 'kinesisOnDemandHour', [hoursPerMonth, 'h']),
    line('tape', 'Kinesis in', 'kinesisOnDemandIn', ...frames, gb(Math.ceil(frame.bytes / kb) * kb, 'a frame, in KB begun')),
    line('tape', 'Kinesis out', 'kinesisOnDemandOut', gb(bytesOut, 'of frames'), [history === 'none' ? 1 : 2, 'readers']),
  ];
}

function consumer({ symbols, history }: Load, { shards, seconds, reads, closes, trades, spilledShare }: Rates): Line[] {
  const invocations = shards * (reads + seconds / tumblingWindowSec);
  const calls = (history === 'none' ? 3 : 4) * shards * closes + 2 * shards * (seconds / tumblingWindowSec);
  const callSec = ((calls + (spilledShare > 0 ? 2 * shards * reads : 0)) * measured.callMs) / 1_000;
  const foldSec = (invocations * measured.invocationMs + trades * measured.tradeMs + reads * symbols * measured.packSymbolMs) / 1_000;
  return [
    line(
      'consumer',
      'Lambda requests',
      'lambdaRequest',
      [shards, 'shards'],
      [invocations / shards, 'reads that find something, and ends of windows'],
    ),
    line('consumer', 'Lambda time, folding', 'lambdaGbSecond', [foldSec, 's'], [consumerGb, 'GB']),
    line('consumer', 'Lambda time, waiting for tables and streams', 'lambdaGbSecond', [callSec, 's'], [consumerGb, 'GB']),
  ];
}

function checkpoints(load: Load, { buckets, closes, saves, signals, seconds, stored, spilledShare }: Rates): Line[] {
  const perCommit = signals / (closes * buckets);
  const withSignals = 1 - Math.exp(-perCommit);
  const outboxUnits = 2 * Math.ceil((headBytes + (perCommit / Math.max(withSignals, 1e-9)) * measured.signalBytes) / kb);
  const isInTable = stored / buckets <= 2 * kb;
  const saved: Factor[] = [
    [buckets, 'buckets'],
    [saves, spilledShare > 0 ? 'saves: bar closes, windows, and what does not fit into them' : 'saves: bar closes and windows'],
  ];
  const inTable = isInTable ? stored / buckets : 0;
  const outboxBytes = (signals * measured.signalBytes * outboxDays) / load.days;
  const replacedBytes = isInTable ? 0 : ((stored * saves) / load.days) * 1.5;
  return [
    line('checkpoints', 'S3 puts of states', 's3Put', ...saved, [isInTable ? 0 : 1, 'put']),
    line(
      'checkpoints',
      'S3 gets of states',
      's3Get',
      [buckets, 'buckets'],
      [seconds / tumblingWindowSec, 'windows'],
      [isInTable ? 0 : 1, 'get'],
    ),
    line('checkpoints', 'S3 storage, replaced states for a day', 's3Storage', gb(replacedBytes + stored, 'of states')),
    line('checkpoints', 'DynamoDB writes of heads', 'dynamoDbWrite', ...saved, [2 * Math.ceil((headBytes + inTable) / kb), 'units']),
    line(
      'checkpoints',
      'DynamoDB writes of the outbox',
      'dynamoDbWrite',
      [buckets, 'buckets'],
      [closes, 'bar closes'],
      [withSignals, 'with signals'],
      [outboxUnits, 'units'],
    ),
    line('checkpoints', 'DynamoDB reads', 'dynamoDbRead', [buckets, 'buckets'], [seconds / tumblingWindowSec, 'windows'], [1, 'unit']),
    line('checkpoints', 'DynamoDB storage', 'dynamoDbStorage', gb(outboxBytes, 'of a week of outbox')),
    line('checkpoints', 'DynamoDB recovery to a point in time', 'dynamoDbRecovery', gb(outboxBytes, '')),
  ];
}

function signals({ signals, buckets, closes }: Rates): Line[] {
  const invocations = Math.min(signals, buckets * closes);
  const archivedBytes = signals * measured.signalEventBytes;
  return [
    line('signals', 'Lambda requests', 'lambdaRequest', [invocations, 'commits with signals']),
    line('signals', 'Lambda time', 'lambdaGbSecond', [invocations, 'commits'], [assumed.publishMs / 1_000, 's'], [smallGb, 'GB']),
    line('signals', 'EventBridge events', 'eventBridgeEvent', [signals, 'signals']),
    line('signals', 'EventBridge archive', 'eventBridgeArchived', gb(archivedBytes, '')),
    line('signals', `EventBridge archive, ${archiveDays} days`, 'eventBridgeStorage', gb(archivedBytes / 2, 'on average')),
    line('signals', 'SNS messages', 'snsPublish', [signals, 'signals']),
  ];
}

function webhooks({ webhooks: endpoints, queues }: Load, { signals }: Rates): Line[] {
  if (endpoints === 0) return [];
  const deliveries: Factor[] = [
    [signals, 'signals'],
    [endpoints, 'endpoints'],
  ];
  const { rounds, sweeps, invocations } = delivering(endpoints, signals);
  return [
    line('webhooks', 'SQS requests', 'sqsRequest', [signals, 'signals'], [1.3, 'sent, received and deleted in tens']),
    line('webhooks', 'Lambda requests', 'lambdaRequest', [invocations, 'batches, rounds and sweeps']),
    line(
      'webhooks',
      'Lambda time',
      'lambdaGbSecond',
      [invocations, 'batches, rounds and sweeps'],
      [assumed.deliverMs / 1_000, 's'],
      [smallGb, 'GB'],
    ),
    line('webhooks', 'DynamoDB writes', 'dynamoDbWrite', ...deliveries, [assumed.deliveryWriteUnits, 'units']),
    line('webhooks', 'DynamoDB writes, order of signals', 'dynamoDbWrite', [signals, 'signals'], [1, 'unit']),
    line('webhooks', 'DynamoDB reads, order of signals', 'dynamoDbRead', [signals, 'signals'], [1, 'unit']),
    line('webhooks', 'DynamoDB writes, leases of rounds', 'dynamoDbWrite', [rounds, 'rounds'], [3, 'units']),
    line(
      'webhooks',
      'DynamoDB reads, what is due',
      'dynamoDbRead',
      [2 * rounds + sweeps * endpoints, 'before and after rounds, and in sweeps'],
      [3, 'units'],
    ),
    line('webhooks', 'Secrets', 'secret', [1, 'secret']),
    line('webhooks', 'SQS requests, to your queues', 'sqsRequest', [signals, 'signals'], [queues, 'queues']),
    line(
      'webhooks',
      'Data to the internet',
      'transferOut',
      [signals, 'signals'],
      [endpoints - queues, 'other endpoints'],
      gb(measured.signalEventBytes + 600, 'each, with headers'),
    ),
  ];
}

/** What the deliver function is called for. */
function delivering(endpoints: number, signals: number) {
  if (endpoints === 0) return { rounds: 0, sweeps: 0, invocations: 0 };
  const sweeps = hoursPerMonth * 60;
  const batches = signals / 10;
  // One for each endpoint and batch at the most: while a round is under way, none is called.
  const rounds = batches * endpoints;
  return { rounds, sweeps, invocations: batches + rounds + sweeps };
}

function history(load: Load, rates: Rates): Line[] {
  if (load.history === 'none') return [];
  return load.history === 'parquet' ? parquet(load, rates) : timestream(load, rates);
}

function parquet(_: Load, { bars, trades, seconds, buckets, frame, closes, shards, signals }: Rates): Line[] {
  const rowBytes = bars * measured.barBytes + signals * measured.signalBytes + closes * shards * firehoseStepBytes;
  const frameSteps = Math.ceil(frame.bytes / firehoseStepBytes) * firehoseStepBytes;
  const frames: Factor[] = [[buckets, 'buckets'], [seconds * frame.perSec, 'frames'], gb(frameSteps, 'each, in steps of 5 KB')];
  const transformSec = trades * (assumed.transformTradeMs / 1_000);
  const batches = transformsOf(trades);
  const parquetBytes = bars * assumed.barParquetBytes + trades * assumed.tradeParquetBytes;
  const files = 4 * (seconds / 300) + parquetBytes / 32e6;
  return [
    line('history', 'Firehose, bars and signals', 'firehoseIn', gb(rowBytes, 'of JSON')),
    line('history', 'Firehose, bars and signals as Parquet', 'firehoseConverted', gb(rowBytes, 'of JSON')),
    line('history', 'Firehose, trades', 'firehoseIn', ...frames),
    line('history', 'Firehose, trades as Parquet', 'firehoseConverted', ...frames),
    line('history', 'Lambda requests', 'lambdaRequest', [batches, 'batches of 0.3 MB']),
    line('history', 'Lambda time', 'lambdaGbSecond', [transformSec, 's'], [smallGb, 'GB']),
    line('history', 'S3 puts', 's3Put', [files, 'files']),
    line('history', 'S3 storage, each month one more', 's3Storage', gb(parquetBytes, 'of Parquet')),
  ];
}

function transformsOf(trades: number): number {
  return (trades * measured.frameTradeBytes) / 0.3e6;
}

/** A second reader of the tape writes the trades, the consumer its bars and signals. */
function timestream(_: Load, { bars, trades, seconds, shards, signals }: Rates): Line[] {
  const rows = bars + signals;
  const bytes = trades * assumed.timestreamTradeBytes + rows * assumed.timestreamBarBytes;
  const reads = seconds / historyBufferSec;
  const callSec = ((trades / 100) * measured.callMs) / 1_000 / historyParallel;
  return [
    line(
      'history',
      'Timestream writes of trades',
      'timestreamWrite',
      [trades, 'trades'],
      [assumed.timestreamTradeWrites, 'KB in a call of 100'],
    ),
    line(
      'history',
      'Timestream writes of bars and signals',
      'timestreamWrite',
      [rows, 'rows'],
      [assumed.timestreamBarWrites, 'KB in a call of 100'],
    ),
    line('history', 'Timestream memory', 'timestreamMemory', gb(bytes, 'of rows'), [memoryRetentionHours, 'h each']),
    line('history', 'Timestream storage, each month one more', 'timestreamMagnetic', gb(bytes, 'of rows')),
    line('history', 'Lambda requests', 'lambdaRequest', [shards, 'shards'], [reads, `reads, one in ${historyBufferSec} s`]),
    line('history', 'Lambda time', 'lambdaGbSecond', [callSec + (trades * assumed.timestreamRowMs) / 1_000, 's'], [historyGb, 'GB']),
  ];
}

function observability(load: Load, { shards, seconds, reads, trades, buckets, closes, signals }: Rates): Line[] {
  const invocations = shards * (reads + seconds / tumblingWindowSec);
  const published = Math.min(signals, buckets * closes);
  const perLine = measured.logLineBytes + measured.lambdaLogBytes;
  const kept = { none: 0, parquet: transformsOf(trades), timestream: (shards * seconds) / historyBufferSec }[load.history];
  const { sweeps, invocations: delivered } = delivering(load.webhooks, signals);
  const logBytes = (invocations + published + kept + delivered) * perLine;
  const names = [
    consumeMetrics,
    publishMetrics,
    ...(load.history === 'none' ? [] : [historyMetrics]),
    ...(load.webhooks > 0 ? [deliverMetrics] : []),
    ...(load.isAlwaysOpen ? [] : [sessionMetrics]),
  ];
  const metrics = names.flatMap((group) => Object.keys(group)).filter((name) => !sentWhenWrong.has(name)).length;
  const { always, history, webhooks, session } = alarmMetrics;
  const inAlarms = always + history[load.history] + (load.webhooks > 0 ? webhooks : 0) + (load.isAlwaysOpen ? 0 : session);
  // The first of each second, and of those behind it a twentieth.
  const tracedOf = (calls: number) => Math.min(calls, 2 * closes + calls / 20);
  return [
    line('observability', 'CloudWatch logs', 'logsIn', gb(logBytes, 'of lines')),
    line('observability', 'CloudWatch logs, a month', 'logsStorage', gb(logBytes * 0.15, 'compressed')),
    line('observability', 'CloudWatch metrics', 'metric', [metrics, 'metrics of our own that are never quiet']),
    line('observability', 'CloudWatch alarms', 'alarmMetric', [inAlarms, 'metrics in alarms']),
    line('observability', 'CloudWatch dashboard', 'dashboard', [1, 'dashboard']),
    line('observability', 'X-Ray, the publisher', 'trace', [tracedOf(published), 'traces']),
    line('observability', 'X-Ray, deliveries', 'trace', [tracedOf(delivered - sweeps) + sweeps, 'traces']),
  ];
}

function keys(_: Load): Line[] {
  return [
    line('keys', 'KMS key', 'kmsKey', [1, 'key']),
    line(
      'keys',
      'KMS requests',
      'kmsRequest',
      [assumed.keyUsers, 'users'],
      [hoursPerMonth * 12, 'data keys each, one in five minutes'],
      [2, 'requests'],
    ),
  ];
}
