import config from '#tapeline.config';
import { pipelineOptionsOf } from '../../core/config.ts';
import { historyMetrics } from '../../core/metrics.ts';
import { makeTradeTransform } from '../history-transform.ts';
import { addCounts } from './add-counts.ts';
import { logger, metrics, observed } from './telemetry.ts';

const problemsMax = 5;

const transform = makeTradeTransform({
  pipeline: pipelineOptionsOf(config),
  report: ({ records, trades, failed }) => {
    addCounts(metrics, historyMetrics, { tradesKept: trades, framesFailed: failed.length });
    const problems = failed.slice(0, problemsMax);
    logger[failed.length > 0 ? 'error' : 'info']('frames transformed', { records, trades, failed: failed.length, problems });
  },
});

/** Firehose's function: frames of the tape in, trades as lines of JSON out. */
export const handler = observed('history-transform', transform);
