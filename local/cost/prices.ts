/** One price of AWS: dollars for `per` units, how many units of a month are free in every account for ever, and the page that states it. */
export type Price = { readonly usd: number; readonly per: number; readonly unit: string; readonly free: number; readonly page: string };

const page = (path: string) => `https://aws.amazon.com/${path}`;
const price = (usd: number, per: number, unit: string, path: string, free = 0): Price => ({ usd, per, unit, free, page: page(path) });
const million = 1e6;

/**
 * What AWS asks in one region, on one day: list prices in US dollars, of the first tier, without taxes. A GB is 10^9 bytes.
 */
export const priceTable = {
  region: 'us-east-1',
  date: '2026-11-24',
  prices: {
    kinesisShardHour: price(0.015, 1, 'shard-hour', 'kinesis/data-streams/pricing/'),
    kinesisPutUnit: price(0.014, million, 'put unit of 25 KB', 'kinesis/data-streams/pricing/'),
    kinesisOnDemandHour: price(0.04, 1, 'stream-hour', 'kinesis/data-streams/pricing/'),
    kinesisOnDemandIn: price(0.08, 1, 'GB in, in steps of 1 KB a record', 'kinesis/data-streams/pricing/'),
    kinesisOnDemandOut: price(0.04, 1, 'GB out', 'kinesis/data-streams/pricing/'),
    lambdaRequest: price(0.2, million, 'request', 'lambda/pricing/', million),
    lambdaGbSecond: price(0.0000133334, 1, 'GB-second, arm64', 'lambda/pricing/', 400_000),
    dynamoDbWrite: price(0.625, million, 'write unit', 'dynamodb/pricing/on-demand/'),
    dynamoDbRead: price(0.125, million, 'read unit', 'dynamodb/pricing/on-demand/'),
    dynamoDbStorage: price(0.25, 1, 'GB-month', 'dynamodb/pricing/on-demand/', 25),
    dynamoDbRecovery: price(0.2, 1, 'GB-month', 'dynamodb/pricing/on-demand/'),
    firehoseIn: price(0.029, 1, 'GB in, in steps of 5 KB a record', 'firehose/pricing/'),
    firehoseConverted: price(0.018, 1, 'GB converted', 'firehose/pricing/'),
    s3Storage: price(0.023, 1, 'GB-month', 's3/pricing/'),
    s3Put: price(0.005, 1_000, 'PUT request', 's3/pricing/'),
    s3Get: price(0.0004, 1_000, 'GET request', 's3/pricing/'),
    timestreamWrite: price(0.5, million, 'write of 1 KB', 'timestream/pricing/'),
    timestreamMemory: price(0.036, 1, 'GB-hour', 'timestream/pricing/'),
    timestreamMagnetic: price(0.03, 1, 'GB-month', 'timestream/pricing/'),
    eventBridgeEvent: price(1, million, 'event of 64 KB', 'eventbridge/pricing/'),
    eventBridgeArchived: price(0.1, 1, 'GB archived', 'eventbridge/pricing/'),
    eventBridgeStorage: price(0.023, 1, 'GB-month', 'eventbridge/pricing/'),
    snsPublish: price(0.5, million, 'message of 64 KB', 'sns/pricing/', million),
    sqsRequest: price(0.4, million, 'request of 64 KB', 'sqs/pricing/', million),
    secret: price(0.4, 1, 'secret-month', 'secrets-manager/pricing/'),
    transferOut: price(0.09, 1, 'GB to the internet', 'ec2/pricing/on-demand/', 100),
    logsIn: price(0.5, 1, 'GB of log lines', 'cloudwatch/pricing/', 5),
    logsStorage: price(0.03, 1, 'GB-month', 'cloudwatch/pricing/', 5),
    metric: price(0.3, 1, 'metric-month', 'cloudwatch/pricing/', 10),
    alarmMetric: price(0.1, 1, 'metric in an alarm, month', 'cloudwatch/pricing/', 10),
    dashboard: price(3, 1, 'dashboard-month', 'cloudwatch/pricing/', 3),
    trace: price(5, million, 'trace recorded', 'xray/pricing/', 100_000),
    kmsKey: price(1, 1, 'key-month', 'kms/pricing/'),
    kmsRequest: price(0.03, 10_000, 'request', 'kms/pricing/', 20_000),
  },
} as const;

export type PriceName = keyof typeof priceTable.prices;
