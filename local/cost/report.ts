import { type Line, type Month, parts } from './month.ts';
import { priceTable } from './prices.ts';

const lineWidth = 48;

/** The month for people: each line with the factors that it is made of. */
export function costText({ load, lines, byPart, usd, freeUsd, billedUsd }: Month): string {
  const { tradesPerDay, symbols, hoursPerDay, days, shards, buckets } = load;
  const shape = shards === 'on-demand' ? 'a stream on demand' : `${numberText(shards)} shards`;
  const head = [
    `A month in ${priceTable.region} by the prices of ${priceTable.date}, in US dollars before taxes.`,
    `${numberText(tradesPerDay)} trades a day (${numberText(tradesPerDay / (hoursPerDay * 3_600))} a second) of ${numberText(symbols)} symbols, ` +
      `${numberText(hoursPerDay)} hours on ${numberText(days)} days; ${shape}, ${numberText(buckets)} buckets, history ${load.history}.`,
  ];
  const body = parts.flatMap((part) => {
    const ofPart = lines.filter((line) => line.part === part);
    return ofPart.length === 0 ? [] : ['', row(part, byPart[part]), ...ofPart.map(lineText)];
  });
  const foot = [
    '',
    row('total', usd),
    row('less what is free in every account', -freeUsd),
    row('to pay', billedUsd),
    '',
    ...assumptions.map((text) => `- ${text}`),
  ];
  return `${[...head, ...body, ...foot].join('\n')}\n`;
}

/** What the numbers rest on beside the prices. */
export const assumptions = [
  'A GB of market data is 10 million trades of 100 bytes, as feeds send them; packed they take a third.',
  'The feed is tapeline feed: a packed frame for each bucket, as often as it flushes. One trade a record would cost several times as much.',
  'Signals come as often as in a simulated market, 18.7 in 1,000 bars of a strategy; a cooldown makes them fewer.',
  'Trades are on time. With 1 % up to a minute late, bars are given out again, 9 % more rows of the history, and saved with the next ones: some 80 cents at 1×.',
  'The peak is ten times the average of a day; shards are what it needs and a third more, but never fewer than in the config.',
  'S3 and Timestream storage is that of the first month; what is kept is paid again each month.',
  'Queries, subscribers of the topic, alarms that go off and the feed itself are not in it.',
];

function lineText(line: Line): string {
  const { usd, per, unit } = priceTable.prices[line.price];
  const factors = line.factors.map(([value, of]) => `${numberText(value)} ${of}`.trim()).join(' × ');
  return `${row(`  ${line.what}`, line.usd)}   ${factors}, at $${usd} ${per === 1 ? 'a' : `for ${numberText(per)}`} ${unit}`;
}

function row(what: string, usd: number): string {
  return `${what.padEnd(lineWidth + 2)} ${usd.toLocaleString('en-US', { minimumFractionDigits: 2, maximumFractionDigits: 2 }).padStart(10)}`;
}

function numberText(value: number): string {
  return value.toLocaleString('en-US', value >= 100 ? { maximumFractionDigits: 0 } : { maximumSignificantDigits: 3 });
}
