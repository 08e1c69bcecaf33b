import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { formatCsv, formatTable } from '../../local/query-table.ts';

const table = (types: string[], rows: unknown[][], width = Number.POSITIVE_INFINITY) =>
  formatTable({ columns: types.map((type, index) => ({ name: `c${index}`, type })), rows }, { width, colour: false });

describe('a table for the terminal', () => {
  it('has one line a row and lets no value write control characters, whatever the values hold', () => {
    fc.assert(
      fc.property(fc.array(fc.string({ unit: 'binary' })), fc.integer({ min: 1, max: 200 }), (values, width) => {
        const lines = table(
          ['VARCHAR'],
          values.map((value) => [value]),
          width,
        ).split('\n');
        expect(lines).toHaveLength(values.length + 4);
        for (const line of lines) expect(line).not.toMatch(/\p{Cc}/u);
      }),
    );
  });

  it('is no wider than the terminal while texts can give way', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.string(), fc.string(), fc.integer()), { minLength: 1 }),
        fc.integer({ min: 40, max: 120 }),
        (rows, width) => {
          for (const line of table(['VARCHAR', 'VARCHAR', 'INTEGER'], rows, width).split('\n'))
            expect(line.length).toBeLessThanOrEqual(width);
        },
      ),
    );
  });

  it('never cuts a number', () => {
    expect(table(['DOUBLE', 'VARCHAR'], [[0.30000000000000004, 'a long text that gives way']], 20)).toContain(
      '0.30000000000000004  a long …',
    );
  });

  it.each([
    ['株式', 4],
    ['é', 1],
    ['e\u0301', 1],
    ['🚀', 2],
  ])('gives "%s" %i columns', (value, columns) => {
    const [, rule] = table(['VARCHAR', 'VARCHAR'], [[`${value}abc`, 'x']]).split('\n');
    expect(rule).toBe(`${'─'.repeat(columns + 3)}  ──`);
  });

  it.each([
    ['\u001b[31m', '\\u{1b}[31m'],
    ['a\nb', 'a\\u{a}b'],
    ['\u202e', '\\u{202e}'],
  ])('shows %j as %s', (value, shown) => {
    expect(table(['VARCHAR'], [[value]])).toContain(shown);
  });

  it('has a bold header in colour', () => {
    expect(formatTable({ columns: [{ name: 'a', type: 'INTEGER' }], rows: [[1]] }, { width: 80, colour: true })).toBe(
      '\u001b[1ma\u001b[22m\n─\n1\n1 row\n',
    );
  });
});

describe('CSV', () => {
  it('gives every text back, null apart from the empty text', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.option(fc.string({ unit: 'binary' })), fc.option(fc.constantFrom('', '"', ',', '\n', 'a"b', 'c')))),
        (rows) => {
          const csv = formatCsv({
            columns: [
              { name: 'a', type: 'VARCHAR' },
              { name: 'b', type: 'VARCHAR' },
            ],
            rows,
          });
          expect(fieldsOf(csv)).toEqual([['a', 'b'], ...rows]);
        },
      ),
    );
  });
});

/** The plainest reader of RFC 4180; a field without quotes and characters is null. */
function fieldsOf(csv: string): (string | null)[][] {
  const records: (string | null)[][] = [];
  let record: (string | null)[] = [];
  const field = /"((?:[^"]|"")*)"|([^,\n]*)/y;
  while (field.lastIndex < csv.length) {
    const at = field.lastIndex;
    const [, quotedText, plain] = field.exec(csv) as RegExpExecArray;
    record.push(quotedText !== undefined ? quotedText.replaceAll('""', '"') : plain || null);
    if (field.lastIndex === 0) field.lastIndex = at;
    if (csv[field.lastIndex] === '\n') {
      records.push(record);
      record = [];
    }
    field.lastIndex++;
  }
  return records;
}
