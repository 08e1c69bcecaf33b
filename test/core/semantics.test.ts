import { beforeAll, describe, expect, it } from 'vitest';
import { encodePacked } from '../../adapters/frames/packed.ts';
import { MemoryCheckpoints } from '../../adapters/stores/memory.ts';
import { unpackState } from '../../adapters/stores/state-bytes.ts';
import { FrameBuilder, endFlag } from '../../core/frame.ts';
import type { Pipeline } from '../../core/pipeline.ts';
import { restore } from '../../core/snapshot.ts';
import { CombinedWatermark } from '../../core/watermark.ts';
import { makeConsumer, type TravellingState } from '../../lambdas/consume-kinesis.ts';
import { frameOf } from '../adapters/frames/reading.ts';
import { MemoryHistory } from './support/memory-history.ts';
import { pipelineWith } from './support/pipelines.ts';
import { channelCases, invalidWindows, type WindowCase, windowCases } from './support/semantics-table.ts';
import { cutsOf, eventOf, type Handler, slicesOf, type StreamRecord } from './support/stream.ts';

describe.each(windowCases)('$id ($source)', (given) => {
  const pipeline = pipelineOf(given);
  const steps = stepsOf(given);
  const expected = tableOf(steps.flatMap(({ given: lines }) => lines));

  describe.each(['json', 'packed'] as const)('in %s records', (encoding) => {
    let records: StreamRecord[] = [];
    beforeAll(() => {
      records = steps.map((step, i) => recordOf(step.text, i, encoding, outOfOrdernessOf(given)));
    });

    it('gives out each bar, late trade and watermark at its step', async () => {
      const world = new World(pipeline);
      for (const [i, step] of steps.entries()) {
        await world.invoke(eventOf([records[i] as StreamRecord]));
        const isWatermarkGiven = step.given.some((line) => line.startsWith('W='));
        expect({ step: step.text, given: world.takeLines(await (isWatermarkGiven ? world.watermark() : undefined)) }).toEqual({
          step: step.text,
          given: step.given.toSorted(),
        });
      }
    });

    it.each(['from the checkpoint', 'in the window’s state'])(
      'gives the same when every step starts from a restored state, %s',
      async (where) => {
        const world = new World(pipeline);
        let state: TravellingState | undefined = where === 'from the checkpoint' ? undefined : {};
        for (const record of records) {
          world.startContainer();
          const response = await world.invoke(eventOf([record], state && { state }));
          if (state !== undefined) ({ state } = response);
        }
        expect(world.table()).toEqual(expected);
      },
    );

    it('gives the same however the steps are cut into batches', async () => {
      for (const cuts of cutsOf(records.length, { most: 64, seed: 1 })) {
        const world = new World(pipeline);
        for (const batch of slicesOf(records, cuts)) await world.invoke(eventOf(batch));
        expect(world.table(), `cut behind ${cuts.join(', ')}`).toEqual(expected);
      }
    });

    it('gives the same when every batch is delivered twice', async () => {
      for (const cuts of cutsOf(records.length, { most: 8, seed: 2 })) {
        const world = new World(pipeline);
        let state: TravellingState = {};
        for (const batch of slicesOf(records, cuts)) {
          await world.invoke(eventOf(batch, { state }));
          ({ state } = await world.invoke(eventOf(batch, { state })));
        }
        expect(world.table(), `cut behind ${cuts.join(', ')}`).toEqual(expected);
      }
    });

    it('gives the same when the bucket moves to another shard and container in the middle, and back', async () => {
      for (let from = 0; from <= records.length; from++) {
        const world = new World(pipeline);
        const [parent, child] = [world.handler, world.startContainer()];
        const middle = Math.ceil((from + records.length) / 2);
        await inOneWindow(parent, 'shardId-0', records.slice(0, from));
        await inOneWindow(child, 'shardId-1', records.slice(from, middle));
        await inOneWindow(parent, 'shardId-2', records.slice(middle));
        expect(world.table(), `moved at ${from} and ${middle}`).toEqual(expected);
      }
    });
  });
});

describe('a window that cannot be', () => {
  it.each(invalidWindows)('is refused: $id', ({ sizeMs, offsetMs }) => {
    expect(() => pipelineWith({ windowSizesMs: [sizeMs], windowOffsetMs: offsetMs })).toThrow(RangeError);
  });
});

describe.each(channelCases)('$id ($source)', ({ channels, steps, isIdleAtEnd = false }) => {
  const apply = (combined: CombinedWatermark, step: string) => {
    const [change = ''] = step.split(' → ');
    const [channel = '', state = ''] = change.split(/[ :]/);
    if (state === 'idle' || state === 'active') combined.setIdle(Number(channel), state === 'idle');
    else combined.advance(Number(channel), Number(state));
    return combined.watermarkMs;
  };
  let lastSaid = Number.NEGATIVE_INFINITY;
  const said = steps.map((step) => {
    lastSaid = Number(step.split(' → ')[1] ?? lastSaid);
    return lastSaid;
  });

  it.each([
    ['plain', (combined: CombinedWatermark) => combined, 1],
    ['restored after every step', (combined: CombinedWatermark) => CombinedWatermark.restore(combined.snapshot()), 1],
    ['with every step twice', (combined: CombinedWatermark) => combined, 2],
  ])('says the same, %s', (_, between, times) => {
    let combined = new CombinedWatermark(channels);
    for (const [i, step] of steps.entries()) {
      for (let time = 0; time < times; time++) apply(combined, step);
      combined = between(combined);
      expect(combined.watermarkMs, step).toBe(said[i]);
    }
    expect(combined.watermarkMs).toBe(lastSaid);
    expect(combined.isIdle).toBe(isIdleAtEnd);
  });
});

