import { beforeEach, describe, expect, it, vi } from 'vitest';
import type { Signal } from '../../core/signal.ts';
import { Progress } from '../../local/progress.ts';
import type { RunNow } from '../../local/run.ts';
import { View } from '../../local/view.ts';

const signals = Array.from(
  { length: 20 },
  (_, i): Signal => ({
    signalId: `1_ema-cross_IBM_1m_${i}`,
    symbol: 'IBM',
    strategy: 'ema-cross',
    side: i % 2 === 0 ? 'buy' : 'sell',
    intent: i % 2 === 0 ? 'enter' : 'exit',
    windowStartMs: i * 60_000,
    windowEndMs: (i + 1) * 60_000,
    price: 181.85,
    confidence: 1,
    reasons: ['fast average crossed above slow'],
  }),
);
const now: RunNow = {
  trades: 1_234_567,
  bars: 31_870,
  late: 3,
  quarantined: 7,
  signals,
  greatestEventTimeMs: 1_381_152_602_123,
  watermarkMs: 1_381_152_600_123,
  bytesRead: 0,
  bytesTotal: undefined,
};
const title = 'Tapeline · ndjson from trades.ndjson · state in .tapeline/start/ndjson-trades.ndjson · Ctrl-C ends';

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['performance', 'Date'] });
  return () => vi.useRealTimers();
});

describe('the view on a terminal', () => {
  it.each([
    { columns: 120, rows: 30, isWhole: true },
    { columns: 60, rows: 30, isWhole: true },
    { columns: 40, rows: 12, isWhole: false },
    { columns: 20, rows: 4, isWhole: false },
  ])('of $columns columns and $rows rows takes no more room than that, picture after picture', ({ columns, rows, isWhole }) => {
    const screen = new Screen(columns, rows);
    const view = new View({ title, stream: screen, env: {} });
    for (let i = 0; i < 5; i++) {
      view.show({ ...now, trades: now.trades + i });
      vi.advanceTimersByTime(300);
    }
    expect(screen.scrolled).toBe(0);
    expect(screen.text.match(/Tapeline/g)).toHaveLength(1);
    if (isWhole) {
      expect(screen.text).toContain('1,234,571 trades');
      expect(screen.text).toContain('7 quarantined');
      expect(screen.text).toContain('Ctrl-C ends');
      expect(screen.text.match(/BUY|SELL/g)).toHaveLength(12);
    }
  });

  it('begins anew when the terminal changes its size', () => {
    const screen = new Screen(100, 30);
    const view = new View({ title, stream: screen, env: {} });
    view.show(now);
    vi.advanceTimersByTime(300);
    screen.columns = 50;
    view.show(now);
    expect(screen.text.match(/Tapeline/g)).toHaveLength(1);
    expect(screen.scrolled).toBe(0);
  });

  it('has colours, and none with NO_COLOR', () => {
    const written = (env: NodeJS.ProcessEnv) => {
      const screen = new Screen(100, 30);
      new View({ title, stream: screen, env }).show(now);
      return screen.written;
    };
    expect(written({})).toContain('\u001b[32m');
    const codes = written({ NO_COLOR: '1' }).split('\u001b[').slice(1);
    expect(codes.filter((code) => /^\d+m/.test(code))).toEqual([]);
    expect(written({ TERM: 'dumb' })).not.toContain('\u001b');
  });
});

it('on a terminal that says it has no size, the view and the progress are whole', () => {
  let text = '';
  const stream = { isTTY: true, columns: 0, rows: 0, write: (part: string) => (text += part) };
  new View({ title, stream, env: {} }).show(now);
  expect(text).toContain('1,234,567 trades');
  expect(text.match(/BUY|SELL/g)).toHaveLength(12);
  const progress = new Progress('replay', stream, {});
  vi.advanceTimersByTime(1_000);
  progress.show({ trades: 1_000_000, bytesRead: 1, bytesTotal: 10 });
  expect(text).toMatch(/9 s left$/);
});

