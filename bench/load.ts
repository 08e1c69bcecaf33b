import { Logger } from '@aws-lambda-powertools/logger';
import { Metrics } from '@aws-lambda-powertools/metrics';
import { signalEventOf } from '../adapters/bus/signal-event.ts';
import { packState } from '../adapters/stores/state-bytes.ts';
import { encodePacked } from '../adapters/frames/packed.ts';
import { decodeRecord } from '../adapters/frames/decode.ts';
import type { BucketState } from '../core/bucket-state.ts';
import { emptyOutcome } from '../core/bucket-state.ts';
import { advance } from '../core/consume.ts';
import { Framer } from '../core/framer.ts';
import { snapshot } from '../core/snapshot.ts';
import { TradeBatch } from '../core/trade.ts';
import { addBatch, batchLineOf } from '../lambdas/entry/consume-report.ts';
import { pipelineFor, statesOf } from './fold.ts';
import { fillBatch, makeMarket } from './market.ts';
import { strategies } from './replay.ts';
import type { Measure, Suite } from './suite.ts';

const minutes = 60;

/** What `tapeline cost` reckons with: the bytes of an hour at 1×, a frame a second and bucket, after a while in which averages fill. */
export const load: Suite = {
  name: 'load',
  summary: 'the bytes of frames, states, bars, signals and log lines at 1×, which tapeline cost reckons with',
  run: async ({ progress }) => {
    progress(`${minutes} minutes of the market`);
    const [withIds, withoutIds] = [foldMarket({ withIds: true }), foldMarket({ withIds: false })];
    const { frames, trades, bars, signals, barBytes, signalBytes, eventBytes, symbolsInFrames } = withIds;
    const perSymbol = (bytes: number) => bytes / 1_500;
    const remembered = withIds.ids;
    return [
      row('a frame’s bytes beside its trades and symbols', headBytes(), 'bytes'),
      row('a symbol in a frame’s dictionary', (withIds.frameBytes - 26 * trades - headBytes() * frames) / symbolsInFrames, 'bytes'),
      row('a trade with an id, all of its frame', withIds.frameBytes / trades, 'bytes'),
      row('a trade without an id, all of its frame', withoutIds.frameBytes / trades, 'bytes'),
      row('state stored, without ids', perSymbol(withoutIds.storedBytes), 'bytes/symbol'),
      row('state stored, with ids', perSymbol(withIds.storedBytes), 'bytes/symbol'),
      row('of that an id', (withIds.storedBytes - withoutIds.storedBytes) / remembered, 'bytes'),
      row('bars', bars / (minutes * 1_500), 'a symbol and minute'),
      row('a bar as JSON', barBytes / bars, 'bytes'),
      row('signals', (1_000 * withIds.laterSignals) / withIds.laterBars / strategies.length, 'in 1,000 bars a strategy'),
      row('a signal as JSON', signalBytes / signals, 'bytes'),
      row('a signal’s event', eventBytes / signals, 'bytes'),
      row('the lines of an invocation', logBytes(), 'bytes'),
    ];
  },
};

function foldMarket({ withIds }: { readonly withIds: boolean }) {
  const market = makeMarket({ tradeCount: 460 * 60 * minutes });
  const states = statesOf(pipelineFor({ strategies }));
  const outcome = emptyOutcome();
  let sequence = 0;
  let from = 0;
  const sums = {
    frames: 0,
    frameBytes: 0,
    symbolsInFrames: 0,
    bars: 0,
    barBytes: 0,
    signals: 0,
    signalBytes: 0,
    eventBytes: 0,
    // Of the second half: the averages need a while.
    laterBars: 0,
    laterSignals: 0,
  };
  const framer = new Framer({
    bucketCount: 16,
    producerId: 'feed-0123456789abcdef',
    aheadMaxMs: 0,
    outOfOrdernessMs: 2_000,
    emit: (frame) => {
      const data = encodePacked(frame);
      sums.frames++;
      sums.frameBytes += data.length;
      sums.symbolsInFrames += frame.symbols.length;
      const record = decodeRecord({ sequenceNumber: String(++sequence), arrivalTimeMs: 8e15, data }, frame.bucket);
      advance(states[frame.bucket] as BucketState, [record], outcome);
      for (const bar of outcome.bars) sums.barBytes += JSON.stringify(bar).length + 1;
      sums.bars += outcome.bars.length;
      if (from > market.count / 2) sums.laterBars += outcome.bars.length;
      for (const signal of outcome.signals) {
        sums.signals++;
        if (from > market.count / 2) sums.laterSignals++;
        sums.signalBytes += JSON.stringify(signal).length + 1;
        sums.eventBytes += JSON.stringify(signalEventOf(signal, { source: '/tapeline/Tapeline' })).length;
      }
      outcome.bars.clear();
      outcome.signals.length = 0;
    },
  });
  const batch = new TradeBatch();
  for (let to = 1; to <= market.count; to++) {
    const second = (i: number) => Math.floor((market.eventTimeMs[i] as number) / 1_000);
    if (to < market.count && second(to) === second(to - 1)) continue;
    fillBatch(batch, market, { from, to, withIds });
    framer.add(batch, Number.MAX_SAFE_INTEGER);
    framer.flush();
    from = to;
  }
  const storedBytes = states.reduce((bytes, state) => bytes + packState(snapshot(state)).length, 0);
  const ids = states.reduce((sum, state) => sum + state.tradeIds.snapshot(state.watermarkMs).length / 4, 0);
  return { ...sums, trades: market.count, storedBytes, ids };
}

function headBytes(): number {
  const [frame] = framesOfNothing();
  return frame?.length ?? Number.NaN;
}

/** One heartbeat, without its entry. */
function framesOfNothing(): Uint8Array[] {
  const frames: Uint8Array[] = [];
  const emit = (frame: Parameters<typeof encodePacked>[0]) => frames.push(encodePacked(frame).subarray(0, -18));
  const framer = new Framer({ bucketCount: 1, producerId: 'feed-0123456789abcdef', aheadMaxMs: 0, outOfOrdernessMs: 2_000, emit });
  framer.heartbeat(1.7e12);
  framer.flush();
  return frames;
}

/** One batch through the very logger and metrics that the function has, each line with the 26 bytes that CloudWatch counts for it. */
function logBytes(): number {
  const batch = {
    records: 8,
    trades: 460,
    duplicates: 0,
    outcome: emptyOutcome(),
    checkpoints: 0,
    stateBytes: 401_230,
    watermarkLagMs: 2_740,
    watermarksMs: new Map(),
  };
  const line = batchLineOf(batch);
  const metrics = new Metrics({ namespace: 'Tapeline', serviceName: 'Tapeline/consume' });
  addBatch(metrics, line);
  const numbers = JSON.stringify(metrics.serializeMetrics());
  let text = '';
  const told = console.info;
  console.info = (written: string) => {
    text = JSON.stringify(JSON.parse(written));
  };
  try {
    // Otherwise the logger has a console of its own.
    process.env['POWERTOOLS_DEV'] = 'true';
    new Logger({ serviceName: 'Tapeline/consume' }).info('batch folded', {
      ...line,
      writeUnits: 0,
      xray_trace_id: '1-5759e988-bd862e3fe1be46a994272793',
    });
  } finally {
    console.info = told;
  }
  return text.length + numbers.length + 2 * 26;
}

function row(what: string, ours: number, unit: string): Measure {
  return { what, ours, unit };
}
