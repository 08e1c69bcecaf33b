import { FirehoseClient } from '@aws-sdk/client-firehose';
import { TimestreamWriteClient } from '@aws-sdk/client-timestream-write';
import { FirehoseHistory } from '../../adapters/history/firehose.ts';
import type { History } from '../../adapters/history/history.ts';
import { TimestreamHistory } from '../../adapters/history/timestream.ts';
import { S3RefusedRows } from '../../adapters/s3/refused-rows.ts';
import { historyMetrics } from '../../core/metrics.ts';
import { readBucket } from './bucket.ts';
import { readEnvironment } from './environment.ts';
import { ownRetries } from './own-retries.ts';
import { logger, metrics } from './telemetry.ts';

type Kept = Pick<History, 'writeBars' | 'writeSignals' | 'writeLate'> & Partial<Pick<History, 'writeQuarantined'>>;

/** Where the deployment keeps bars, signals and late trades, and quarantined input too where nothing reads its bucket; undefined where it does not. */
export function readHistory(): Kept | undefined {
  if (process.env['HISTORY_DATABASE'] !== undefined) return readTimestreamHistory();
  if (process.env['BARS_STREAM'] === undefined) return undefined;
  const streams = readEnvironment(['BARS_STREAM', 'SIGNALS_STREAM', 'LATE_STREAM']);
  return new FirehoseHistory({
    client: new FirehoseClient(ownRetries),
    barsStream: streams.BARS_STREAM,
    signalsStream: streams.SIGNALS_STREAM,
    lateStream: streams.LATE_STREAM,
  });
}

/** The database of `HISTORY_DATABASE`; what it refuses goes to the bucket of `REFUSED_ROWS_BUCKET`. */
export function readTimestreamHistory(): TimestreamHistory {
  const { HISTORY_DATABASE: database, REFUSED_ROWS_PREFIX: prefix } = readEnvironment(['HISTORY_DATABASE', 'REFUSED_ROWS_PREFIX']);
  const refusedRows = new S3RefusedRows({ bucket: readBucket('REFUSED_ROWS'), prefix });
  // Told only by the general variables, the client would ask that endpoint where to go, and be sent to AWS.
  const endpoint = process.env['AWS_ENDPOINT_URL_TIMESTREAM_WRITE'] ?? process.env['AWS_ENDPOINT_URL'];
  return new TimestreamHistory({
    client: new TimestreamWriteClient({ ...ownRetries, ...(endpoint !== undefined && { endpoint }) }),
    database,
    keepRefused: async (refused) => {
      metrics.addMetric('rowsRefused', historyMetrics.rowsRefused, refused.length);
      logger.error('rows refused by Timestream', { refused: refused.length, first: refused[0] });
      await refusedRows.keep(refused);
    },
  });
}
