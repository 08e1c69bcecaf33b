import { type _Record, TimestreamWriteClient } from '@aws-sdk/client-timestream-write';
import { startMoto } from './moto.ts';
import { account } from './table.ts';

export type TimestreamLocal = {
  readonly endpoint: string;
  readonly client: TimestreamWriteClient;
  /** What a table was sent, in order: moto keeps every record as it came, without what its call said once for all. */
  readonly recordsOf: (table: string) => Promise<_Record[]>;
  readonly stop: () => void;
};

/** moto with Timestream's write protocol. It takes any number of records and any version: it proves the wiring, not the rules. */
export async function startTimestreamLocal(): Promise<TimestreamLocal> {
  const { endpoint, stop } = await startMoto();
  const client = new TimestreamWriteClient({ ...account, endpoint });
  return { endpoint, client, recordsOf: (table) => recordsOf(endpoint, table), stop };
}

async function recordsOf(endpoint: string, name: string): Promise<_Record[]> {
  const kept = (await (await fetch(`${endpoint}/moto-api/data.json`)).json()) as {
    timestreamwrite: { TimestreamTable: { name: string; records: _Record[] }[] };
  };
  return kept.timestreamwrite.TimestreamTable.find((table) => table.name === name)?.records ?? [];
}
