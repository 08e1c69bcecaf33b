import { HistoryError } from './history.ts';

const reading = ['SELECT', 'WITH', 'VALUES', 'TABLE', 'SHOW', 'DESCRIBE', 'EXPLAIN'];

/** Refuses what is no statement that reads, before it costs anything. What the account may do, its permissions say. @throws HistoryError `query-refused` */
export function checkReading(sql: string): void {
  const [first = ''] = /[a-z]+/i.exec(withoutComments(sql)) ?? [];
  if (first === '') throw new HistoryError('query-refused', 'the SQL holds no statement');
  if (reading.includes(first.toUpperCase())) return;
  throw new HistoryError(
    'query-refused',
    `only statements that read are answered (${reading.join(', ')}), received ${first.toUpperCase()}`,
  );
}

export function withoutComments(sql: string): string {
  return sql.replace(/'(?:[^']|'')*'|"(?:[^"]|"")*"|--[^\n]*|\/\*[\s\S]*?\*\//g, (part) => (/^['"]/.test(part) ? part : ' '));
}
