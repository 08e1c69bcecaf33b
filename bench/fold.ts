import { decodeRecord } from '../adapters/frames/decode.ts';
import { BucketState, emptyOutcome } from '../core/bucket-state.ts';
import { pipelineOptionsOf, type TapelineConfig } from '../core/config.ts';
import { advance } from '../core/consume.ts';
import { type Pipeline, pipelineOf } from '../core/pipeline.ts';
import { addBars, type Answer } from './answer.ts';
import { arrivalTimeMs, type PackedRecord } from './market.ts';

export function pipelineFor(config: TapelineConfig = {}): Pipeline {
  return pipelineOf(pipelineOptionsOf(config));
}

export function statesOf(pipeline: Pipeline): BucketState[] {
  return Array.from({ length: pipeline.bucketCount }, (_, bucket) => new BucketState(pipeline, bucket));
}

/**
 * Folds records from bytes to bars, all that the consumer does with them but to store; returns how many bars came.
 * @param before how many records were folded before these
 */
export function foldRecords(states: readonly BucketState[], records: readonly PackedRecord[], answer?: Answer, before = 0): number {
  const outcome = emptyOutcome();
  let barCount = 0;
  let sequence = before;
  for (const { bucket, data } of records) {
    const record = decodeRecord({ sequenceNumber: String(++sequence), arrivalTimeMs, data }, bucket);
    advance(states[bucket] as BucketState, [record], outcome);
    barCount += outcome.bars.length;
    if (answer !== undefined) addBars(answer, outcome.bars);
    outcome.bars.clear();
    outcome.signals.length = 0;
  }
  return barCount;
}

/** The bars of records that make no revisions, for others to be compared with. */
export function answerOf(records: readonly PackedRecord[], config: TapelineConfig = {}): Answer {
  const answer: Answer = new Map();
  foldRecords(statesOf(pipelineFor(config)), records, answer);
  return answer;
}
