import { type CfnResource, Duration, Names, RemovalPolicy, Stack } from 'aws-cdk-lib';
import { CfnNamedQuery, CfnWorkGroup } from 'aws-cdk-lib/aws-athena';
import { Metric, type MetricOptions } from 'aws-cdk-lib/aws-cloudwatch';
import { CfnDatabase, CfnTable } from 'aws-cdk-lib/aws-glue';
import { Grant, type IGrantable, PolicyStatement, Role, ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import { CfnDeliveryStream } from 'aws-cdk-lib/aws-kinesisfirehose';
import type { IKey } from 'aws-cdk-lib/aws-kms';
import { LogGroup, LogStream, RetentionDays } from 'aws-cdk-lib/aws-logs';
import type { IBucket } from 'aws-cdk-lib/aws-s3';
import { Construct } from 'constructs';
import { acknowledge } from './acknowledge.ts';
import { makeDataBucket } from './data-bucket.ts';
import { DataKey, grantEncrypt } from './data-key.ts';
import { barsTable, type HistoryTable, lateTable, partitionKey, queries } from './history-tables.ts';

export type HistoryProps = {
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

/** Bars and late trades for ever: Firehose → S3, as Parquet by day of arrival, which Athena reads by the tables `bars` and `late`. */
export class History extends Construct {
  readonly bucket: IBucket;
  readonly barsStream: CfnDeliveryStream;
  readonly lateStream: CfnDeliveryStream;
  /** Undefined where the format has no tables. */
  readonly workGroup: CfnWorkGroup | undefined;
  readonly encryptionKey: IKey;
  readonly #props: HistoryProps;
  readonly #database: CfnDatabase | undefined;
  readonly #logGroup: LogGroup;

  constructor(scope: Construct, id: string, props: HistoryProps = {}) {
    super(scope, id);
    const { format = 'parquet', removalPolicy = RemovalPolicy.RETAIN, accessLogBucket } = props;
    this.#props = props;
    this.encryptionKey = props.encryptionKey ?? new DataKey(this, 'Key', { removalPolicy });
    this.bucket = makeDataBucket(this, 'Bucket', {
      encryptionKey: this.encryptionKey,
      accessLogBucket,
      expirations: { [resultsPrefix]: Duration.days(7) },
      removalPolicy,
    });
    this.#logGroup = new LogGroup(this, 'Logs', { retention: RetentionDays.ONE_MONTH, removalPolicy });
    if (format === 'parquet') this.#database = this.#makeDatabase();
    this.barsStream = this.#makeDelivery('Bars', barsTable);
    this.lateStream = this.#makeDelivery('Late', lateTable);
    if (this.#database) this.workGroup = this.#makeWorkGroup(this.#database);
  }

  /** For what writes bars and late trades. */
  grantWrite(grantee: IGrantable): Grant {
    return Grant.addToPrincipal({
      grantee,
      actions: ['firehose:PutRecordBatch'],
      resourceArns: [this.barsStream.attrArn, this.lateStream.attrArn],
    });
  }

  /** For a person or a program that asks by the workgroup. @throws Error where there are no tables to ask */
  grantQuery(grantee: IGrantable): void {
    if (this.#database === undefined || this.workGroup === undefined)
      throw new Error('a history of lines of JSON has no tables to ask; make it with format "parquet"');
    const stack = Stack.of(this);
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
      [
        glueArn('catalog'),
        glueArn('database', this.#database.ref),
        glueArn('table', `${this.#database.ref}/bars`),
        glueArn('table', `${this.#database.ref}/late`),
      ],
    );
    allow(['s3:GetBucketLocation', 's3:ListBucket'], [this.bucket.bucketArn]);
    allow(
      ['s3:GetObject'],
      ['bars/*', 'late/*', `${resultsPrefix}*`].map((objects) => this.bucket.arnForObjects(objects)),
    );
    allow(['s3:AbortMultipartUpload', 's3:PutObject'], [this.bucket.arnForObjects(`${resultsPrefix}*`)]);
    grantEncrypt(this.encryptionKey, grantee);
  }

  /** Seconds since the oldest bar that is not on S3 yet; beyond the buffering interval, Firehose cannot write. */
  metricDeliveryAgeSec(options?: MetricOptions): Metric {
    return new Metric({
      namespace: 'AWS/Firehose',
      metricName: 'DeliveryToS3.DataFreshness',
      dimensionsMap: { DeliveryStreamName: this.barsStream.ref },
      statistic: 'Maximum',
      ...options,
    });
  }

  #makeDatabase(): CfnDatabase {
    const stack = Stack.of(this);
    return this.#keep(
      new CfnDatabase(this, 'Database', {
        catalogId: stack.account,
        databaseInput: { name: `${stack.stackName.toLowerCase().replace(/[^a-z0-9]/g, '_')}_history`, description: 'Bars and late trades' },
      }),
    );
  }

  #makeDelivery(id: string, table: HistoryTable): CfnDeliveryStream {
    const { bufferingInterval = Duration.minutes(5) } = this.#props;
    const role = new Role(this, `${id}Role`, { assumedBy: new ServicePrincipal('firehose.amazonaws.com') });
    const glueTable = this.#database && this.#makeTable(`${id}Table`, table, this.#database);
    this.#grantDelivery(role, table, glueTable);
    const logStream = new LogStream(this, `${id}LogStream`, {
      logGroup: this.#logGroup,
      logStreamName: table.name,
      removalPolicy: RemovalPolicy.DESTROY,
    });
    const delivery = new CfnDeliveryStream(this, `${id}Delivery`, {
      // LocalStack gives it none.
      deliveryStreamName: `${Names.uniqueResourceName(this, { maxLength: 58 })}-${table.name}`,
      deliveryStreamType: 'DirectPut',
      deliveryStreamEncryptionConfigurationInput: { keyType: 'CUSTOMER_MANAGED_CMK', keyArn: this.encryptionKey.keyArn },
      extendedS3DestinationConfiguration: {
        bucketArn: this.bucket.bucketArn,
        roleArn: role.roleArn,
        prefix: `${table.name}/${partitionKey}=!{timestamp:yyyy-MM-dd}/`,
        errorOutputPrefix: `${errorPrefix(table)}!{firehose:error-output-type}/!{timestamp:yyyy-MM-dd}/`,
        bufferingHints: { intervalInSeconds: bufferingInterval.toSeconds(), sizeInMBs: bufferMb },
        encryptionConfiguration: { kmsEncryptionConfig: { awskmsKeyArn: this.encryptionKey.keyArn } },
        cloudWatchLoggingOptions: { enabled: true, logGroupName: this.#logGroup.logGroupName, logStreamName: logStream.logStreamName },
        ...(glueTable === undefined
          ? { compressionFormat: 'GZIP' }
          : { compressionFormat: 'UNCOMPRESSED', dataFormatConversionConfiguration: parquetOf(glueTable, role) }),
      },
    });
    // The role alone is no reason to wait for what it may do.
    delivery.node.addDependency(role);
    return delivery;
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
    const databaseName = this.#database?.ref;
    role.addToPolicy(
      new PolicyStatement({
        actions: ['glue:GetTable', 'glue:GetTableVersion', 'glue:GetTableVersions'],
        resources: [
          stack.formatArn({ service: 'glue', resource: 'catalog' }),
          stack.formatArn({ service: 'glue', resource: 'database', resourceName: `${databaseName}` }),
          stack.formatArn({ service: 'glue', resource: 'table', resourceName: `${databaseName}/${table.name}` }),
        ],
      }),
    );
  }

  /** Partitions follow from the calendar, so that nothing has to find and register them. */
  #makeTable(id: string, { name, columns }: HistoryTable, database: CfnDatabase): CfnTable {
    const location = `s3://${this.bucket.bucketName}/${name}/`;
    const table = new CfnTable(this, id, {
      catalogId: Stack.of(this).account,
      databaseName: database.ref,
      tableInput: {
        name,
        tableType: 'EXTERNAL_TABLE',
        partitionKeys: [{ name: partitionKey, type: 'string' }],
        parameters: {
          EXTERNAL: 'TRUE',
          classification: 'parquet',
          'projection.enabled': 'true',
          [`projection.${partitionKey}.type`]: 'date',
          [`projection.${partitionKey}.format`]: 'yyyy-MM-dd',
          [`projection.${partitionKey}.range`]: '2026-01-01,NOW',
          [`projection.${partitionKey}.interval`]: '1',
          [`projection.${partitionKey}.interval.unit`]: 'DAYS',
          'storage.location.template': `${location}${partitionKey}=\${${partitionKey}}/`,
        },
        storageDescriptor: {
          columns: columns.map(({ name, type }) => ({ name, type })),
          location,
          inputFormat: 'org.apache.hadoop.hive.ql.io.parquet.MapredParquetInputFormat',
          outputFormat: 'org.apache.hadoop.hive.ql.io.parquet.MapredParquetOutputFormat',
          serdeInfo: { serializationLibrary: 'org.apache.hadoop.hive.ql.io.parquet.serde.ParquetHiveSerDe' },
        },
      },
    });
    return this.#keep(table);
  }

  #makeWorkGroup(database: CfnDatabase): CfnWorkGroup {
    const { scannedMbMax = 100_000 } = this.#props;
    const workGroup = new CfnWorkGroup(this, 'WorkGroup', {
      name: `${Stack.of(this).stackName}-history`,
      description: 'Asks the bars and late trades that the pipeline has kept',
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
        database: database.ref,
        queryString: sql,
        workGroup: workGroup.ref,
      });
      query.addResourceDependency(workGroup);
    }
    return workGroup;
  }

  #keep<T extends CfnResource>(resource: T): T {
    resource.applyRemovalPolicy(this.#props.removalPolicy ?? RemovalPolicy.RETAIN);
    return resource;
  }
}

function errorPrefix({ name }: HistoryTable): string {
  return `failed/${name}/`;
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
