import type { Signal } from '../core/signal.ts';
import { countText } from './progress.ts';
import type { RunNow } from './run.ts';

type Stream = { readonly isTTY?: boolean; readonly columns?: number; readonly rows?: number; write(text: string): unknown };

const terminalEveryMs = 250;
const plainEveryMs = 2_000;
const signalsOnScreen = 12;
const rateOverMs = 5_000;

/** The compact live picture of a running pipeline: a screen that renews itself on a terminal, else a line now and then and one a signal. */
export class View {
  readonly #stream: Stream;
  readonly #title: string;
  readonly #isTerminal: boolean;
  readonly #isColoured: boolean;
  #shownMs = Number.NEGATIVE_INFINITY;
  #shown: RunNow | undefined;
  #linesUp = 0;
  #size = '';
  #lastSignalId = '';
  /** Trades over the last seconds, for the rate; a view begins before the first trade. */
  #history: { readonly atMs: number; readonly trades: number }[] = [{ atMs: performance.now(), trades: 0 }];

  constructor({
    title,
    stream = process.stdout,
    env = process.env,
  }: { readonly title: string; readonly stream?: Stream; readonly env?: NodeJS.ProcessEnv }) {
    this.#title = title;
    this.#stream = stream;
    this.#isTerminal = stream.isTTY === true && env['TERM'] !== 'dumb';
    this.#isColoured = this.#isTerminal && !env['NO_COLOR'];
  }

  show(now: RunNow, isLast = false): void {
    const atMs = performance.now();
    if (isLast ? now === this.#shown : atMs - this.#shownMs < (this.#isTerminal ? terminalEveryMs : plainEveryMs)) return;
    this.#shown = now;
    this.#shownMs = atMs;
    this.#history.push({ atMs, trades: now.trades });
    while (this.#history.length > 2 && atMs - (this.#history[0] as { atMs: number }).atMs > rateOverMs) this.#history.shift();
    if (this.#isTerminal) this.#draw(now);
    else this.#writeLines(now);
  }

  #draw(now: RunNow): void {
    // 0 is said where nobody has set the size.
    const width = this.#stream.columns || 100;
    const height = this.#stream.rows || 30;
    const head = [...wrapped(this.#title, width).map((line) => this.#bold(line)), ...wrapped(this.#numbers(now), width), ''];
    // The line after the last one must be on the screen too, or each picture would push the one before it up.
    const room = Math.max(0, Math.min(signalsOnScreen, height - head.length - 2));
    const signals = now.signals.slice(now.signals.length - Math.min(room, now.signals.length)).toReversed();
    const lines = [...head, this.#dim('last signals'), ...signals.map((signal) => this.#signalLine(signal))].slice(0, height - 1);
    this.#stream.write(`${this.#home(width, height)}${lines.map((line) => `\u001b[K${cut(line, width)}\n`).join('')}\u001b[J`);
    this.#linesUp = lines.length;
  }

  /** Where the last picture begins. A terminal that changes its size breaks the lines anew, and nobody knows where. */
  #home(width: number, height: number): string {
    const size = `${width}x${height}`;
    const isSame = this.#size === size || this.#linesUp === 0;
    this.#size = size;
    if (!isSame) return '\u001b[2J\u001b[H';
    return this.#linesUp > 0 ? `\u001b[${this.#linesUp}A\r` : '';
  }

  #writeLines(now: RunNow): void {
    const fresh = now.signals.slice(now.signals.findIndex(({ signalId }) => signalId === this.#lastSignalId) + 1).slice(-signalsOnScreen);
    for (const signal of fresh) this.#stream.write(`${this.#signalLine(signal)}\n`);
    this.#lastSignalId = now.signals.at(-1)?.signalId ?? '';
    this.#stream.write(`${this.#numbers(now)}\n`);
  }

  #numbers({ trades, bars, late, quarantined, watermarkMs }: RunNow): string {
    const lag = Number.isFinite(watermarkMs)
      ? ` · watermark ${new Date(watermarkMs).toISOString().slice(11, 19)}, ${lagText(Date.now() - watermarkMs)} behind`
      : '';
    return `${countText(trades)} trades (${countText(this.#rate())}/s) · ${countText(bars)} bars · ${countText(late)} late · ${countText(quarantined)} quarantined${lag}`;
  }

  #rate(): number {
    const first = this.#history[0];
    const last = this.#history.at(-1);
    if (first === undefined || last === undefined || last.atMs === first.atMs) return 0;
    return Math.round(((last.trades - first.trades) * 1000) / (last.atMs - first.atMs));
  }

  #signalLine({ windowEndMs, side, intent, symbol, price, strategy, reasons }: Signal): string {
    const time = new Date(windowEndMs).toISOString().slice(11, 19);
    const word = side === 'buy' ? this.#green('BUY ') : this.#red('SELL');
    return `${time}  ${word} ${symbol.padEnd(6)} ${String(price).padStart(9)}  ${intent.padEnd(5)}  ${strategy}: ${reasons.join('; ')}`;
  }

  #bold = (text: string) => this.#paint(text, '1');
  #dim = (text: string) => this.#paint(text, '2');
  #green = (text: string) => this.#paint(text, '32');
  #red = (text: string) => this.#paint(text, '31');
  #paint(text: string, code: string): string {
    return this.#isColoured ? `\u001b[${code}m${text}\u001b[0m` : text;
  }
}

function lagText(ms: number): string {
  if (ms < 60_000) return `${(ms / 1000).toFixed(1)} s`;
  return ms < 172_800_000 ? `${Math.round(ms / 60_000)} min` : `${Math.round(ms / 86_400_000)} days`;
}

/** Breaks a line between its parts where the terminal is too narrow for all. */
function wrapped(line: string, width: number): string[] {
  const lines: string[] = [];
  for (const part of line.split(separator)) {
    const last = lines.at(-1);
    if (last !== undefined && last.length + separator.length + part.length <= width) lines[lines.length - 1] = `${last}${separator}${part}`;
    else lines.push(part);
  }
  return lines;
}

const separator = ' · ';
const colorCodeStart = '\u001b[';

/** Cuts a line to the terminal's width; colour codes take no room. */
function cut(line: string, width: number): string {
  const [first = '', ...colored] = line.split(colorCodeStart);
  let room = width - first.length;
  let text = first.slice(0, width);
  for (const part of colored) {
    const codeEnd = part.indexOf('m') + 1;
    text += colorCodeStart + part.slice(0, codeEnd + Math.max(0, room));
    room -= part.length - codeEnd;
  }
  return text;
}
