import { Names, Stack } from 'aws-cdk-lib';
import { CfnDatabase, CfnTable } from 'aws-cdk-lib/aws-glue';
import type { IBucket } from 'aws-cdk-lib/aws-s3';
import type { Construct } from 'constructs';
import type { HistoryTable } from '../core/history-tables.ts';
import { columnsOf, partitionKey, viewColumnsOf, viewSql } from './history-sql.ts';

type NamedTable = CfnTable.TableInputProperty & { readonly name: string };

/**
 * What Athena knows of a history: the database, in it a table for the rows of each kind, and a view over it with the one that stands of each key.
 * It holds no data, and goes with the stack: the rows stay in their bucket.
 */
export class HistoryCatalog {
  readonly database: CfnDatabase;
  readonly databaseName: string;
  /** Tables and views, by name. */
  readonly names: string[] = [];
  readonly #scope: Construct;
  readonly #bucket: IBucket;

  constructor(scope: Construct, bucket: IBucket) {
    this.#scope = scope;
    this.#bucket = bucket;
    // Known before the deployment, for the text of the views has it; in small letters, as Glue has all names.
    this.databaseName = Names.uniqueResourceName(scope, { separator: '_', maxLength: 128 }).toLowerCase();
    this.database = new CfnDatabase(scope, 'Database', {
      catalogId: Stack.of(scope).account,
      databaseInput: { name: this.databaseName, description: 'Bars, signals, trades, late trades and quarantined input' },
    });
  }

  /** Of Parquet by day of arrival, under the prefix of the table's name. */
  addParquet(id: string, table: HistoryTable): CfnTable {
    const location = `s3://${this.#bucket.bucketName}/${table.name}/`;
    return this.#add(id, table, {
      partitionKeys: [{ name: partitionKey, type: 'string' }],
      // Partitions follow from the calendar, so that nothing has to find and register them.
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
      storage: {
        location,
        inputFormat: 'org.apache.hadoop.hive.ql.io.parquet.MapredParquetInputFormat',
        outputFormat: 'org.apache.hadoop.hive.ql.io.parquet.MapredParquetOutputFormat',
        serdeInfo: { serializationLibrary: 'org.apache.hadoop.hive.ql.io.parquet.serde.ParquetHiveSerDe' },
      },
    });
  }

  /** Of lines of JSON under a prefix of any bucket. */
  addLines(id: string, table: HistoryTable, location: string): CfnTable {
    return this.#add(id, table, {
      parameters: { EXTERNAL: 'TRUE', classification: 'json' },
      storage: {
        location,
        inputFormat: 'org.apache.hadoop.mapred.TextInputFormat',
        outputFormat: 'org.apache.hadoop.hive.ql.io.HiveIgnoreKeyTextOutputFormat',
        serdeInfo: { serializationLibrary: 'org.openx.data.jsonserde.JsonSerDe' },
      },
    });
  }

  #add(
    id: string,
    table: HistoryTable,
    {
      storage,
      ...input
    }: Pick<CfnTable.TableInputProperty, 'partitionKeys' | 'parameters'> & { storage: CfnTable.StorageDescriptorProperty },
  ): CfnTable {
    const rows = this.#table(`${id}Table`, {
      name: table.rows,
      tableType: 'EXTERNAL_TABLE',
      ...input,
      storageDescriptor: { columns: columnsOf(table.columns, 'glue'), ...storage },
    });
    this.#table(`${id}View`, this.#viewOf(table)).addResourceDependency(rows);
    return rows;
  }

  /** As Athena itself stores what CREATE VIEW makes: the text in base64, with the types that its engine has. */
  #viewOf(table: HistoryTable): NamedTable {
    const view = {
      originalSql: viewSql(table),
      catalog: 'awsdatacatalog',
      schema: this.databaseName,
      columns: viewColumnsOf(table, 'engine'),
    };
    return {
      name: table.name,
      tableType: 'VIRTUAL_VIEW',
      parameters: { presto_view: 'true', comment: 'Presto View' },
      viewOriginalText: `/* Presto View: ${Buffer.from(JSON.stringify(view)).toString('base64')} */`,
      viewExpandedText: '/* Presto View */',
      storageDescriptor: { columns: viewColumnsOf(table, 'glue'), serdeInfo: {} },
    };
  }

  #table(id: string, tableInput: NamedTable): CfnTable {
    this.names.push(tableInput.name);
    return new CfnTable(this.#scope, id, { catalogId: Stack.of(this.#scope).account, databaseName: this.database.ref, tableInput });
  }
}