describe('the view elsewhere', () => {
  it('writes each signal once, and the numbers now and then', () => {
    let text = '';
    const view = new View({ title, stream: { write: (part) => (text += part) }, env: {} });
    for (let i = 1; i <= 12; i++) {
      view.show({ ...now, signals: signals.slice(0, i) });
      vi.advanceTimersByTime(500);
    }
    view.show({ ...now, signals: signals.slice(0, 12) }, true);
    expect(text.match(/ (BUY |SELL) /g)).toHaveLength(12);
    expect(text.match(/1,234,567 trades/g)).toHaveLength(4);
  });
});

describe('the progress line', () => {
  it('stays one line, and goes without a trace', () => {
    const screen = new Screen(40, 10);
    const progress = new Progress('replay', screen, {});
    for (let i = 1; i <= 5; i++) {
      vi.advanceTimersByTime(1_000);
      progress.show({ trades: 1_000_000 * i, bytesRead: i, bytesTotal: 1_000_000 });
    }
    expect(screen.text.split('\n')).toHaveLength(1);
    expect(screen.text).toMatch(/^replay: 0 %, 5,000,000 trades, 1,000,0/);
    progress.clear();
    expect(screen.text).toBe('');
  });

  it('is a line every 5 seconds where there is no terminal', () => {
    let text = '';
    const progress = new Progress('replay', { write: (part) => (text += part) }, {});
    for (let i = 1; i <= 12; i++) {
      vi.advanceTimersByTime(1_000);
      progress.show({ trades: 1_000 * i, bytesRead: 50, bytesTotal: 100 });
    }
    progress.clear();
    expect(text).toBe('replay: 50 %, 5,000 trades, 1,000/s, 5 s left\nreplay: 50 %, 10,000 trades, 1,000/s, 10 s left\n');
  });
});

/** So much of a terminal as the command line uses: lines break at its width, and it scrolls at its height. */
class Screen {
  readonly isTTY = true;
  columns: number;
  rows: number;
  written = '';
  scrolled = 0;
  #lines: string[] = [''];
  #row = 0;
  #column = 0;

  constructor(columns: number, rows: number) {
    this.columns = columns;
    this.rows = rows;
  }

  get text(): string {
    return this.#lines.join('\n').trimEnd();
  }

  write(text: string): void {
    this.written += text;
    const [first = '', ...others] = text.split('\u001b[');
    for (const character of first) this.#take(character);
    for (const part of others) {
      const [sequence = ''] = /^\d*[A-Za-z]?/.exec(part) ?? [];
      this.#take(`\u001b[${sequence}`);
      for (const character of part.slice(sequence.length)) this.#take(character);
    }
  }

  #take(token: string): void {
    if (token === '\r') this.#column = 0;
    else if (token === '\n') this.#newLine();
    else if (token === '\u001b[K') this.#lines[this.#row] = this.#line.slice(0, this.#column);
    else if (token === '\u001b[J') this.#lines.length = this.#row + 1;
    else if (token === '\u001b[2J') this.#lines = [''];
    else if (token === '\u001b[H') this.#row = this.#column = 0;
    else if (token.endsWith('A')) this.#row = Math.max(0, this.#row - Number(token.slice(2, -1)));
    else if (token.endsWith('m')) return;
    else if (token.startsWith('\u001b')) throw new Error(`the screen does not know ${JSON.stringify(token)}`);
    else this.#put(token);
  }

  #put(character: string): void {
    if (this.#column === this.columns) this.#newLine();
    this.#lines[this.#row] = this.#line.slice(0, this.#column).padEnd(this.#column) + character + this.#line.slice(this.#column + 1);
    this.#column++;
  }

  #newLine(): void {
    this.#column = 0;
    this.#row++;
    if (this.#row === this.rows) {
      this.#lines.shift();
      this.#row--;
      this.scrolled++;
    }
    this.#lines[this.#row] ??= '';
  }

  get #line(): string {
    return this.#lines[this.#row] ?? '';
  }
}
