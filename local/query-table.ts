import type { QueryResult } from '../adapters/history/history.ts';

const gap = '  ';
const textWidthMin = 8;

/**
 * A result as lines of text: a header, a rule, one line a row. Numbers are right-aligned and never cut; long texts are, when the lines
 * would be wider than `width`. Control characters show as escapes, so that no value can move the cursor.
 */
export function formatTable(
  { columns, rows }: QueryResult,
  { width, colour }: { readonly width: number; readonly colour: boolean },
): string {
  const names = columns.map(({ name }) => visible(name));
  const cells = rows.map((row) => row.map(textOf));
  const isNumeric = columns.map(({ type }) => numericType.test(type));
  const widths = fittedWidths(
    names.map((name, column) => cells.reduce((widest, row) => Math.max(widest, widthOf(row[column] as string)), widthOf(name))),
    isNumeric,
    width,
  );
  const line = (texts: readonly string[]) =>
    texts
      .map((text, column) => padded(text, widths[column] as number, isNumeric[column] as boolean))
      .join(gap)
      .trimEnd();
  const emphasis = (text: string) => (colour ? `\u001b[1m${text}\u001b[22m` : text);
  const rule = widths.map((columnWidth) => '─'.repeat(columnWidth)).join(gap);
  const count = `${rows.length.toLocaleString('en')} ${rows.length === 1 ? 'row' : 'rows'}`;
  return [emphasis(line(names)), rule, ...cells.map(line), count, ''].join('\n');
}

/** RFC 4180 with line feeds; null is an empty field, lists and structs are JSON. */
export function formatCsv({ columns, rows }: QueryResult): string {
  const line = (values: readonly unknown[]) => `${values.map(csvField).join(',')}\n`;
  return [line(columns.map(({ name }) => name)), ...rows.map(line)].join('');
}

const numericType = /^(U?(TINYINT|SMALLINT|INTEGER|BIGINT|HUGEINT)|FLOAT|DOUBLE|DECIMAL\(.*\))$/;

function textOf(value: unknown): string {
  if (value === null) return '–';
  return visible(typeof value === 'object' ? JSON.stringify(value) : String(value));
}

function visible(text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, (character) => `\\u{${(character.codePointAt(0) as number).toString(16)}}`);
}

function csvField(value: unknown): string {
  if (value === null) return '';
  const text = typeof value === 'object' ? JSON.stringify(value) : String(value);
  return /[",\r\n]/.test(text) || text === '' ? `"${text.replaceAll('"', '""')}"` : text;
}

/** Takes from the widest column of texts until the line fits or no text can give more. */
function fittedWidths(wanted: readonly number[], isNumeric: readonly boolean[], width: number): number[] {
  const widths = [...wanted];
  let excess = widths.reduce((sum, columnWidth) => sum + columnWidth + gap.length, -gap.length) - width;
  while (excess > 0) {
    const texts = widths.map((columnWidth, column) => (isNumeric[column] ? 0 : columnWidth)).toSorted((a, b) => b - a);
    const [widest = 0, second = 0] = texts;
    if (widest <= textWidthMin) break;
    const taken = Math.min(excess, Math.max(1, widest - Math.max(second, textWidthMin)));
    widths[widths.findIndex((columnWidth, column) => !isNumeric[column] && columnWidth === widest)] = widest - taken;
    excess -= taken;
  }
  return widths;
}

function padded(text: string, width: number, isRight: boolean): string {
  const fitting = widthOf(text) > width ? cut(text, width) : text;
  const space = ' '.repeat(Math.max(0, width - widthOf(fitting)));
  return isRight ? space + fitting : fitting + space;
}

function cut(text: string, width: number): string {
  let kept = '';
  for (const character of text) {
    if (widthOf(kept) + widthOf(character) > width - 1) break;
    kept += character;
  }
  return `${kept}…`;
}

/** How many columns of a terminal a text takes. */
function widthOf(text: string): number {
  if (/^[\x20-\x7e]*$/.test(text)) return text.length;
  let width = 0;
  for (const character of text) width += zeroWidth.test(character) ? 0 : doubleWidth.test(character) ? 2 : 1;
  return width;
}

const zeroWidth = /^\p{Mn}$/u;
const doubleWidth = /^[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Hangul}\p{Emoji_Presentation}\uff01-\uff60]$/u;
