import { UnknownNameError } from '../errors.ts';
import { csv } from './csv.ts';
import type { LineFeedFormat } from './lines.ts';
import { ndjson } from './ndjson.ts';
import { schwab } from './schwab.ts';

/** Every feed that can be named with `--feed`. A new one is one file and its name here. */
export const formats: readonly LineFeedFormat[] = [ndjson, csv, schwab];

/** The format with a name. @throws UnknownNameError with the nearest name that there is */
export function formatOf(name: string): LineFeedFormat {
  const format = formats.find((known) => known.name === name);
  if (format) return format;
  const names = formats.map((known) => known.name);
  const nearest = names.toSorted((a, b) => editsBetween(name.toLowerCase(), a) - editsBetween(name.toLowerCase(), b))[0];
  throw new UnknownNameError(`feed must be one of ${names.join(', ')}, received "${name}"; did you mean "${nearest}"?`, {
    code: 'feed-unknown',
  });
}

/** How many characters must be put in, taken out or changed to make one text the other (Levenshtein). */
function editsBetween(from: string, to: string): number {
  let row = Array.from({ length: to.length + 1 }, (_, column) => column);
  for (const [line, character] of [...from.slice(0, 64)].entries()) {
    const next = [line + 1];
    for (let column = 1; column <= to.length; column++) {
      const change = (row[column - 1] as number) + (character === to[column - 1] ? 0 : 1);
      next.push(Math.min(change, (row[column] as number) + 1, (next[column - 1] as number) + 1));
    }
    row = next;
  }
  return row[to.length] as number;
}
