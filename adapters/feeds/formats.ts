import { nearestOf } from '../../core/nearest.ts';
import { UnknownNameError } from '../errors.ts';
import { csv } from './csv.ts';
import type { FeedFormat } from './feed.ts';
import { ndjson } from './ndjson.ts';
import { schwab } from './schwab.ts';

/** Every feed that can be named with `--feed`. A new one is one file and its name here. */
export const formats: readonly FeedFormat[] = [ndjson, csv, schwab];

/** The format with a name. @throws UnknownNameError with the nearest name that there is, or that is in `others` */
export function formatOf(name: string, others: readonly string[] = []): FeedFormat {
  const format = formats.find((known) => known.name === name);
  if (format) return format;
  const names = [...formats.map((known) => known.name), ...others];
  throw new UnknownNameError(`feed must be one of ${names.join(', ')}, received "${name}"; did you mean "${nearestOf(name, names)}"?`, {
    code: 'feed-unknown',
  });
}
