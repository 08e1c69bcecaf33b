import { eventTimeMaxMs } from '../../../core/trade.ts';

/**
 * Cases from the tests and manuals of other stream engines. Values are sums (a trade of that size at price 1).
 *
 * A step is `key:value@time` (a trade), `W5` (Flink's watermark: no more events with time <= 5), `end` (the input is over). After the arrow is
 * what the line's last step gives out, and nothing else may come out in between: `key=sum[start,end)` a bar, with `r1` at its first revision,
 * `late key:value@time`, and `W=5`, our watermark then (no more trades with time < 5).
 */
export type WindowCase = {
  readonly id: string;
  readonly source: string;
  readonly sizeMs: number;
  readonly offsetMs?: number;
  /** Undefined: so great that only the watermarks of the case move time. */
  readonly outOfOrdernessMs?: number;
  readonly allowedLatenessMs?: number;
  readonly steps: readonly string[];
  /** Why we decide otherwise than the engine, where we do. */
  readonly ours?: string;
};

const max = eventTimeMaxMs;
const e8 = 'k2:1@3999 k2:1@3000 k1:1@20 k1:1@0 k1:1@999 k2:1@1998 k2:1@1999 k2:1@1000';
const clock = (time: string) => Date.parse(`2024-01-02T${time}Z`);
const hours = (from: string, to: string) => `[${clock(`${from}:00`)},${clock(`${to}:00`)})`;

