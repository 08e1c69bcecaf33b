import config from '#tapeline.config';
import { pipelineOptionsOf } from '../../core/config.ts';
import { historyMetrics } from '../../core/metrics.ts';
import { makeHistoryWriter } from '../history.ts';
import { addCounts } from './add-counts.ts';
import { readTimestreamHistory } from './kept-history.ts';
import { logger, metrics, observed } from './telemetry.ts';

const write = makeHistoryWriter({
  pipeline: pipelineOptionsOf(config),
  history: readTimestreamHistory(),
  report: ({ records, trades }) => {
    addCounts(metrics, historyMetrics, { tradesKept: trades });
    logger.info('trades kept', { records, trades });
  },
});

/** Lambda's handler of the tape, for a history in Timestream. */
export const handler = observed('history', write);