type Step = { readonly text: string; readonly given: readonly string[] };

function stepsOf({ steps }: WindowCase): Step[] {
  return steps.flatMap((line) => {
    const [left = '', right = ''] = line.split(' → ');
    const texts = left.split(' ');
    const given = right
      .replace('late ', 'late_')
      .split(' ')
      .filter((text) => text !== '')
      .map((text) => text.replace('_', ' '));
    return texts.map((text, i) => ({ text, given: i === texts.length - 1 ? given : [] }));
  });
}

/** What stands at the end: of each window the last that was given out, and every late trade. */
function tableOf(lines: readonly string[]): string[] {
  const bars = new Map<string, string>();
  for (const line of lines.filter((text) => text.includes('['))) bars.set(line.replace(/=.*\[/, '[').replace(/r\d+$/, ''), line);
  return [...bars.values(), ...lines.filter((line) => line.startsWith('late'))].toSorted();
}

const nothingMovesMs = 1_000_000_000;

function outOfOrdernessOf({ outOfOrdernessMs = nothingMovesMs }: WindowCase): number {
  return outOfOrdernessMs;
}

function pipelineOf(given: WindowCase): Pipeline {
  return pipelineWith({
    windowSizesMs: [given.sizeMs],
    windowOffsetMs: given.offsetMs ?? 0,
    outOfOrdernessMs: outOfOrdernessOf(given),
    allowedLatenessMs: given.allowedLatenessMs ?? 0,
    aheadMaxMs: nothingMovesMs,
  });
}

/** The record of one step; a heartbeat moves the watermark to `outOfOrdernessMs` before it. JSON knows no end: there the last bytes are packed. */
function recordOf(text: string, index: number, encoding: 'json' | 'packed', outOfOrdernessMs: number): StreamRecord {
  const [, key = '', size = '', time = ''] = /^(\w+):(\d+)@(-?\d+)$/.exec(text) ?? [];
  const heartbeatMs = Number(text.slice(1)) + 1 + outOfOrdernessMs;
  const record = { sequenceNumber: String(index + 1), partitionKey: '0', arrivalTimeMs: 8_640_000_000_000_000 };
  if (text === 'end') {
    const builder = new FrameBuilder(0, 1);
    builder.addHeartbeat(endTimeMs, endFlag);
    return { ...record, data: encodePacked(builder.take('', 0)) };
  }
  const trade = key === '' ? undefined : { symbol: key, eventTimeMs: Number(time), price: 1, size: Number(size) };
  const data = encoding === 'json' ? Buffer.from(JSON.stringify(trade ?? { heartbeatMs })) : encodePacked(frameOf([trade ?? heartbeatMs]));
  return { ...record, data };
}

/** Later than any trade of a case that ends. */
const endTimeMs = Date.parse('2024-01-03T00:00:00Z');

/** One state and one history, and containers of the handler that come and go. */
class World {
  readonly #pipeline: Pipeline;
  readonly #checkpoints = new MemoryCheckpoints();
  readonly #history = new MemoryHistory();
  #barsTaken = 0;
  #lateTaken = 0;
  handler: Handler;

  constructor(pipeline: Pipeline) {
    this.#pipeline = pipeline;
    this.handler = this.startContainer();
  }

  startContainer(): Handler {
    this.handler = makeConsumer({ pipeline: this.#pipeline, checkpoints: this.#checkpoints, history: this.#history.writer });
    return this.handler;
  }

  invoke(...[event]: Parameters<Handler>): ReturnType<Handler> {
    return this.handler(event);
  }

  async watermark(): Promise<number> {
    const [checkpoint] = await this.#checkpoints.load([0]);
    return restore(this.#pipeline, unpackState(checkpoint?.state ?? new Uint8Array())).watermarkMs;
  }

  /** What was given out since the last call. */
  takeLines(watermarkMs: number | undefined): string[] {
    const lines = [
      ...this.#history.written.slice(this.#barsTaken).map(barLine),
      ...[...this.#history.late.values()].slice(this.#lateTaken).map(lateLine),
    ];
    this.#barsTaken = this.#history.written.length;
    this.#lateTaken = this.#history.late.size;
    return [...lines, ...(watermarkMs === undefined ? [] : [`W=${watermarkMs}`])].toSorted();
  }

  table(): string[] {
    return [...[...this.#history.bars.values()].map(barLine), ...[...this.#history.late.values()].map(lateLine)].toSorted();
  }
}

async function inOneWindow(handler: Handler, shardId: string, records: readonly StreamRecord[]): Promise<void> {
  let state: TravellingState = {};
  for (const record of records) ({ state } = await handler(eventOf([record], { state, shardId })));
  await handler(eventOf([], { state, shardId, isFinal: true }));
}

function barLine({
  symbol,
  volume,
  windowStartMs,
  windowEndMs,
  rev,
}: {
  symbol: string;
  volume: number;
  windowStartMs: number;
  windowEndMs: number;
  rev: number;
}) {
  return `${symbol}=${volume}[${windowStartMs},${windowEndMs})${rev === 0 ? '' : `r${rev}`}`;
}

function lateLine({ symbol, size, eventTimeMs }: { symbol: string; size: number; eventTimeMs: number }) {
  return `late ${symbol}:${size}@${eventTimeMs}`;
}