export const windowCases: readonly WindowCase[] = [
  {
    id: 'A5 offset 0',
    source: 'Flink TumblingEventTimeWindowsTest',
    sizeMs: 5000,
    steps: ['k:1@0 k:2@4999 k:4@5000', 'W9999 → k=3[0,5000) k=4[5000,10000)'],
  },
  {
    id: 'A5 offset 100',
    source: 'Flink TumblingEventTimeWindowsTest',
    sizeMs: 5000,
    offsetMs: 100,
    steps: ['k:1@100 k:2@5099 k:4@5100', 'W10099 → k=3[100,5100) k=4[5100,10100)'],
  },
  {
    id: 'A5 offset -100',
    source: 'Flink TumblingEventTimeWindowsTest',
    sizeMs: 5000,
    offsetMs: -100,
    steps: ['k:1@0 k:2@4899 k:4@4900', 'W9899 → k=3[-100,4900) k=4[4900,9900)'],
  },
  { id: 'A7 tumbling', source: 'Kafka TimeWindowsTest', sizeMs: 12, steps: ['k:1@21', 'W23 → k=1[12,24)'] },
  {
    id: 'B1',
    source: 'Flink WindowOperatorTest.testTumblingEventTimeWindowsReduce',
    sizeMs: 3000,
    steps: [
      e8,
      'W999 → W=1000',
      'W1999 → W=2000',
      'W2999 → k1=3[0,3000) k2=3[0,3000)',
      'W3999 W4999',
      'W5999 → k2=2[3000,6000)',
      'W6999 W7999 → W=8000',
    ],
  },
  {
    id: 'B5',
    source: 'Flink WindowOperatorTest.testLateness',
    sizeMs: 2000,
    allowedLatenessMs: 500,
    steps: [
      'k2:1@500 W1500 k2:1@1300',
      'W2300 → k2=2[0,2000)',
      'k2:1@1997 → k2=3[0,2000)r1',
      'W6000',
      'k2:1@1998 → late k2:1@1998',
      'W7000 → W=7001',
    ],
    ours: 'a revision is the whole bar, 3: its open, high, low and close cannot be merged from the part that Flink’s purging trigger gives, 1',
  },
  {
    id: 'B6',
    source: 'Flink WindowOperatorTest.testCleanupTimeOverflow',
    sizeMs: 1000,
    outOfOrdernessMs: 0,
    allowedLatenessMs: 2000,
    steps: [`k2:1@${max - 1750}`, `W${max - 1500}`, `W${max - 1001} → k2=1[${max - 2000},${max - 1000})`],
    ours: 'the greatest event time is 8,640,000,000,000,000, beyond which a Date is invalid; a trade past it is quarantined',
  },
  {
    id: 'B8',
    source: 'Flink WindowOperatorTest.testSideOutputDueToLatenessTumbling',
    sizeMs: 2000,
    steps: [
      'k2:1@1000 W1985 k2:1@1980',
      'W1999 → k2=2[0,2000)',
      'k2:1@1998 → late k2:1@1998',
      'k2:1@2001 W2999',
      'W3999 → k2=1[2000,4000)',
    ],
  },
  {
    id: 'C13',
    source: 'Flink BoundedOutOfOrdernessWatermarksTest',
    sizeMs: 1_000_000,
    outOfOrdernessMs: 10,
    steps: ['k:1@1337 → W=1327', 'k:1@12345 k:1@12300 k:1@12340', 'k:1@12280 → W=12335', 'k:1@723456 → W=723446', 'end → k=6[0,1000000)'],
    ours: 'W is Flink’s watermark + 1',
  },
  {
    id: 'D1',
    source: 'Kafka SuppressScenarioTest.shouldSupportFinalResultsForTimeWindows',
    sizeMs: 2,
    outOfOrdernessMs: 1,
    steps: ['k:1@0 k:1@1 k:1@2 k:1@1 k:1@0', 'k:1@5 → k=4[0,2) k=1[2,4)', 'k:1@0 → late k:1@0', 'end → k=1[4,6)'],
    ours: 'a bar is given out when its window closes, so Kafka’s unsuppressed updates ([0,2)=1, =2, …) are not',
  },
  {
    id: 'D2',
    source: 'Kafka SuppressScenarioTest.shouldSupportFinalResultsForTimeWindowsWithLargeJump',
    sizeMs: 2,
    outOfOrdernessMs: 2,
    steps: [
      'k:1@0 k:1@1 k:1@2 k:1@0 k:1@3 k:1@0',
      'k:1@4 → k=4[0,2)',
      'k:1@0 → late k:1@0',
      'k:1@30 → k=2[2,4) k=1[4,6)',
      'end → k=1[30,32)',
    ],
  },
  {
    id: 'D9',
    source: 'Kafka shouldLogAndMeterWhenSkippingExpiredWindowByGrace',
    sizeMs: 10,
    outOfOrdernessMs: 90,
    steps: ['k:1@200 → W=110', ...[100, 101, 102, 103, 104, 105, 6].map((time) => `k:1@${time} → late k:1@${time}`), 'end → k=1[200,210)'],
  },
  {
    id: 'E1',
    source: 'Spark “append mode”',
    sizeMs: 5,
    outOfOrdernessMs: 10,
    steps: ['k:1@10 k:1@11 k:1@12 k:1@13 k:1@14 k:1@15', 'k:1@25 → k=5[10,15)', 'k:1@10 → late k:1@10', 'end → k=1[15,20) k=1[25,30)'],
    ours: 'W moves with each record; Spark’s moves between batches, so that its verdict depends on where a batch was cut. Here they agree',
  },
  {
    id: 'E2',
    source: 'Spark “update mode”',
    sizeMs: 5,
    outOfOrdernessMs: 10,
    steps: [
      'k:1@10 k:1@11 k:1@12 k:1@13 k:1@14 k:1@15',
      'k:1@25 → k=5[10,15)',
      'k:1@10 → late k:1@10',
      'k:1@25',
      'k:1@10 → late k:1@10',
      'end → k=1[15,20) k=2[25,30)',
    ],
    ours: 'open windows are not given out, so update mode has one output of a window and not one a batch; the final table is the same',
  },
  {
    id: 'E3',
    source: 'Spark “complete mode”',
    sizeMs: 5,
    outOfOrdernessMs: 10,
    allowedLatenessMs: 1000,
    steps: ['k:1@10 k:1@11 k:1@12', 'k:1@25 → k=3[10,15)', 'k:1@25', 'k:1@10 → k=4[10,15)r1', 'k:1@25', 'end → k=3[25,30)'],
    ours: 'complete mode never evicts; here that is an allowed lateness longer than the case',
  },
  {
    id: 'F8',
    source: 'Beam testAdvanceWatermarkNonMonotonicThrows',
    sizeMs: 10,
    steps: ['k:1@5 W4 → W=5', 'W2 → W=5', 'W9 → k=1[0,10) W=10', 'W3 → W=10'],
    ours: 'a lower watermark is ignored: in a log that is read again it is no error',
  },
  {
    id: 'G1',
    source: 'Bytewax test_event_clock.py',
    sizeMs: 100,
    outOfOrdernessMs: 5,
    steps: ['k:1@7 → W=2', 'k:1@10 → W=5', 'k:1@3 → W=5', 'end → k=3[0,100)'],
    ours: 'the wall clock does not move W: a replay would decide otherwise',
  },
  {
    id: 'G2',
    source: 'Bytewax test_fold_window_tumbling',
    sizeMs: 10,
    outOfOrdernessMs: 0,
    steps: ['k:1@0 k:1@4 k:1@8', 'k:1@16 → k=3[0,10)', 'end → k=1[10,20)'],
  },
  {
    id: 'G4',
    source: 'docs.risingwave.com/processing/watermarks',
    sizeMs: 3_600_000,
    outOfOrdernessMs: 10_000,
    steps: [
      `k:1@${clock('11:59:30')} → W=${clock('11:59:20')}`,
      `k:1@${clock('12:00:00')} → W=${clock('11:59:50')}`,
      `k:1@${clock('12:00:11')} → k=1${hours('11:00', '12:00')} W=${clock('12:00:01')}`,
      `k:1@${clock('11:59:50')} → late k:1@${clock('11:59:50')} W=${clock('12:00:01')}`,
      `end → k=2${hours('12:00', '13:00')}`,
    ],
    ours: 'windows are half-open, so the trade of 12:00:00 is in the next hour; the manual counts it in the one that ends there',
  },
];

