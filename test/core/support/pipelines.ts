import { type Pipeline, type PipelineOptions, pipelineOf } from '../../../core/pipeline.ts';

/** One bucket, one-minute bars, nothing late or out of order, no strategies: a case states what it changes. */
export const plainOptions: PipelineOptions = {
  generation: 'test',
  bucketCount: 1,
  windowSizesMs: [60_000],
  windowOffsetMs: 0,
  outOfOrdernessMs: 0,
  allowedLatenessMs: 0,
  aheadMaxMs: 60_000,
  emptyWindows: 'none',
  conditions: 'all',
  calendar: 'always',
  strategies: [],
};

export function pipelineWith(options: Partial<PipelineOptions>): Pipeline {
  return pipelineOf({ ...plainOptions, ...options });
}
