import { expect, it } from 'vitest';
import { TapelineError } from '../../../adapters/errors.ts';
import { formatOf, formats } from '../../../adapters/feeds/formats.ts';

it.each(formats)('knows $name', (format) => {
  expect(formatOf(format.name)).toBe(format);
  expect(format.summary).not.toBe('');
});

it.each([
  ['ndjosn', 'ndjson'],
  ['CSV', 'csv'],
  ['json', 'ndjson'],
  ['schwap', 'schwab'],
  ['tsv', 'csv'],
])('refuses "%s" and names "%s"', (name, nearest) => {
  expect(() => formatOf(name)).toThrow(TapelineError);
  expect(() => formatOf(name)).toThrow(`received "${name}"; did you mean "${nearest}"?`);
});

it('names what else there is where it is asked', () => {
  expect(() => formatOf('tpe', ['tape'])).toThrow('one of ndjson, csv, schwab, tape, received "tpe"; did you mean "tape"?');
});