/** Configurations that Flink refuses, and so do we. */
export const invalidWindows = [
  { id: 'A10 size -1', sizeMs: -1, offsetMs: 0 },
  { id: 'A10 size 10, offset 20', sizeMs: 10, offsetMs: 20 },
  { id: 'A10 size 10, offset -11', sizeMs: 10, offsetMs: -11 },
  { id: 'size 0', sizeMs: 0, offsetMs: 0 },
  { id: 'size 1.5', sizeMs: 1.5, offsetMs: 0 },
  { id: 'offset 0.5', sizeMs: 10, offsetMs: 0.5 },
  { id: 'size 10, offset 10', sizeMs: 10, offsetMs: 10 },
];

/** Channels of one combined watermark: `channel:watermark`, `1 idle`, `1 active`; after the arrow what is said then, if it changes. */
export type ChannelCase = {
  readonly id: string;
  readonly source: string;
  readonly channels: number;
  readonly steps: readonly string[];
  readonly isIdleAtEnd?: boolean;
  readonly ours?: string;
};

export const channelCases: readonly ChannelCase[] = [
  { id: 'C1', source: 'Flink StatusWatermarkValveTest', channels: 3, steps: ['0:0', '1:0', '2:0 → 0'] },
  {
    id: 'C2',
    source: 'Flink testMultipleInputIncreasingWatermarks',
    channels: 3,
    steps: ['0:0', '1:0', '2:0 → 0', '0:12', '2:8', '2:10', '1:15 → 10', '2:17 → 12', '0:20 → 15'],
  },
  { id: 'C3', source: 'Flink testSingleInputDecreasingWatermarksYieldsNoOutput', channels: 1, steps: ['0:25 → 25', '0:18', '0:42 → 42'] },
  {
    id: 'C4',
    source: 'Flink testMultipleInputDecreasingWatermarksYieldsNoOutput',
    channels: 3,
    steps: ['0:25', '1:10', '2:17 → 10', '0:12', '1:8', '2:15'],
  },
  {
    id: 'C5',
    source: 'Flink …AdvancingWithPartiallyIdleChannels',
    channels: 3,
    steps: ['0:15', '1:10', '2 idle → 10', '1:18 → 15', '0:20 → 18'],
  },
  {
    id: 'C6',
    source: 'Flink …AsChannelsIndividuallyBecomeIdle',
    channels: 3,
    steps: ['0:25', '1:10', '2:17 → 10', '1 idle → 17', '2 idle → 25'],
  },
  {
    id: 'C7',
    source: 'Flink …FlushMaxWatermark…OnceAllInputsBecomeIdle',
    channels: 3,
    steps: ['0:10', '1:5', '2:3 → 3', '0 idle', '1 idle', '2 idle'],
    isIdleAtEnd: true,
    ours: 'held at 3: a quiet market closes no windows by itself. Flink flushes to 10',
  },
  {
    id: 'C10',
    source: 'Flink testSingleInputWatermarksIntactDuringIdleness',
    channels: 1,
    steps: ['0:25 → 25', '0 idle', '0:50', '0 active', '0:50 → 50'],
  },
  { id: 'C11', source: 'Flink WatermarkOutputMultiplexerTest.noCombinedDeferredUpdateWhenWeHaveZeroOutputs', channels: 0, steps: [] },
  {
    id: 'C12',
    source: 'Flink combinedWatermarkDoesNotRegressWhenIdleOutputRegresses',
    channels: 2,
    steps: ['0:2', '1:5 → 2', '0 idle → 5', '0:3', '0 active', '0:3'],
    ours: 'what an idle channel says is ignored until it is active',
  },
  {
    id: 'a resumed channel counts again once it has caught up',
    source: 'the rule of Flink’s StatusWatermarkValve',
    channels: 3,
    steps: [
      '0:10',
      '1:7',
      '2:3 → 3',
      '2 idle → 7',
      '1:10 → 10',
      '0:15',
      '2 active',
      '2:5',
      '1:12 → 12',
      '2:9',
      '1:14 → 14',
      '2:20',
      '0:30',
      '1:40 → 20',
    ],
  },
];
