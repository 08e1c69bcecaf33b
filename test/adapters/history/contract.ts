import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { History } from '../../../adapters/history/history.ts';
import { BarBatch } from '../../../core/bar.ts';
import { intervalText } from '../../../core/interval.ts';
import { barRow, batchOf, late, quarantined, signals, standing } from './samples.ts';

/** What every history answers that can be asked itself, beside what it keeps (`writing-contract.ts`). `open` opens the one that is kept under `folder`, made when missing. */
export function historyContract(name: string, open: (folder: string) => Promise<History>): void {
  describe(`${name}, as a history`, () => {
    let root = '';
    beforeAll(() => {
      root = mkdtempSync(join(tmpdir(), 'tapeline-history-'));
    });
    afterAll(() => rmSync(root, { recursive: true, force: true }));

    const withHistory = async (use: (history: History, folder: string) => Promise<void>): Promise<void> => {
      const folder = mkdtempSync(join(root, 'case-'));
      const history = await open(folder);
      await use(history, folder).finally(() => history.close());
    };

    it('gives the same after it was closed and opened again', async () => {
      const rows = fc.sample(barRow, { numRuns: 3_000, seed: 1 });
      await withHistory(async (history, folder) => {
        await history.writeBars(batchOf(rows));
        await history.writeSignals(signals);
        await history.close();
        const again = await open(folder);
        await again.writeBars(batchOf(rows.slice(1_000)));
        expect(await jsonLines(again.bars())).toEqual(standing(rows).map((bar) => JSON.stringify(bar)));
        expect(await jsonLines(again.signals())).toHaveLength(signals.length);
        await again.close();
      });
    });

    it('gives each signal once, by symbol, window, strategy and id', async () => {
      await withHistory(async (history) => {
        await history.writeSignals(signals.toReversed());
        await history.writeSignals(signals.slice(1));
        expect(await jsonLines(history.signals())).toEqual(signals.map((signal) => JSON.stringify(signal)));
      });
    });

    it('keeps late trades and quarantined input once, whatever text they hold', async () => {
      await withHistory(async (history) => {
        for (let repeat = 0; repeat < 2; repeat++) {
          await history.writeLate(late);
          await history.writeQuarantined(quarantined);
        }
        expect((await history.query('SELECT * FROM late ORDER BY windowStartMs, windowEndMs')).rows).toEqual(
          late.map((trade) => [
            trade.symbol,
            trade.eventTimeMs,
            trade.price,
            trade.size,
            trade.windowStartMs,
            trade.windowEndMs,
            trade.reason,
            trade.lateByMs,
            trade.position,
          ]),
        );
        expect((await history.query('SELECT position, reason, sample FROM quarantine ORDER BY position, reason')).rows).toEqual(
          quarantined.map(({ position, reason, sample }) => [position, reason, sample]),
        );
      });
    });

    it('names columns as the JSON fields are named, and gives bars their interval', async () => {
      await withHistory(async (history) => {
        const sizesMs = [0, 1, 1_500, 1_000, 59_000, 60_000, 90_000, 3_600_000, 5_400_000, 86_400_000, 604_800_000];
        const bars = new BarBatch();
        for (const sizeMs of sizesMs) bars.add('A', -60_000, -60_000 + sizeMs, 1, 1, 1, 1, 1, 1, 1, 0);
        await history.writeBars(bars);
        const { columns, rows } = await history.query('SELECT * FROM bars ORDER BY windowEndMs');
        expect(columns.map((column) => column.name)).toEqual([...Object.keys(bars.at(0)), 'interval']);
        expect(rows.map((row) => row.at(-1))).toEqual(sizesMs.toSorted((a, b) => a - b).map(intervalText));
        expect((await history.query("SELECT symbol FROM bars WHERE interval = '1m'")).rows).toEqual([['A']]);
        for (const [view, example] of [
          ['signals', signals[0]],
          ['late', late[0]],
          ['quarantine', quarantined[0]],
        ] as const) {
          const answer = await history.query(`SELECT * FROM ${view}`);
          expect(answer.columns.map((column) => column.name)).toEqual(Object.keys(example as object));
        }
      });
    });

    it.each([
      ['INSERT INTO bar_rows SELECT * FROM bar_rows', 'query-refused'],
      ['DELETE FROM bar_rows', 'query-refused'],
      ['CREATE TABLE mine (a INTEGER)', 'query-refused'],
      ['DROP VIEW bars', 'query-refused'],
      ['SELECT 1; SELECT 2', 'query-refused'],
      ['SELECT 1; DROP VIEW bars', 'query-refused'],
      ['SELECT ?', 'query-refused'],
      ['', 'query-refused'],
      ['-- nothing', 'query-refused'],
      ['SELEC 1', 'query-failed'],
      ['SELECT missing FROM bars', 'query-failed'],
    ])('refuses %j and goes on', async (sql, code) => {
      await withHistory(async (history) => {
        await history.writeSignals(signals);
        await expect(history.query(sql)).rejects.toMatchObject({ name: 'HistoryError', code });
        expect((await history.query('SELECT count(*) FROM signals')).rows).toEqual([[signals.length]]);
      });
    });

    it('refuses an answer with more rows than were asked for', async () => {
      await withHistory(async (history) => {
        await history.writeSignals(signals);
        await expect(history.query('SELECT * FROM signals', { rowsMax: 2 })).rejects.toMatchObject({ code: 'query-too-large' });
        expect((await history.query('SELECT * FROM signals LIMIT 2', { rowsMax: 2 })).rows).toHaveLength(2);
      });
    });

    it('exports every table to Parquet, again and again, and leaves nothing else behind', async () => {
      await withHistory(async (history, folder) => {
        const rows = fc.sample(barRow, { numRuns: 500, seed: 3 });
        await history.writeBars(batchOf(rows));
        await history.writeSignals(signals);
        await history.writeLate(late);
        await history.writeQuarantined(quarantined);
        const before = readdirSync(folder);
        const target = join(root, 'parquet', "it's a folder");
        await history.exportParquet(target);
        const exported = await history.exportParquet(target);
        expect(exported.map(({ table, rows: count }) => [table, count])).toEqual([
          ['bars', standing(rows).length],
          ['signals', signals.length],
          ['late', late.length],
          ['quarantine', quarantined.length],
        ]);
        expect(readdirSync(target).toSorted()).toEqual(['bars.parquet', 'late.parquet', 'quarantine.parquet', 'signals.parquet']);
        expect(readdirSync(folder)).toEqual(before);
      });
    });
  });
}

async function jsonLines(items: AsyncIterable<unknown>): Promise<string[]> {
  const lines: string[] = [];
  for await (const item of items) lines.push(JSON.stringify(item));
  return lines;
}
