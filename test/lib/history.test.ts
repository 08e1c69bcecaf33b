import { DuckDBInstance } from '@duckdb/node-api';
import { Duration, NestedStack, Stack } from 'aws-cdk-lib';
import { Match } from 'aws-cdk-lib/assertions';
import { Role, ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import { afterAll, describe, expect, it } from 'vitest';
import { schemaSql } from '../../adapters/history/duckdb-schema.ts';
import { defineTapeline } from '../../core/config.ts';
import { barsTable } from '../../core/history-tables.ts';
import { makeDataBucket } from '../../lib/data-bucket.ts';
import { History } from '../../lib/history.ts';
import { queries, viewSql } from '../../lib/history-sql.ts';
import { TimestreamHistory, type TimestreamHistoryProps } from '../../lib/history-timestream.ts';
import { Tape } from '../../lib/tape.ts';
import { alone, ofType, removeFolders, type Resource, statementsOf, synthesise, synthesisePipeline } from './synth.ts';

afterAll(removeFolders);

describe('a history alone', () => {
  it('writes Parquet by day of arrival, from JSON with the names as we write them', () => {
    const { template } = alone((stack) => new History(stack, 'History', { bufferingInterval: Duration.minutes(1) }));
    template.resourceCountIs('AWS::KinesisFirehose::DeliveryStream', 3);
    template.hasResourceProperties('AWS::KinesisFirehose::DeliveryStream', {
      // LocalStack makes none without a name.
      DeliveryStreamName: Match.stringLikeRegexp('^AloneHistory.*-bars$'),
      DeliveryStreamType: 'DirectPut',
      ExtendedS3DestinationConfiguration: {
        Prefix: 'bars/arrivalday=!{timestamp:yyyy-MM-dd}/',
        ErrorOutputPrefix: 'failed/bars/!{firehose:error-output-type}/!{timestamp:yyyy-MM-dd}/',
        BufferingHints: { IntervalInSeconds: 60, SizeInMBs: 64 },
        DataFormatConversionConfiguration: {
          Enabled: true,
          InputFormatConfiguration: { Deserializer: { OpenXJsonSerDe: { CaseInsensitive: true } } },
          OutputFormatConfiguration: { Serializer: { ParquetSerDe: { Compression: 'SNAPPY' } } },
        },
      },
    });
  });

  it('has the trades of a tape, which Firehose reads itself, by a function that turns frames into lines', () => {
    const { template, resources } = alone((stack) => new History(stack, 'History', { tape: new Tape(stack, 'Tape') }));
    template.hasResourceProperties('AWS::KinesisFirehose::DeliveryStream', {
      DeliveryStreamName: Match.stringLikeRegexp('-trades$'),
      DeliveryStreamType: 'KinesisStreamAsSource',
      KinesisStreamSourceConfiguration: { KinesisStreamARN: { 'Fn::GetAtt': [Match.stringLikeRegexp('^Tape'), 'Arn'] } },
      ExtendedS3DestinationConfiguration: {
        Prefix: 'trades/arrivalday=!{timestamp:yyyy-MM-dd}/',
        ProcessingConfiguration: {
          Enabled: true,
          // What Lambda answers may have 6 MB.
          Processors: [{ Type: 'Lambda', Parameters: Match.arrayWith([{ ParameterName: 'BufferSizeInMBs', ParameterValue: '0.3' }]) }],
        },
        DataFormatConversionConfiguration: { Enabled: true },
      },
    });
    const invoking = statementsOf(resources).filter(({ Action }) => Action.includes('lambda:InvokeFunction'));
    expect(invoking).toHaveLength(1);
    expect(JSON.stringify(invoking[0]?.Resource)).toContain('":$LATEST"');
  });

  it('has tables of rows whose partitions follow from the calendar, and a view over each', () => {
    const { resources } = alone((stack) => new History(stack, 'History', { tape: new Tape(stack, 'Tape') }));
    const tables = ofType(resources, 'AWS::Glue::Table').map(({ Properties }) => Properties.TableInput);
    const rows = tables.filter(({ TableType }) => TableType === 'EXTERNAL_TABLE');
    for (const table of rows) {
      expect(table.PartitionKeys).toEqual([{ Name: 'arrivalday', Type: 'string' }]);
      expect(table.Parameters).toMatchObject({ 'projection.enabled': 'true', 'projection.arrivalday.type': 'date' });
    }
    expect(rows.map(({ Name }) => Name)).toEqual(['bar_rows', 'signal_rows', 'late_rows', 'trade_rows']);
    const views = tables.filter(({ TableType }) => TableType === 'VIRTUAL_VIEW');
    expect(views.map(({ Name }) => Name)).toEqual(['bars', 'signals', 'late', 'trades']);
    for (const view of views) {
      const [, text = ''] = /^\/\* Presto View: (.*) \*\/$/.exec(view.ViewOriginalText) ?? [];
      const { originalSql, catalog, schema, columns } = JSON.parse(Buffer.from(text, 'base64').toString());
      expect({ catalog, schema, sql: originalSql.slice(0, 7) }).toEqual({
        catalog: 'awsdatacatalog',
        schema: expect.stringMatching(/^alone_history_[0-9a-f]{8}$/),
        sql: 'SELECT ',
      });
      expect(columns.map(({ name }: { name: string }) => name)).toEqual(
        view.StorageDescriptor.Columns.map(({ Name }: { Name: string }) => Name),
      );
    }
  });

  it('has a database and a workgroup of its own, wherever it is and whatever is beside it', () => {
    const names: string[] = [];
    for (const id of ['Fund', 'fund']) {
      synthesise(
        (app) => {
          const stack = new Stack(app, id, { stackName: id });
          const nested = new NestedStack(stack, 'Nested');
          for (const [scope, name] of [
            [stack, 'History'],
            [stack, 'Other'],
            [nested, 'History'],
          ] as const) {
            const { databaseName, workGroup } = new History(scope, name);
            names.push(`${databaseName}`);
            expect(workGroup?.name).toBe(databaseName);
          }
          return stack;
        },
        { checks: false },
      );
    }
    expect(names.filter((name) => !/^fund(_nested)?_(history|other)_[0-9a-f]{8}$/.test(name))).toEqual([]);
    expect(new Set(names).size).toBe(6);
  });

  it('takes its catalogue along when the stack goes: the rows, which are the data, stay in the bucket', () => {
    const { template, resources } = alone((stack) =>
      new History(stack, 'History').showQuarantine(makeDataBucket(stack, 'Bucket'), 'quarantine/'),
    );
    for (const type of ['AWS::Glue::Database', 'AWS::Glue::Table'])
      for (const { DeletionPolicy = 'Delete' } of ofType(resources, type)) expect(DeletionPolicy).toBe('Delete');
    template.allResources('AWS::S3::Bucket', { DeletionPolicy: 'RetainExceptOnCreate' });
  });

  it('shows quarantined input where the consumer keeps it', () => {
    const { template } = alone((stack) => new History(stack, 'History').showQuarantine(makeDataBucket(stack, 'Bucket'), 'quarantine/'));
    template.hasResourceProperties('AWS::Glue::Table', {
      TableInput: {
        Name: 'quarantine_rows',
        StorageDescriptor: {
          Location: { 'Fn::Join': ['', ['s3://', Match.anyValue(), '/quarantine/']] },
          SerdeInfo: { SerializationLibrary: 'org.openx.data.jsonserde.JsonSerDe' },
        },
      },
    });
  });

  it('shows in its view the bars that the laptop shows, with their intervals', async () => {
    const connection = await (await DuckDBInstance.create()).connect();
    await connection.run(schemaSql());
    await connection.run(`INSERT INTO bar_rows SELECT 'S' || (i % 3), (i % 5) * 1000, (i % 5) * 1000 + [0, 1, 1500, 60000, 90000, 3600000, 86400000][i % 7 + 1],
      1, 2, 3, 4, 5, 6, 7, i FROM range(500) t(i)`);
    const columns = 'symbol, windowStartMs, windowEndMs, rev, "interval"';
    const ours = await connection.runAndReadAll(`SELECT ${columns} FROM bars ORDER BY ALL`);
    // Athena divides whole numbers as DuckDB does with two strokes.
    const theirs = await connection.runAndReadAll(`SELECT ${columns} FROM (${viewSql(barsTable).replaceAll(' / ', ' // ')}) ORDER BY ALL`);
    expect(theirs.getRows()).toEqual(ours.getRows());
    expect(ours.getRows().length).toBeGreaterThan(50);
    connection.closeSync();
  });

  it('bounds what a query may read, encrypts its answer and knows queries by name', () => {
    const { template } = alone((stack) => new History(stack, 'History', { scannedMbMax: 5_000 }));
    template.hasResourceProperties('AWS::Athena::WorkGroup', {
      RecursiveDeleteOption: true,
      WorkGroupConfiguration: {
        EnforceWorkGroupConfiguration: true,
        BytesScannedCutoffPerQuery: 5_000_000_000,
        ResultConfiguration: { EncryptionConfiguration: { EncryptionOption: 'SSE_KMS' } },
      },
    });
    template.resourceCountIs('AWS::Athena::NamedQuery', queries.length);
    for (const { sql } of queries) expect(sql).toContain("arrivalday >= date_format(current_date - interval '");
  });

  it('lets a reader ask and keep the answers, and write nothing else', () => {
    const { resources } = alone((stack) => {
      const history = new History(stack, 'History');
      history.grantQuery(new Role(stack, 'Reader', { assumedBy: new ServicePrincipal('ec2.amazonaws.com') }));
    });
    const [reader] = ofType(resources, 'AWS::IAM::Policy').filter(({ Properties }) => Properties.PolicyName.startsWith('Reader')) as [
      Resource,
    ];
    const statements = statementsOf([reader]);
    expect(statements.flatMap(({ Action }) => Action)).toContain('athena:StartQueryExecution');
    const writing = statements.filter(({ Action }) => Action.includes('s3:PutObject'));
    expect(writing).toHaveLength(1);
    expect(JSON.stringify(writing[0]?.Resource)).toContain('"/query-results/*"');
  });

  it('has nothing to ask where there are no tables', () => {
    alone((stack) => {
      const history = new History(stack, 'History', { format: 'json' });
      const reader = new Role(stack, 'Reader', { assumedBy: new ServicePrincipal('ec2.amazonaws.com') });
      expect(() => history.grantQuery(reader)).toThrow('has no tables to ask');
    });
  });

  it('writes lines of JSON where there is no Glue', () => {
    const { template } = alone((stack) => new History(stack, 'History', { format: 'json' }));
    template.resourceCountIs('AWS::Glue::Table', 0);
    template.allResourcesProperties('AWS::KinesisFirehose::DeliveryStream', {
      ExtendedS3DestinationConfiguration: { CompressionFormat: 'GZIP', DataFormatConversionConfiguration: Match.absent() },
    });
  });
});

describe('a history in Timestream alone', () => {
  const make = (stack: Stack, props: Partial<TimestreamHistoryProps> = {}) =>
    new TimestreamHistory(stack, 'History', { tape: new Tape(stack, 'Tape', { retention: Duration.days(2) }), ...props });

  it('has a table for each kind of row, parted by symbol or reason, and takes what is older than its memory', () => {
    const { template, resources } = alone((stack) =>
      make(stack, { memoryRetention: Duration.hours(48), magneticRetention: Duration.days(1000) }),
    );
    const tables = ofType(resources, 'AWS::Timestream::Table').map(({ Properties }) => Properties);
    expect(tables.map(({ TableName }) => TableName)).toEqual(['bars', 'signals', 'late', 'trades', 'quarantine']);
    const keys = tables.map(({ Schema }) => Schema.CompositePartitionKey[0].Name);
    expect(keys).toEqual(['symbol', 'symbol', 'symbol', 'symbol', 'reason']);
    template.allResourcesProperties('AWS::Timestream::Table', {
      DatabaseName: { Ref: Match.stringLikeRegexp('^HistoryDatabase') },
      RetentionProperties: { MemoryStoreRetentionPeriodInHours: '48', MagneticStoreRetentionPeriodInDays: '1000' },
      MagneticStoreWriteProperties: {
        EnableMagneticStoreWrites: true,
        MagneticStoreRejectedDataLocation: {
          S3Configuration: { EncryptionOption: 'SSE_KMS', ObjectKeyPrefix: Match.stringLikeRegexp('^magnetic/') },
        },
      },
      Schema: { CompositePartitionKey: [{ Type: 'DIMENSION', EnforcementInRecord: 'REQUIRED' }] },
    });
    template.hasResource('AWS::Timestream::Database', {
      Properties: { KmsKeyId: Match.anyValue() },
      DeletionPolicy: 'RetainExceptOnCreate',
    });
    template.allResources('AWS::Timestream::Table', { DeletionPolicy: 'RetainExceptOnCreate' });
  });

  it('reads the tape in batches that it gives back until the tape forgets them', () => {
    const { template } = alone((stack) => make(stack, { bufferingInterval: Duration.seconds(30) }));
    template.hasResourceProperties('AWS::Lambda::EventSourceMapping', {
      BatchSize: 10_000,
      MaximumBatchingWindowInSeconds: 30,
      MaximumRecordAgeInSeconds: 47 * 3600,
      StartingPosition: 'TRIM_HORIZON',
      TumblingWindowInSeconds: Match.absent(),
      DestinationConfig: { OnFailure: { Destination: Match.anyValue() } },
    });
  });

  it('lets its writer write rows and keep aside what is refused, a reader ask, and nobody more', () => {
    const { resources } = alone((stack) => {
      const history = make(stack);
      history.grantQuery(new Role(stack, 'Reader', { assumedBy: new ServicePrincipal('ec2.amazonaws.com') }));
    });
    const timestreamOf = (role: string) => {
      const policies = ofType(resources, 'AWS::IAM::Policy').filter(({ Properties }) => Properties.PolicyName.startsWith(role));
      return statementsOf(policies).flatMap(({ Action, Resource }) =>
        Action.filter((action) => action.startsWith('timestream:')).map(
          (action) => `${action} ${Resource.includes('*') ? '*' : Resource.length}`,
        ),
      );
    };
    expect(timestreamOf('HistoryHandler').sort()).toEqual(['timestream:DescribeEndpoints *', 'timestream:WriteRecords 5']);
    expect(timestreamOf('Reader').sort()).toEqual([
      'timestream:CancelQuery *',
      'timestream:DescribeEndpoints *',
      'timestream:DescribeTable 5',
      'timestream:ListMeasures 5',
      'timestream:Select 5',
      'timestream:SelectValues *',
    ]);
  });
});

describe('a pipeline with its history in Timestream', () => {
  it('has no finding of cdk-nag left, no Firehose, and tells the consumer where to write', () => {
    const { template, resources, findings } = synthesisePipeline({ history: 'timestream' });
    expect(findings).toEqual([]);
    template.resourceCountIs('AWS::KinesisFirehose::DeliveryStream', 0);
    template.resourceCountIs('AWS::Timestream::Table', 5);
    const databases = ofType(resources, 'AWS::Lambda::Function').flatMap(
      ({ Properties }) => Properties.Environment.Variables.HISTORY_DATABASE ?? [],
    );
    const database = { Ref: expect.stringMatching(/^HistoryDatabase/) };
    expect(databases).toEqual([database, database]);
    expect(Object.keys(template.findOutputs('*'))).toEqual(expect.arrayContaining(['HistoryDatabase', 'RefusedRowsBucket']));
  });

  it('keeps its data when the stack goes', () => {
    const { resources } = synthesisePipeline({ history: 'timestream' }, { checks: false });
    for (const type of ['AWS::Timestream::Database', 'AWS::Timestream::Table', 'AWS::S3::Bucket'])
      for (const { DeletionPolicy } of ofType(resources, type)) expect(DeletionPolicy).toBe('RetainExceptOnCreate');
  });

  it('has none in an emulator, which has no Timestream', () => {
    const { resources, findings } = synthesisePipeline({ history: 'timestream', emulator: true });
    expect(findings).toEqual([]);
    expect(resources.filter(({ Type }) => /Timestream|Firehose/.test(Type))).toEqual([]);
  });

  it('is what the config says, unless the stack is told otherwise', () => {
    const config = defineTapeline({ history: 'timestream', shards: 5 });
    const { template } = synthesisePipeline({ config }, { checks: false });
    template.resourceCountIs('AWS::Timestream::Database', 1);
    template.hasResourceProperties('AWS::Kinesis::Stream', { ShardCount: 5 });
    const told = synthesisePipeline({ config, history: 'parquet', shardCount: 'on-demand' }, { checks: false });
    told.template.resourceCountIs('AWS::Timestream::Database', 0);
    told.template.hasResourceProperties('AWS::Kinesis::Stream', { StreamModeDetails: { StreamMode: 'ON_DEMAND' } });
  });
});
