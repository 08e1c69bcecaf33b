import { type _Record, TimestreamWriteClient } from '@aws-sdk/client-timestream-write';
import { account } from '../../aws/table.ts';
import { type Answer, HttpService, type Request } from '../../http-service.ts';

export type StoredRow = {
  readonly table: string;
  readonly time: number;
  readonly version: number;
  readonly dimensions: Readonly<Record<string, string>>;
  readonly measures: Readonly<Record<string, string>>;
};

type Call = { readonly table: string; readonly common: _Record; readonly records: readonly _Record[] };
type Rejected = { RecordIndex: number; Reason: string; ExistingVersion?: number };

export type FakeOptions = {
  /** Whether a row makes its whole call invalid. @default none does */
  readonly isInvalid?: (row: StoredRow) => boolean;
  /** The error of a whole call, counted from 1; undefined for an answer. @default none */
  readonly failCall?: (call: number) => { readonly status: number; readonly type: string } | 'cut' | undefined;
  /** The times that the table takes: from the oldest of its stores to 15 minutes ahead. @default all */
  readonly fromMs?: number;
  readonly toMs?: number;
};

/**
 * WriteRecords of Timestream for LiveAnalytics as its documentation has it: what a call may hold, when a whole call is invalid, which rows are
 * rejected and which version stands.
 * @see https://docs.aws.amazon.com/timestream/latest/developerguide/API_WriteRecords.html
 */
export class FakeTimestream extends HttpService {
  readonly calls: Call[] = [];
  readonly rows = new Map<string, StoredRow>();
  #options: FakeOptions = {};

  get client(): TimestreamWriteClient {
    return new TimestreamWriteClient({ ...account, maxAttempts: 1, endpoint: this.endpoint });
  }

  rowsOf(table: string): StoredRow[] {
    return [...this.rows.values()].filter((row) => row.table === table);
  }

  reset(options: FakeOptions = {}): void {
    this.#options = options;
    this.calls.length = 0;
    this.rows.clear();
  }

  protected answerTo({ headers, body }: Request): Answer {
    const target = headers['x-amz-target'];
    if (target !== 'Timestream_20181101.WriteRecords') return refused('UnknownOperationException', `no ${target} here`);
    const { TableName: table, CommonAttributes: common = {}, Records: records } = JSON.parse(body.toString());
    this.calls.push({ table, common, records });
    const failure = this.#options.failCall?.(this.calls.length);
    if (failure === 'cut') return 'cut';
    if (failure !== undefined) return refused(failure.type, `as told: ${failure.type}`, failure.status);
    if (records.length === 0 || records.length > 100) return refused('ValidationException', `1 to 100 records, not ${records.length}`);
    if (records.some((record: _Record) => overlaps(common, record)))
      return refused('ValidationException', 'dimensions must have unique names');
    const rows: StoredRow[] = records.map((record: _Record) => rowOf(table, common, record));
    if (rows.some(isMalformed) || rows.some((row) => this.#options.isInvalid?.(row)))
      return refused('ValidationException', 'a record is invalid');
    const rejected = rows.flatMap((row, index) => this.#take(row, index) ?? []);
    if (rejected.length === 0)
      return { status: 200, body: { RecordsIngested: { Total: rows.length, MemoryStore: rows.length, MagneticStore: 0 } } };
    return refused('RejectedRecordsException', 'One or more records have been rejected.', 400, { RejectedRecords: rejected });
  }

  #take(row: StoredRow, RecordIndex: number): Rejected | undefined {
    const { fromMs = Number.NEGATIVE_INFINITY, toMs = Number.POSITIVE_INFINITY } = this.#options;
    if (row.time < fromMs || row.time > toMs)
      return { RecordIndex, Reason: 'The record timestamp is outside the time range of the data ingestion window.' };
    if (bytesOf(row) > 2048) return { RecordIndex, Reason: 'The record exceeds the maximum size of 2 KB.' };
    const key = JSON.stringify([row.table, row.time, row.dimensions]);
    const existing = this.rows.get(key);
    const isSame = existing !== undefined && JSON.stringify(existing.measures) === JSON.stringify(row.measures);
    if (existing !== undefined && (row.version < existing.version || (row.version === existing.version && !isSame))) {
      const Reason = 'A record already exists with the same time, dimensions, measure name, and record version.';
      return { RecordIndex, Reason, ExistingVersion: existing.version };
    }
    this.rows.set(key, row);
    return undefined;
  }
}

function rowOf(table: string, common: _Record, record: _Record): StoredRow {
  const merged = { ...common, ...record };
  const dimensions = [...(common.Dimensions ?? []), ...(record.Dimensions ?? [])].map(({ Name, Value }) => [Name, Value] as const);
  return {
    table,
    time: Number(merged.Time),
    version: merged.Version ?? 1,
    dimensions: Object.fromEntries(dimensions.toSorted(([a = ''], [b = '']) => (a < b ? -1 : 1))),
    measures: Object.fromEntries((merged.MeasureValues ?? []).map(({ Name, Value }) => [Name, Value])),
  };
}

function overlaps({ Dimensions: common = [] }: _Record, { Dimensions: own = [] }: _Record): boolean {
  return own.some(({ Name }) => common.some((dimension) => dimension.Name === Name));
}

function isMalformed({ time, version, dimensions, measures }: StoredRow): boolean {
  const texts = [...Object.values(dimensions), ...Object.values(measures)];
  return !Number.isSafeInteger(time) || version < 1 || texts.length === 0 || texts.some((text) => typeof text !== 'string' || text === '');
}

function bytesOf({ dimensions, measures }: StoredRow): number {
  return Buffer.byteLength(
    Object.entries({ ...dimensions, ...measures })
      .flat()
      .join(''),
  );
}

function refused(type: string, message: string, status = 400, more: object = {}): Answer {
  return { status, body: { __type: `com.amazonaws.timestream.v20181101#${type}`, message, Message: message, ...more } };
}
