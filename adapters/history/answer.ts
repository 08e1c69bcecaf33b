import { barsTable, lateTable, quarantineTable, signalsTable, tradesTable } from '../../core/history-tables.ts';

const tables = [barsTable, signalsTable, lateTable, tradesTable, quarantineTable];
const caseOf = new Map(tables.flatMap(({ columns }) => columns.map(({ name }) => [name.toLowerCase(), name])));

/** The column's name as our JSON has it, where it is one of ours: engines that compare names without case give them back without it. */
export function withCase(name: string): string {
  return caseOf.get(name) ?? name;
}

const wholeTypes = new Set(['TINYINT', 'SMALLINT', 'INTEGER', 'BIGINT']);
const floatTypes = new Set(['REAL', 'FLOAT', 'DOUBLE']);

/** A scalar that comes as text: a number where JSON can say it exactly, else the text. @param type its name in capitals */
export function scalarOf(text: string, type: string): unknown {
  if (type === 'BOOLEAN') return text === 'true';
  if (wholeTypes.has(type)) return Number.isSafeInteger(Number(text)) ? Number(text) : text;
  if (floatTypes.has(type)) return Number.isFinite(Number(text)) ? Number(text) : text;
  if (type.startsWith('DECIMAL')) return text.replace(/[-.]/g, '').length <= 15 ? Number(text) : text;
  return text;
}
