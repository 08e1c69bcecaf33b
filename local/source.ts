import { resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { checkHead, type FileHead, headOf } from '../adapters/feeds/file-head.ts';
import { formatOf } from '../adapters/feeds/formats.ts';
import { openInput, readFeed } from '../adapters/feeds/input.ts';
import type { FeedOutput } from '../adapters/feeds/feed.ts';
import type { Quarantined } from '../core/reasons.ts';
import { type SimulationOptions, simulateMarket } from '../core/simulation.ts';
import { TradeBatch } from '../core/trade.ts';
import { addedCounts } from './saved-source.ts';

/** Where trades come from: a recording, standard input, or a market that goes on for ever. */
export interface Source {
  /** The name under which a tape remembers how far this source was read. */
  readonly name: string;
  readonly isLive: boolean;
  /** What the last `next` read; the caller takes it away. */
  readonly trades: TradeBatch;
  readonly quarantined: Quarantined[];
  /** Reads on; false when the input is over. */
  next(): Promise<boolean>;
  /** To read on from here in another process. */
  snapshot(): string;
  readonly counts: Readonly<Record<string, number>>;
  readonly bytesRead: number;
  readonly bytesTotal: number | undefined;
  /** Lets go of the input; the next `next` ends. */
  stop(): void;
}

export type FileSourceOptions = {
  readonly feed: string;
  /** A file, or `-` for standard input. */
  readonly path: string;
  /** What `snapshot` returned. Standard input and pipes are read from where they are; their counts go on, and their lines are told from those of before. */
  readonly from?: string | undefined;
  /** How positions name a file. @default as `path` does */
  readonly label?: string;
  /** Numbers symbols for several sources alike. */
  readonly trades?: TradeBatch;
};

export function sourceNameOf({ feed, path }: Pick<FileSourceOptions, 'feed' | 'path'>): string {
  return `${feed}:${path === '-' ? '-' : resolve(path)}`;
}

/** @throws InputError or UnknownNameError */
export async function openFileSource({ feed, path, from, label = path, trades = new TradeBatch() }: FileSourceOptions): Promise<Source> {
  const format = formatOf(feed);
  const before = from === undefined ? undefined : (JSON.parse(from) as SavedFile);
  const head = path === '-' ? undefined : await headOf(path);
  // Standard input or a pipe: nobody can read it a second time.
  const isStream = head === undefined;
  const saved = isStream ? undefined : before;
  const opened = isStream ? (before?.opened ?? 0) + 1 : 1;
  if (saved?.head !== undefined) await checkHead(path, saved.head);
  const decoder = format.decoder(saved);
  const input = await openInput(path, saved === undefined ? {} : { byteOffset: saved.byteOffset });
  const output: FeedOutput = { trades, rejected: [] };
  const reading = readFeed(input, decoder, output);
  const quarantined: Quarantined[] = [];
  const counts = () => (isStream ? addedCounts(before?.counts ?? {}, decoder.counts) : decoder.counts);
  const again = opened > 1 ? String(opened) : '';
  const place = path === '-' ? `-${again}` : again === '' ? label : `${label}-${again}`;
  return {
    name: sourceNameOf({ feed, path }),
    isLive: isStream,
    trades,
    quarantined,
    async next() {
      const { done } = await reading.next();
      for (const { line, byteOffset, reason, sample } of output.rejected)
        quarantined.push({ position: `${place}:${line}:${byteOffset}`, reason, sample });
      output.rejected.length = 0;
      return !done;
    },
    snapshot: () => JSON.stringify({ ...decoder.snapshot(), counts: counts(), opened, ...(head && { head }) } satisfies SavedFile),
    get counts() {
      return counts();
    },
    get bytesRead() {
      return input.bytesRead;
    },
    get bytesTotal() {
      return input.bytesTotal;
    },
    stop: () => void reading.return(undefined),
  };
}

type SavedFile = {
  readonly byteOffset: number;
  readonly memory: string;
  readonly counts: Readonly<Record<string, number>>;
  /** How often standard input or a pipe was opened. */
  readonly opened: number;
  readonly head?: FileHead;
};

export type MarketSourceOptions = SimulationOptions & {
  /** How much of the market before now is read at once, so that there are bars from the start. */
  readonly backfillMs: number;
  /** What `snapshot` returned: the market goes on after what was read then, as far as the backfill reaches. */
  readonly from?: string | undefined;
  readonly now?: () => number;
};

/** The simulated market as a live feed: what would have happened until now at once, then on with the clock. */
export function openMarketSource({
  backfillMs,
  from,
  now = Date.now,
  seconds = Number.POSITIVE_INFINITY,
  ...options
}: MarketSourceOptions): Source {
  const openedMs = now();
  const last = from === undefined ? undefined : (JSON.parse(from) as { lastEventTimeMs: number }).lastEventTimeMs;
  const startMs = Math.max(openedMs - backfillMs, (last ?? 0) + 1);
  const endMs = openedMs + seconds * 1000;
  const simulation = simulateMarket({ ...options, seconds: Number.POSITIVE_INFINITY, startMs });
  const trades = new TradeBatch();
  let isStopped = false;
  return {
    name: 'market',
    isLive: true,
    trades,
    quarantined: [],
    async next() {
      for (;;) {
        if (isStopped) return false;
        const untilMs = Math.min(now(), endMs);
        const from = trades.length;
        const count = simulation.next({ trades, bad: [] }, tradesMax, untilMs);
        // Each start of the market counts its trades anew; the ids must not.
        for (let i = from; i < trades.length; i++) trades.tradeIdNumber[i] = (trades.tradeIdNumber[i] as number) + startMs * 1000;
        if (count > 0) return true;
        if (untilMs >= endMs) return false;
        await sleep(pollMs);
      }
    },
    snapshot: () => JSON.stringify({ lastEventTimeMs: simulation.counts.lastEventTimeMs ?? last ?? startMs }),
    counts: {},
    bytesRead: 0,
    bytesTotal: undefined,
    stop: () => {
      isStopped = true;
    },
  };
}

const tradesMax = 65_536;
const pollMs = 50;
