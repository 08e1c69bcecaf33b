import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { type NewRecord, SqliteTape } from '../../../adapters/tape/sqlite-tape.ts';
import { isAfter } from '../../../core/consume.ts';

const root = mkdtempSync(join(tmpdir(), 'tapeline-tape-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));
const newFile = () => join(mkdtempSync(join(root, 'case-')), 'tape.sqlite');

const records = fc.array(
  fc.record({
    shardId: fc.constantFrom('shard-0', 'shard-1'),
    partitionKey: fc.constantFrom('0', '7'),
    arrivalTimeMs: fc.nat(),
    data: fc.uint8Array({ maxLength: 40 }),
  }),
  { maxLength: 12 },
);
const all = { recordsMax: 1_000, bytesMax: 1_000_000 };

describe('the tape', () => {
  it('gives each shard what was appended to it, in order, whatever the limits of a read, also when it is opened again', () => {
    fc.assert(
      fc.property(
        fc.array(records, { maxLength: 5 }),
        fc.integer({ min: 1, max: 7 }),
        fc.integer({ min: 0, max: 60 }),
        (appends, recordsMax, bytesMax) => {
          const file = newFile();
          const written = new SqliteTape(file);
          for (const append of appends) written.append(append, [], []);
          written.close();
          const tape = new SqliteTape(file, { readOnly: true });
          for (const shardId of ['shard-0', 'shard-1']) {
            const read = [];
            for (let after = ''; ; ) {
              const some = tape.read(shardId, after, { recordsMax, bytesMax });
              if (some.length === 0) break;
              const bytes = some.reduce((sum, { data }) => sum + data.length, 0);
              expect(some.length <= recordsMax && (bytes <= bytesMax || some.length === 1)).toBe(true);
              for (const { sequenceNumber } of some) {
                expect(after === '' || isAfter(sequenceNumber, after)).toBe(true);
                after = sequenceNumber;
              }
              read.push(...some);
            }
            expect(read.map(withoutNumber)).toEqual(
              appends
                .flat()
                .filter((record) => record.shardId === shardId)
                .map(plain),
            );
          }
          expect(tape.shardIds()).toEqual([...new Set(appends.flat().map(({ shardId }) => shardId))].toSorted());
          tape.close();
        },
      ),
      { numRuns: 25 },
    );
  });

  it('appends records, what was set aside and how far the source was read together, or nothing of it', () => {
    const tape = new SqliteTape(newFile());
    const quarantined = [{ position: 'a.ndjson:3', reason: 'not-json', sample: '{' }] as const;
    tape.append([recordOf('one')], [{ source: 'feed', state: 'read 1' }], quarantined);
    const broken = { ...recordOf('three'), arrivalTimeMs: null } as unknown as NewRecord;
    expect(() => tape.append([recordOf('two'), broken], [{ source: 'feed', state: 'read 3' }], [])).toThrow(/NOT NULL/);
    const brokenSource = { source: 'feed', state: null } as unknown as { source: string; state: string };
    expect(() => tape.append([recordOf('four')], [brokenSource], [])).toThrow(/NOT NULL/);
    expect(tape.read('shard-0', '', all).map(({ data }) => Buffer.from(data).toString())).toEqual(['one']);
    expect(tape.sourceState('feed')).toBe('read 1');
    tape.append([recordOf('two')], [{ source: 'feed', state: 'read 2' }], quarantined);
    expect(tape.read('shard-0', '', all).map(({ data }) => Buffer.from(data).toString())).toEqual(['one', 'two']);
    expect([tape.sourceState('feed'), tape.sourceState('other'), tape.sourceStates()]).toEqual(['read 2', undefined, ['read 2']]);
    expect([...tape.quarantined()]).toEqual(quarantined);
    expect(tape.quarantinedByReason()).toEqual({ 'not-json': 1 });
    tape.close();
  });

  it('takes off what is safe elsewhere, and never gives its numbers again, also when it is opened anew', () => {
    const file = newFile();
    const tape = new SqliteTape(file);
    const numbers = tape.append([recordOf('one'), recordOf('two'), recordOf('three')], [], []).map(({ sequenceNumber }) => sequenceNumber);
    tape.remove(numbers.slice(1));
    expect(tape.read('shard-0', '', all).map(({ data }) => Buffer.from(data).toString())).toEqual(['one']);
    tape.close();
    const again = new SqliteTape(file);
    const [next] = again.append([recordOf('four')], [], []);
    expect(isAfter(next?.sequenceNumber ?? '', numbers.at(-1) ?? '')).toBe(true);
    again.close();
  });

  it('names its shards in order, whatever order they were written in', () => {
    const tape = new SqliteTape(newFile());
    expect(tape.shardIds()).toEqual([]);
    for (const shardId of ['shard-2', 'shard-0', 'shard-2', 'shard-1', 'shard-0']) tape.append([{ ...recordOf('one'), shardId }], [], []);
    expect(tape.shardIds()).toEqual(['shard-0', 'shard-1', 'shard-2']);
    tape.close();
  });
});

function recordOf(text: string): NewRecord {
  return { shardId: 'shard-0', partitionKey: '0', arrivalTimeMs: 1_704_205_800_000, data: Buffer.from(text) };
}

function plain({ data, ...rest }: NewRecord) {
  return { ...rest, data: [...data] };
}

function withoutNumber({ sequenceNumber: _, ...rest }: NewRecord & { sequenceNumber: string }) {
  return plain(rest);
}
