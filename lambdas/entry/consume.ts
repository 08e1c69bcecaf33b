import config from '#tapeline.config';
import { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { S3Quarantine } from '../../adapters/s3/quarantine.ts';
import { S3States } from '../../adapters/s3/states.ts';
import { DynamoDbCheckpoints } from '../../adapters/stores/dynamodb.ts';
import { CheckpointConflict } from '../../adapters/stores/errors.ts';
import { pipelineOptionsOf } from '../../core/config.ts';
import { consumeMetrics } from '../../core/metrics.ts';
import { pipelineOf } from '../../core/pipeline.ts';
import { type ConsumerOptions, makeConsumer } from '../consume-kinesis.ts';
import { readBucket } from './bucket.ts';
import { addBatch, batchLineOf } from './consume-report.ts';
import { readEnvironment } from './environment.ts';
import { readHistory } from './kept-history.ts';
import { ownRetries } from './own-retries.ts';
import { logger, metrics, observed } from './telemetry.ts';

const environment = readEnvironment(['TABLE_NAME', 'QUARANTINE_PREFIX']);
const pipeline = pipelineOf(pipelineOptionsOf(config));
const { generation, bucketCount } = pipeline;
/** What the table has taken for checkpoints since the last batch that was told of. */
let writeUnits = 0;

const consume = makeConsumer({
  pipeline,
  checkpoints: new DynamoDbCheckpoints({
    client: new DynamoDBClient(ownRetries),
    tableName: environment.TABLE_NAME,
    generation,
    bucketCount,
    objects: new S3States({ bucket: readBucket('STATE') }),
    onCommitted: (commit) => {
      writeUnits += commit.writeUnits;
    },
  }),
  history: historyOf(),
  report: (batch) => {
    const line = batchLineOf(batch);
    addBatch(metrics, line);
    logger.info('batch folded', { ...line, writeUnits });
    writeUnits = 0;
  },
});

/** Lambda's handler of the tape. */
export const handler = observed('consume', async (event: Parameters<typeof consume>[0]) => {
  try {
    return await consume(event);
  } catch (error) {
    if (error instanceof CheckpointConflict)
      metrics.addMetric('checkpointConflicts', consumeMetrics.checkpointConflicts, error.buckets.length);
    throw error;
  }
});

/** Without a history, what is not bad is counted and not kept. */
function historyOf(): ConsumerOptions['history'] {
  const quarantine = new S3Quarantine({ bucket: readBucket('QUARANTINE'), prefix: environment.QUARANTINE_PREFIX });
  const history = readHistory();
  const writeQuarantined: ConsumerOptions['history']['writeQuarantined'] = async (quarantined) => {
    await quarantine.writeQuarantined(quarantined);
    await history?.writeQuarantined?.(quarantined);
  };
  if (history === undefined) return { writeBars: async () => {}, writeLate: async () => {}, writeQuarantined };
  return {
    writeBars: history.writeBars.bind(history),
    writeSignals: history.writeSignals.bind(history),
    writeLate: history.writeLate.bind(history),
    writeQuarantined,
  };
}
