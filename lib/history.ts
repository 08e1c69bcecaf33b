import { Duration, Names, RemovalPolicy, Stack } from 'aws-cdk-lib';
import { CfnNamedQuery, CfnWorkGroup } from 'aws-cdk-lib/aws-athena';
import { MathExpression, Metric, type MetricOptions, Stats } from 'aws-cdk-lib/aws-cloudwatch';
import type { CfnTable } from 'aws-cdk-lib/aws-glue';
import { Grant, type IGrantable, PolicyStatement, Role, ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import { CfnDeliveryStream, type CfnDeliveryStreamProps } from 'aws-cdk-lib/aws-kinesisfirehose';
import type { IKey } from 'aws-cdk-lib/aws-kms';
import { LogGroup, LogStream, RetentionDays } from 'aws-cdk-lib/aws-logs';
import type { IBucket } from 'aws-cdk-lib/aws-s3';
import { Construct } from 'constructs';
import { barsTable, type HistoryTable, lateTable, quarantineTable, signalsTable, tradesTable } from '../core/history-tables.ts';
import { acknowledge } from './acknowledge.ts';
import { makeDataBucket } from './data-bucket.ts';
import { DataKey, grantDecrypt, grantEncrypt } from './data-key.ts';
import { HistoryCatalog } from './history-catalog.ts';
import { partitionKey, queries } from './history-sql.ts';
import { kept } from './kept.ts';
import type { KeptHistory } from './kept-history.ts';
import { defaultConfigPath, LambdaFunction } from './lambda-function.ts';
import { metricOf } from './metric.ts';
import { grantReadTape, type ReadTape } from './tape.ts';

export type HistoryProps = {
  /** Every trade of it is kept too. @default trades are not kept */
  readonly tape?: ReadTape | undefined;
  /** The file that exports the deployment's config, for a history of trades. @default `tapeline.config.ts` in the folder that the app is started in */
  readonly configPath?: string | undefined;
  /** `parquet` with a Glue table and an Athena workgroup, or lines of `json` alone, where there is no Glue. @default 'parquet' */
  readonly format?: 'parquet' | 'json' | undefined;
  /** How long Firehose collects before it writes, 60 to 900 s: longer makes fewer and larger files. @default 5 minutes */
  readonly bufferingInterval?: Duration | undefined;
  /** An Athena query that would read more is cancelled; at least 10. @default 100,000 */
  readonly scannedMbMax?: number | undefined;
  /** @default a customer key of its own */
  readonly encryptionKey?: IKey | undefined;
  /** @default not logged */
  readonly accessLogBucket?: IBucket | undefined;
  /** @default the history stays when the stack goes */
  readonly removalPolicy?: RemovalPolicy | undefined;
};

/** Firehose takes no less where it writes Parquet. */
const bufferMb = 64;
/** Athena writes the answer to every query. */
const resultsPrefix = 'query-results/';
const transformEntry = 'history-transform';

/** Lambda's answer has 6 MB, and a frame of trades grows to eight times its size in it. */
const transformBatchMb = '0.3';

/**
 * Bars, signals, trades and late trades for ever: Firehose → S3, as Parquet by day of arrival, which Athena reads by views of these names.
 *
 *     consumer ─▶ Firehose ────────────────────────▶ bars, signals, late ─┐
 *     tape ─────▶ Firehose ─▶ frames to lines of JSON ─▶ trades ───────────┴▶ S3 ─▶ Athena
 */
export class History extends Construct implements KeptHistory {
  readonly bucket: IBucket;
  readonly barsStream: CfnDeliveryStream;
  readonly signalsStream: CfnDeliveryStream;
  readonly lateStream: CfnDeliveryStream;
  /** Undefined without a tape. */
  readonly tradesStream: CfnDeliveryStream | undefined;
  /** Undefined where the format has no tables. */
  readonly workGroup: CfnWorkGroup | undefined;
  readonly encryptionKey: IKey;
  readonly #props: HistoryProps;
  readonly #catalog: HistoryCatalog | undefined;
  readonly #logGroup: LogGroup;
  #transformation: LambdaFunction | undefined;
  #quarantine: { readonly bucket: IBucket; readonly prefix: string } | undefined;

  constructor(scope: Construct, id: string, props: HistoryProps = {}) {
    super(scope, id);
    const { format = 'parquet', removalPolicy = kept, accessLogBucket, tape } = props;
    this.#props = props;
    this.encryptionKey = props.encryptionKey ?? new DataKey(this, 'Key', { removalPolicy });
    this.bucket = makeDataBucket(this, 'Bucket', {
      encryptionKey: this.encryptionKey,
      accessLogBucket,
      expirations: { [resultsPrefix]: Duration.days(7) },
      removalPolicy,
    });
    this.#logGroup = new LogGroup(this, 'Logs', { retention: RetentionDays.ONE_MONTH, removalPolicy });
    if (format === 'parquet') this.#catalog = new HistoryCatalog(this, this.bucket);
    this.barsStream = this.#makeDelivery('Bars', barsTable);
    this.signalsStream = this.#makeDelivery('Signals', signalsTable);
    this.lateStream = this.#makeDelivery('Late', lateTable);
    if (tape) this.tradesStream = this.#makeDelivery('Trades', tradesTable, tape);
    if (this.#catalog) this.workGroup = this.#makeWorkGroup(this.#catalog);
  }

  get consumerEnvironment(): Readonly<Record<string, string>> {
    return { BARS_STREAM: this.barsStream.ref, SIGNALS_STREAM: this.signalsStream.ref, LATE_STREAM: this.lateStream.ref };
  }

  /** Undefined where the format has no tables. */
  get databaseName(): string | undefined {
    return this.#catalog?.databaseName;
  }

  /** For what writes bars, signals and late trades. */
  grantWrite(grantee: IGrantable): Grant {
    return Grant.addToPrincipal({
      grantee,
      actions: ['firehose:PutRecordBatch'],
      resourceArns: [this.barsStream.attrArn, this.signalsStream.attrArn, this.lateStream.attrArn],
    });
  }

  /** Makes the consumer's quarantined input the table `quarantine`. */
  showQuarantine(bucket: IBucket, prefix: string): void {
    this.#catalog?.addLines('Quarantine', quarantineTable, `s3://${bucket.bucketName}/${prefix}`);
    this.#quarantine = { bucket, prefix };
  }

  /** For a person or a program that asks by the workgroup. @throws Error where there are no tables to ask */
  grantQuery(grantee: IGrantable): void {
    if (this.#catalog === undefined || this.workGroup === undefined)
      throw new Error('a history of lines of JSON has no tables to ask; make it with format "parquet"');
    const stack = Stack.of(this);
    const { databaseName, names } = this.#catalog;
    const glueArn = (resource: string, resourceName?: string) =>
      stack.formatArn({ service: 'glue', resource, ...(resourceName && { resourceName }) });
    const allow = (actions: string[], resourceArns: string[]) => Grant.addToPrincipal({ grantee, actions, resourceArns });
    allow(
      [
        'athena:GetQueryExecution',
        'athena:GetQueryResults',
        'athena:GetWorkGroup',
        'athena:StartQueryExecution',
        'athena:StopQueryExecution',
      ],
      [stack.formatArn({ service: 'athena', resource: 'workgroup', resourceName: this.workGroup.name })],
    );
    allow(
      ['glue:GetDatabase', 'glue:GetPartitions', 'glue:GetTable', 'glue:GetTables'],
      [glueArn('catalog'), glueArn('database', databaseName), ...names.map((name) => glueArn('table', `${databaseName}/${name}`))],
    );
    allow(['s3:GetBucketLocation', 's3:ListBucket'], [this.bucket.bucketArn]);
    allow(
      ['s3:GetObject'],
      ['bars/*', 'signals/*', 'late/*', 'trades/*', `${resultsPrefix}*`].map((objects) => this.bucket.arnForObjects(objects)),
    );
    if (this.#quarantine) {
      const { bucket, prefix } = this.#quarantine;
      allow(['s3:GetBucketLocation', 's3:ListBucket'], [bucket.bucketArn]);
      allow(['s3:GetObject'], [bucket.arnForObjects(`${prefix}*`)]);
      if (bucket.encryptionKey) grantDecrypt(bucket.encryptionKey, grantee);
    }
    allow(['s3:AbortMultipartUpload', 's3:PutObject'], [this.bucket.arnForObjects(`${resultsPrefix}*`)]);
    grantEncrypt(this.encryptionKey, grantee);
  }

  /** Frames that did not become trades: they cannot be read, or outgrow an answer of Lambda. Firehose has kept them. */
  metricFramesFailed(options?: MetricOptions): Metric {
    return metricOf(this, transformEntry, 'framesFailed', options);
  }

  /** Frames that did not become trades, and lines that did not become rows of Parquet. Firehose has kept them. */
  metricsSetAside(options?: MetricOptions): Readonly<Record<string, Metric>> {
    return {
      ...(this.tradesStream && { frames: this.metricFramesFailed(options) }),
      ...(this.#catalog && {
        ...(this.tradesStream && { trades: firehoseMetric(this.tradesStream, 'FailedConversion.Records', Stats.SUM, options) }),
        bars: firehoseMetric(this.barsStream, 'FailedConversion.Records', Stats.SUM, options),
        signals: firehoseMetric(this.signalsStream, 'FailedConversion.Records', Stats.SUM, options),
        late: firehoseMetric(this.lateStream, 'FailedConversion.Records', Stats.SUM, options),
      }),
    };
  }

  /** Of the function that turns frames into trades, as the next two; undefined without a tape. */
  metricErrors(options?: MetricOptions): Metric | undefined {
    return this.#transformation?.metricErrors(options);
  }

  metricThrottles(options?: MetricOptions): Metric | undefined {
    return this.#transformation?.metricThrottles(options);
  }

  metricDurationMs(options?: MetricOptions): Metric | undefined {
    return this.#transformation?.metricDuration(options);
  }

  /** Seconds since the oldest bar or trade that is not on S3 yet; beyond the buffering interval, Firehose cannot write. */
  metricDeliveryAgeSec({ period = Duration.minutes(5), label = '' }: MetricOptions = {}): MathExpression {
    const age = (stream: CfnDeliveryStream) => firehoseMetric(stream, 'DeliveryToS3.DataFreshness', Stats.MAXIMUM, { period });
    const usingMetrics = { bars: age(this.barsStream), ...(this.tradesStream && { trades: age(this.tradesStream) }) };
    const filled = Object.keys(usingMetrics).map((name) => `FILL(${name}, 0)`);
    return new MathExpression({ expression: `MAX([${filled.join(', ')}])`, usingMetrics, period, label });
  }

  /** Of what is put into it, or of a tape. */
  #makeDelivery(id: string, table: HistoryTable, tape?: ReadTape): CfnDeliveryStream {
    const { bufferingInterval = Duration.minutes(5) } = this.#props;
    const role = new Role(this, `${id}Role`, { assumedBy: new ServicePrincipal('firehose.amazonaws.com') });
    const glueTable = this.#catalog?.addParquet(id, table);
    this.#grantDelivery(role, table, glueTable);
    const logStream = new LogStream(this, `${id}LogStream`, {
      logGroup: this.#logGroup,
      logStreamName: table.name,
      removalPolicy: RemovalPolicy.DESTROY,
    });
    const delivery = new CfnDeliveryStream(this, `${id}Delivery`, {
      // LocalStack gives it none.
      deliveryStreamName: `${Names.uniqueResourceName(this, { maxLength: 58 })}-${table.name}`,
      ...(tape === undefined ? this.#directPut() : sourceOf(tape, role)),
      extendedS3DestinationConfiguration: {
        bucketArn: this.bucket.bucketArn,
        roleArn: role.roleArn,
        prefix: `${table.name}/${partitionKey}=!{timestamp:yyyy-MM-dd}/`,
        errorOutputPrefix: `${errorPrefix(table)}!{firehose:error-output-type}/!{timestamp:yyyy-MM-dd}/`,
        bufferingHints: { intervalInSeconds: bufferingInterval.toSeconds(), sizeInMBs: bufferMb },
        encryptionConfiguration: { kmsEncryptionConfig: { awskmsKeyArn: this.encryptionKey.keyArn } },
        cloudWatchLoggingOptions: { enabled: true, logGroupName: this.#logGroup.logGroupName, logStreamName: logStream.logStreamName },
        ...(tape && { processingConfiguration: this.#makeTransformation(role) }),
        ...(glueTable === undefined
          ? { compressionFormat: 'GZIP' }
          : { compressionFormat: 'UNCOMPRESSED', dataFormatConversionConfiguration: parquetOf(glueTable, role) }),
      },
    });
    if (tape)
      acknowledge.finding(delivery, 'KDF1', 'it reads a stream that is encrypted, and encrypts what it writes: between them nothing rests');
    // The role alone is no reason to wait for what it may do.
    delivery.node.addDependency(role);
    return delivery;
  }

  #directPut(): Pick<CfnDeliveryStreamProps, 'deliveryStreamType' | 'deliveryStreamEncryptionConfigurationInput'> {
    const { keyArn } = this.encryptionKey;
    return {
      deliveryStreamType: 'DirectPut',
      deliveryStreamEncryptionConfigurationInput: { keyType: 'CUSTOMER_MANAGED_CMK', keyArn },
    };
  }

  /** The function that Firehose hands frames to, and gets lines of JSON from. */
  #makeTransformation(role: Role): CfnDeliveryStream.ProcessingConfigurationProperty {
    const { configPath = defaultConfigPath, removalPolicy } = this.#props;
    const transformation = new LambdaFunction(this, 'Transform', {
      entry: transformEntry,
      description: 'Turns frames of the tape into trades for Firehose',
      memorySizeMb: 512,
      timeout: Duration.minutes(1),
      environment: {},
      configPath,
      removalPolicy,
    });
    this.#transformation = transformation;
    const { functionArn } = transformation;
    const lambdaArn = `${functionArn}:$LATEST`;
    const statement = new PolicyStatement({
      actions: ['lambda:InvokeFunction', 'lambda:GetFunctionConfiguration'],
      resources: [functionArn, lambdaArn],
    });
    role.addToPolicy(statement);
    return {
      enabled: true,
      processors: [
        {
          type: 'Lambda',
          parameters: [
            { parameterName: 'LambdaArn', parameterValue: lambdaArn },
            { parameterName: 'BufferSizeInMBs', parameterValue: transformBatchMb },
            { parameterName: 'BufferIntervalInSeconds', parameterValue: '60' },
            { parameterName: 'NumberOfRetries', parameterValue: '3' },
          ],
        },
      ],
    };
  }

  #grantDelivery(role: Role, table: HistoryTable, glueTable: CfnTable | undefined): void {
    const { bucketArn } = this.bucket;
    grantEncrypt(this.encryptionKey, role);
    this.#logGroup.grant(role, 'logs:PutLogEvents');
    role.addToPolicy(
      new PolicyStatement({ actions: ['s3:GetBucketLocation', 's3:ListBucket', 's3:ListBucketMultipartUploads'], resources: [bucketArn] }),
    );
    for (const prefix of [`${table.name}/`, errorPrefix(table)]) {
      role.addToPolicy(
        new PolicyStatement({
          actions: ['s3:AbortMultipartUpload', 's3:GetObject', 's3:PutObject'],
          resources: [`${bucketArn}/${prefix}*`],
        }),
      );
      acknowledge.objectsOf(this.bucket, `${prefix}*`, role, 'Firehose makes up the names of the objects under its prefix');
    }
    if (glueTable === undefined) return;
    const stack = Stack.of(this);
    const databaseName = this.databaseName;
    role.addToPolicy(
      new PolicyStatement({
        actions: ['glue:GetTable', 'glue:GetTableVersion', 'glue:GetTableVersions'],
        resources: [
          stack.formatArn({ service: 'glue', resource: 'catalog' }),
          stack.formatArn({ service: 'glue', resource: 'database', resourceName: `${databaseName}` }),
          stack.formatArn({ service: 'glue', resource: 'table', resourceName: `${databaseName}/${table.rows}` }),
        ],
      }),
    );
  }

  #makeWorkGroup({ databaseName, database }: HistoryCatalog): CfnWorkGroup {
    const { scannedMbMax = 100_000 } = this.#props;
    const workGroup = new CfnWorkGroup(this, 'WorkGroup', {
      name: databaseName,
      description: 'Asks what the pipeline has kept',
      // Of queries; what they have answered is in the bucket. Without this, nothing that was ever asked could be destroyed.
      recursiveDeleteOption: true,
      workGroupConfiguration: {
        enforceWorkGroupConfiguration: true,
        publishCloudWatchMetricsEnabled: true,
        bytesScannedCutoffPerQuery: scannedMbMax * 1_000_000,
        resultConfiguration: {
          outputLocation: `s3://${this.bucket.bucketName}/${resultsPrefix}`,
          encryptionConfiguration: { encryptionOption: 'SSE_KMS', kmsKey: this.encryptionKey.keyArn },
        },
      },
    });
    for (const { name, description, sql } of queries) {
      const query = new CfnNamedQuery(this, `Query-${name}`, {
        name,
        description,
        database: databaseName,
        queryString: sql,
        workGroup: workGroup.ref,
      });
      query.addResourceDependency(workGroup);
      query.addResourceDependency(database);
    }
    return workGroup;
  }
}

function firehoseMetric(stream: CfnDeliveryStream, metricName: string, statistic: string, options?: MetricOptions): Metric {
  const dimensionsMap = { DeliveryStreamName: stream.ref };
  return new Metric({ namespace: 'AWS/Firehose', metricName, dimensionsMap, statistic, ...options });
}

function errorPrefix({ name }: HistoryTable): string {
  return `failed/${name}/`;
}

/** Its records are encrypted where they are read from. */
function sourceOf(tape: ReadTape, role: Role): Pick<CfnDeliveryStreamProps, 'deliveryStreamType' | 'kinesisStreamSourceConfiguration'> {
  grantReadTape(tape, role);
  return {
    deliveryStreamType: 'KinesisStreamAsSource',
    kinesisStreamSourceConfiguration: { kinesisStreamArn: tape.stream.streamArn, roleArn: role.roleArn },
  };
}

function parquetOf(table: CfnTable, role: Role): CfnDeliveryStream.DataFormatConversionConfigurationProperty {
  const stack = Stack.of(table);
  const { databaseName } = table;
  return {
    enabled: true,
    // Our JSON has the names with capitals in them, the table has them without.
    inputFormatConfiguration: { deserializer: { openXJsonSerDe: { caseInsensitive: true } } },
    outputFormatConfiguration: { serializer: { parquetSerDe: { compression: 'SNAPPY' } } },
    schemaConfiguration: {
      catalogId: stack.account,
      region: stack.region,
      databaseName,
      tableName: table.ref,
      roleArn: role.roleArn,
      versionId: 'LATEST',
    },
  };
}
