import type { DeliveryEvent } from '../../adapters/delivery/events.ts';
import type { Undelivered } from '../delivering.ts';
import { exitCodes } from '../exit.ts';
import type { SharedOptions } from '../options.ts';
import { countText } from '../progress.ts';
import type { Summary } from '../summary.ts';
import type { Session } from './session.ts';

export function exitCodeOf(summary: Summary, { strict }: SharedOptions, { signal, isReaderGone }: Session): number {
  if (signal.aborted && !isReaderGone()) return exitCodes.interrupted;
  return strict && summary.quarantined.total > 0 ? exitCodes.quarantined : exitCodes.done;
}

export function printSummary(summary: Summary, { json }: SharedOptions, stream: NodeJS.WritableStream): void {
  if (json) {
    stream.write(`${JSON.stringify(summary)}\n`);
    return;
  }
  const { signals, quarantined } = summary;
  const time = (timeMs: number | null) => (timeMs === null ? '-' : new Date(timeMs).toISOString());
  const counts = (byName: Readonly<Record<string, number>>) => Object.entries(byName).map(([name, count]) => `${name} ${countText(count)}`);
  const rows: [string, string][] = [
    ['trades', `${countText(summary.trades)} of ${countText(summary.symbols)} symbols, volume ${countText(summary.volume)}`],
    ['from, to', `${time(summary.firstEventTimeMs)}, ${time(summary.lastEventTimeMs)}`],
    ['bars', `${countText(summary.bars)}, ${countText(summary.revisions)} revisions`],
    ['late', countText(summary.late)],
    ['duplicates', countText(summary.duplicates)],
    ['quarantined', [countText(quarantined.total), ...counts(quarantined.byReason)].join(', ')],
    [
      'signals',
      [
        `${countText(signals.buy)} buy`,
        `${countText(signals.sell)} sell`,
        ...counts(signals.suppressed).map((text) => `suppressed by ${text}`),
      ].join(', '),
    ],
    ...Object.entries(summary.feed).map(([name, count]): [string, string] => [`feed ${name}`, countText(count)]),
    ['time', `${summary.seconds} s, ${countText(Math.round(summary.trades / Math.max(summary.seconds, 0.001)))} trades/s`],
  ];
  stream.write(rows.map(([name, text]) => `${name.padEnd(21)} ${text}\n`).join(''));
}

/** That signals could not be delivered is no failure of a run: they wait. */
export function tellUndelivered(undelivered: readonly Undelivered[], stateFolder: string, stream: NodeJS.WritableStream): void {
  for (const { endpoint, pending, dead, why } of undelivered) {
    const parts = [pending > 0 && `${countText(pending)} signals wait for it`, dead > 0 && `${countText(dead)} are dead letters`];
    const reason = why === undefined ? '' : ` (${why})`;
    stream.write(`run: endpoint "${endpoint}": ${parts.filter(Boolean).join(', ')}${reason}\n`);
  }
  if (undelivered.length > 0) stream.write(`run: see npx tapeline deliveries --state ${stateFolder}\n`);
}

/** What may need somebody; each attempt does not. @param clear takes away what is in the line that is being written */
export function tellEndpoint(event: DeliveryEvent, stream: NodeJS.WritableStream, clear: () => void): void {
  const text = endpointText(event);
  if (text === undefined) return;
  clear();
  stream.write(`run: endpoint "${event.endpoint}" ${text}\n`);
}

function endpointText(event: DeliveryEvent): string | undefined {
  switch (event.kind) {
    case 'endpoint.down':
      return `is down (${event.reason}): what comes for it waits`;
    case 'endpoint.recovered':
      return 'is back: what waits goes out';
    case 'endpoint.disabled':
      return `is disabled (${event.reason}): what comes for it waits until "npx tapeline deliveries resume ${event.endpoint}"`;
    default:
      return undefined;
  }
}

export function tellServing(url: string, stream: NodeJS.WritableStream): void {
  stream.write(`run: serving ${url}/signals, /bars and /health\n`);
}
