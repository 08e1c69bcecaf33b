import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { calendarOf } from '../../core/calendar.ts';
import { signalGuards } from '../../core/reasons.ts';
import {
  buy,
  type ClosedBar,
  type CompiledStrategies,
  compileStrategies,
  type Decision,
  defineStrategy,
  hold,
  type Series,
  type Strategy,
  StrategyBuildError,
  type StrategyBuilder,
  type StrategyOutput,
  sell,
} from '../../core/strategy.ts';
import breakout from '../../strategies/breakout.ts';
import emaCross from '../../strategies/ema-cross.ts';
import rsiReversion from '../../strategies/rsi-reversion.ts';

const minuteMs = 60_000;
const calendar = calendarOf('always');

function compile(strategies: readonly Strategy[], windowSizesMs = [minuteMs, 5 * minuteMs]): CompiledStrategies {
  return compileStrategies(strategies, { windowSizesMs, calendar, generation: '1' });
}

function emptyOutput(): StrategyOutput {
  return { signals: [], suppressed: new Float64Array(signalGuards.length), faults: [] };
}

/** Symbols in one slab, fed a bar a minute; every fifth closes a five-minute bar first. */
class Market {
  readonly compiled: CompiledStrategies;
  readonly output = emptyOutput();
  slots: Float64Array;

  constructor(compiled: CompiledStrategies, symbolCount = 1) {
    this.compiled = compiled;
    this.slots = new Float64Array(symbolCount * compiled.slotsPerSymbol);
    for (let symbol = 0; symbol < symbolCount; symbol++) compiled.initialize(this.slots, symbol * compiled.slotsPerSymbol);
  }

  push(bar: ClosedBar, symbol = 0, intervalIndex = 0): void {
    this.compiled.onBar(intervalIndex, bar, this.slots, symbol * this.compiled.slotsPerSymbol, this.output);
  }

  /** The closes of consecutive minutes, with their five-minute bars. */
  pushCloses(closes: readonly number[], { symbol = 0, firstMinute = 0 } = {}): this {
    for (const [i, close] of closes.entries()) {
      const minute = firstMinute + i;
      if ((minute + 1) % 5 === 0) this.push(barAt(minute - 4, close, { minutes: 5, symbol }), symbol, 1);
      this.push(barAt(minute, close, { symbol }), symbol);
    }
    return this;
  }

  suppressedBy(): Record<string, number | undefined> {
    return Object.fromEntries(
      signalGuards.map((guard, i) => [guard, this.output.suppressed[i]] as const).filter(([, count]) => count !== 0),
    );
  }
}

function barAt(minute: number, close: number, { minutes = 1, symbol = 0 } = {}): ClosedBar {
  return {
    symbol: symbol === 0 ? 'IBM' : 'MSFT',
    windowStartMs: minute * minuteMs,
    windowEndMs: (minute + minutes) * minuteMs,
    open: close,
    high: close + 0.5,
    low: close - 0.5,
    close,
    volume: 10,
    notional: close * 10,
    tradeCount: 1,
  };
}

/** Decides what it is told, bar by bar. */
function scripted(decisions: readonly (() => Decision)[], name = 'scripted'): Strategy {
  return defineStrategy(
    name,
    ({ bar }) =>
      () =>
        (decisions[bar.open.now - 100] ?? hold)(),
  );
}

const minutes = (count: number) => Array.from({ length: count }, (_, i) => 100 + i);
const walk = fc.array(fc.integer({ min: -200, max: 200 }), { minLength: 60, maxLength: 250 }).map((changes) => {
  let close = 100;
  return changes.map((change) => {
    close = Math.max(1, close + change / 100);
    return close;
  });
});
const withTimeframe = defineStrategy('trend', { cooldownMs: 2 * minuteMs, dailyCap: 9, allowShort: true }, ({ bar, timeframe, ...all }) => {
  const higher = timeframe('5m');
  const [trend, strength] = [higher.ema(higher.bar.close, 3), all.zScore(bar.close, 8)];
  const { histogram } = all.macd(bar.vwap, { fast: 3, slow: 6, signal: 3 });
  const [bands, range] = [all.bollinger(bar.close, 6), all.atr(higher.bar, 2)];
  return () => {
    if (all.crossedAbove(bar.close, trend) || all.below(bar.low, bands.lower)) return buy('above the trend', { confidence: 0.5 });
    if (all.crossedBelow(histogram, 0) && all.above(range, 0)) return sell(['momentum fell', `z ${strength.now.toFixed(3)}`]);
    return hold();
  };
});
const everything = [emaCross, withTimeframe, rsiReversion, breakout];

describe('compiled strategies', () => {
  it('go on bit by bit the same from a copy of their slots, wherever it is taken', () => {
    fc.assert(
      fc.property(walk, fc.nat(), (closes, cut) => {
        const at = cut % closes.length;
        const whole = new Market(compile(everything)).pushCloses(closes);
        const first = new Market(compile(everything)).pushCloses(closes.slice(0, at));
        const second = new Market(compile(everything));
        second.slots = new Float64Array(new Uint8Array(first.slots.buffer).slice().buffer);
        second.pushCloses(closes.slice(at), { firstMinute: at });
        expect([...first.output.signals, ...second.output.signals]).toEqual(whole.output.signals);
        expect(second.slots).toEqual(whole.slots);
        expect(signalGuards.map((_, i) => (first.output.suppressed[i] as number) + (second.output.suppressed[i] as number))).toEqual([
          ...whole.output.suppressed,
        ]);
      }),
    );
  });

  it('keep symbols apart, in whatever order their bars come', () => {
    fc.assert(
      fc.property(walk, walk, fc.array(fc.integer({ min: 1, max: 20 }), { minLength: 1 }), (ibm, msft, runs) => {
        const both = new Market(compile(everything), 2);
        const closes = [ibm, msft] as const;
        const done: [number, number] = [0, 0];
        for (let turn = 0; done[0] < ibm.length || done[1] < msft.length; turn++) {
          const symbol = turn % 2 === 0 ? 0 : 1;
          const next = closes[symbol].slice(done[symbol], done[symbol] + (runs[turn % runs.length] as number));
          both.pushCloses(next, { symbol, firstMinute: done[symbol] });
          done[symbol] += next.length;
        }
        const alone = (symbol: 0 | 1) => new Market(compile(everything), 2).pushCloses(closes[symbol], { symbol }).output.signals;
        expect(both.output.signals.filter((signal) => signal.symbol === 'IBM')).toEqual(alone(0));
        expect(both.output.signals.filter((signal) => signal.symbol === 'MSFT')).toEqual(alone(1));
      }),
    );
  });

  it('do not change with the company they keep', () => {
    fc.assert(
      fc.property(walk, (closes) => {
        const together = new Market(compile(everything)).pushCloses(closes).output.signals;
        for (const strategy of everything) {
          const alone = new Market(compile([strategy])).pushCloses(closes).output.signals;
          expect(together.filter((signal) => signal.strategy === strategy.name)).toEqual(alone);
        }
      }),
    );
  });

  it('are none at all without strategies', () => {
    const market = new Market(compile([])).pushCloses(minutes(10));
    expect(market.compiled.slotsPerSymbol).toBe(0);
    expect(market.output).toEqual(emptyOutput());
  });
});

describe('a signal', () => {
  it('says what was decided, on which bar, at which price and why', () => {
    const strategy = scripted([hold, () => buy(['one', 'two'], { confidence: 0.7 }), hold, () => sell('enough')]);
    expect(new Market(compile([strategy])).pushCloses(minutes(4)).output.signals).toEqual([
      {
        signalId: '1_scripted_IBM_1m_60000',
        symbol: 'IBM',
        strategy: 'scripted',
        side: 'buy',
        intent: 'enter',
        windowStartMs: 60_000,
        windowEndMs: 120_000,
        price: 101,
        confidence: 0.7,
        reasons: ['one', 'two'],
      },
      {
        signalId: '1_scripted_IBM_1m_180000',
        symbol: 'IBM',
        strategy: 'scripted',
        side: 'sell',
        intent: 'exit',
        windowStartMs: 180_000,
        windowEndMs: 240_000,
        price: 103,
        confidence: 1,
        reasons: ['enough'],
      },
    ]);
  });

  it('does not come from a decision that a guard stops, which is counted instead', () => {
    const strategy = scripted([() => sell('x'), () => buy('x'), () => buy('x'), () => buy('x'), () => sell('x')]);
    const market = new Market(compile([strategy])).pushCloses(minutes(5));
    expect(market.output.signals.map(({ side, intent }) => `${side} ${intent}`)).toEqual(['buy enter', 'sell exit']);
    expect(market.suppressedBy()).toEqual({ 'no-position': 1, 'already-in-position': 2 });
  });
});

describe('warm-up', () => {
  const always = (name: string, warmUpBars: number, use: (builder: StrategyBuilder) => unknown) =>
    defineStrategy(name, { warmUpBars }, (builder) => {
      use(builder);
      return () => buy('always');
    });

  it.each<{ fact: string; strategy: Strategy; bars: number }>([
    { fact: 'no indicator', strategy: always('s', 0, () => 0), bars: 0 },
    { fact: 'no indicator and two bars more', strategy: always('s', 2, () => 0), bars: 2 },
    {
      fact: 'the slowest of two indicators',
      strategy: always('s', 0, ({ bar, ema, rsi }) => [ema(bar.close, 3), rsi(bar.close, 6)]),
      bars: 6,
    },
    { fact: 'an indicator and two bars more', strategy: always('s', 2, ({ bar, ema }) => ema(bar.close, 3)), bars: 4 },
    { fact: 'a higher timeframe until its first close', strategy: always('s', 0, ({ timeframe }) => timeframe('5m').bar), bars: 4 },
    {
      fact: 'an indicator on a higher timeframe',
      strategy: always('s', 0, ({ timeframe }) => timeframe('5m').ema(timeframe('5m').bar.close, 2)),
      bars: 9,
    },
  ])('with $fact lasts $bars bars', ({ strategy, bars }) => {
    const market = new Market(compile([strategy])).pushCloses(minutes(bars + 1));
    expect(market.output.signals.map(({ windowStartMs }) => windowStartMs / minuteMs)).toEqual([bars]);
    expect(market.suppressedBy()).toEqual(bars === 0 ? {} : { 'warm-up': bars });
  });

  it('does not mind a confidence made of values that are not there yet', () => {
    const strategy = defineStrategy('s', ({ bar, sma }) => {
      const average = sma(bar.close, 3);
      return () => buy('always', { confidence: average.now / 1_000 });
    });
    const { output } = new Market(compile([strategy])).pushCloses(minutes(3));
    expect(output.faults).toEqual([]);
    expect(output.signals.map(({ confidence }) => confidence)).toEqual([0.101]);
  });
});

describe('bars', () => {
  it('without prices are passed over: no decision, and no value moves', () => {
    const market = new Market(compile([emaCross, defineStrategy('s', () => () => buy('always'))]));
    const before = market.slots.slice();
    market.push({ ...barAt(0, 100), open: Number.NaN, high: Number.NaN, low: Number.NaN, close: Number.NaN });
    for (const field of ['open', 'high', 'low', 'close'] as const) market.push({ ...barAt(1, 100), [field]: Number.NaN });
    expect(market.slots).toEqual(before);
    expect(market.output).toEqual(emptyOutput());
  });

  it('show all their fields, now and before', () => {
    const seen: number[][] = [];
    const strategy = defineStrategy('s', ({ bar }) => () => {
      const fields = [bar.open, bar.high, bar.low, bar.close, bar.volume, bar.vwap];
      seen.push([...fields.map(({ now }) => now), ...fields.map(({ previous }) => previous)]);
      return hold();
    });
    const market = new Market(compile([strategy]));
    market.push({ ...barAt(0, 10), open: 9, volume: 4, notional: 38 });
    market.push({ ...barAt(1, 20), volume: 0, notional: 0 });
    expect(seen).toEqual([
      [9, 10.5, 9.5, 10, 4, 9.5, ...Array<number>(6).fill(Number.NaN)],
      [20, 20.5, 19.5, 20, 0, 20, 9, 10.5, 9.5, 10, 4, 9.5],
    ]);
  });
});

describe('a higher timeframe', () => {
  it('is seen only after its own close, and then stays until the next', () => {
    const seen: number[][] = [];
    const strategy = defineStrategy('s', ({ timeframe }) => {
      const { bar } = timeframe('5m');
      return () => {
        seen.push([bar.close.now, bar.close.previous]);
        return hold();
      };
    });
    new Market(compile([strategy])).pushCloses(minutes(11));
    const none = [Number.NaN, Number.NaN];
    expect(seen).toEqual([none, none, none, none, ...Array(5).fill([104, Number.NaN]), ...Array(2).fill([109, 104])]);
  });

  it('crosses once, on the first decision after its close', () => {
    const crossings: string[] = [];
    const strategy = defineStrategy('s', ({ timeframe, crossedAbove, crossedBelow, sma }) => {
      const { bar } = timeframe('5m');
      const average = sma(bar.close, 1);
      let minute = -1;
      return () => {
        minute++;
        if (crossedAbove(bar.close, 105)) crossings.push(`close above at ${minute}`);
        if (crossedAbove(average, 105)) crossings.push(`average above at ${minute}`);
        if (crossedBelow(105, bar.close)) crossings.push(`level below at ${minute}`);
        return hold();
      };
    });
    new Market(compile([strategy])).pushCloses(minutes(20));
    expect(crossings).toEqual(['close above at 9', 'average above at 9', 'level below at 9']);
  });

  it('is measured against a faster series as both stood at the last decision', () => {
    const crossings: number[] = [];
    const strategy = defineStrategy('s', ({ bar, timeframe, crossedAbove }) => {
      const higher = timeframe('5m');
      return () => {
        if (crossedAbove(bar.close, higher.bar.close)) crossings.push(bar.close.now);
        return hold();
      };
    });
    // The five-minute closes are 10, then 12: 11 is above 10 and was not, 13 is above 12 after 9 was not.
    new Market(compile([strategy])).pushCloses([10, 10, 10, 10, 10, 9, 11, 12, 12, 12, 9, 13, 14]);
    expect(crossings).toEqual([11, 13]);
  });

  it('may be the first interval by its name', () => {
    const strategy = defineStrategy(
      's',
      ({ bar, timeframe }) =>
        () =>
          timeframe === undefined || bar.close.now !== 101 ? hold() : buy('x'),
    );
    const same = defineStrategy('t', ({ timeframe }) => {
      const { bar } = timeframe('1m');
      return () => (bar.close.now === 101 ? buy('x') : hold());
    });
    const { signals } = new Market(compile([strategy, same])).pushCloses(minutes(3)).output;
    expect(signals.map(({ strategy: name, price }) => [name, price])).toEqual([
      ['s', 101],
      ['t', 101],
    ]);
  });
});

describe('comparisons', () => {
  it.each<{ a: readonly [now: number, before: number] | number; b: readonly [now: number, before: number] | number; expected: string }>([
    { a: [2, 1], b: 1.5, expected: 'above crossedAbove' },
    { a: [2, 1.5], b: 1.5, expected: 'above crossedAbove' },
    { a: [2, 1.75], b: 1.5, expected: 'above' },
    { a: [1.5, 1], b: 1.5, expected: '' },
    { a: [1, 2], b: 1.5, expected: 'below crossedBelow' },
    { a: [1, 1.5], b: 1.5, expected: 'below crossedBelow' },
    { a: [2, 1], b: [1, 2], expected: 'above crossedAbove' },
    { a: 1.5, b: [1, 2], expected: 'above crossedAbove' },
    { a: [2, Number.NaN], b: 1, expected: 'above' },
    { a: [Number.NaN, 1], b: 1, expected: '' },
    { a: [2, 1], b: Number.NaN, expected: '' },
    { a: 2, b: 1, expected: 'above' },
  ])('of $a with $b: $expected', ({ a, b, expected }) => {
    const found: string[] = [];
    // High and low carry a, open and close b, on two bars.
    const strategy = defineStrategy('s', ({ bar, sma, ...compare }) => {
      const ready = (series: Series, level: readonly [number, number] | number) => (typeof level === 'number' ? level : series);
      const delayed = (values: readonly [number, number] | number) => typeof values !== 'number' && Number.isNaN(values[1]);
      const left = ready(delayed(a) ? sma(bar.volume, 2) : bar.high, a);
      const right = ready(bar.low, b);
      let bars = 0;
      return () => {
        bars++;
        if (bars < 2) return hold();
        for (const name of ['above', 'below', 'crossedAbove', 'crossedBelow'] as const)
          if (compare[name](nanOr(left, a), right)) found.push(name);
        return hold();
      };
    });
    const market = new Market(compile([strategy]));
    for (const i of [1, 0]) {
      const value = (level: readonly [number, number] | number) => (typeof level === 'number' ? 1 : finiteOr(level[i] as number, 1));
      market.push({ ...barAt(1 - i, 1), high: value(a), low: value(b), volume: 2 });
    }
    expect(found.join(' ')).toBe(expected);
  });

  function nanOr(level: Series | number, wanted: readonly [number, number] | number): Series | number {
    return typeof wanted !== 'number' && Number.isNaN(wanted[0]) ? Number.NaN : level;
  }

  function finiteOr(value: number, other: number): number {
    return Number.isNaN(value) ? other : value;
  }
});

describe('a strategy that fails', () => {
  const nonsense = (value: unknown) => () => value as Decision;

  it.each<{ fact: string; decide: () => Decision; reason: string; message: string }>([
    {
      fact: 'throws an error',
      decide: () => {
        throw new TypeError('no such thing');
      },
      reason: 'strategy-threw',
      message: 'no such thing',
    },
    {
      fact: 'throws something else',
      decide: () => {
        throw Object.create(null);
      },
      reason: 'strategy-threw',
      message: 'it threw a value of type object',
    },
    {
      fact: 'has no number for its confidence',
      decide: () => buy('x', { confidence: Number.NaN }),
      reason: 'strategy-invalid-decision',
      message: 'confidence must be a number from 0 to 1, received "NaN"',
    },
    {
      fact: 'is more than sure',
      decide: () => sell('x', { confidence: 1.01 }),
      reason: 'strategy-invalid-decision',
      message: 'confidence must be a number from 0 to 1, received "1.01"',
    },
    {
      fact: 'wants another side',
      decide: nonsense({ side: 'short', reasons: 'x', confidence: 1 }),
      reason: 'strategy-invalid-decision',
      message: 'it must decide buy(…), sell(…) or hold(), received "short"',
    },
    {
      fact: 'decides nothing',
      decide: nonsense(undefined),
      reason: 'strategy-invalid-decision',
      message: 'it must decide buy(…), sell(…) or hold(), received "undefined"',
    },
    {
      fact: 'promises',
      decide: nonsense(Promise.resolve(hold())),
      reason: 'strategy-invalid-decision',
      message: 'it must decide buy(…), sell(…) or hold(), received "object"',
    },
    {
      fact: 'has no reason',
      decide: nonsense({ side: 'buy', confidence: 1 }),
      reason: 'strategy-invalid-decision',
      message: 'buy must have a reason, a text or a list of texts',
    },
    {
      fact: 'has an empty list of reasons',
      decide: () => sell([]),
      reason: 'strategy-invalid-decision',
      message: 'sell must have a reason, a text or a list of texts',
    },
    {
      fact: 'has reasons that no message could carry',
      decide: () => buy(['a'.repeat(4_096), 'b']),
      reason: 'strategy-invalid-decision',
      message: 'the reasons of a buy must have at most 4096 characters together, received 4097',
    },
  ])('because it $fact is switched off for that symbol, once, and the rest goes on', ({ decide, reason, message }) => {
    const failing = defineStrategy(
      'failing',
      ({ bar }) =>
        () =>
          bar.close.now === 102 ? decide() : bar.close.now === 104 ? buy('late') : hold(),
    );
    const steady = defineStrategy(
      'steady',
      ({ bar }) =>
        () =>
          bar.close.now === 103 ? buy('x') : hold(),
    );
    const market = new Market(compile([failing, steady]), 2);
    market.pushCloses(minutes(6)).pushCloses([101, 104], { symbol: 1 });
    market.pushCloses([102, 102], { firstMinute: 6 });
    expect(market.output.faults).toEqual([{ strategy: 'failing', symbol: 'IBM', reason, message, windowStartMs: 2 * minuteMs }]);
    expect(market.output.signals.map(({ strategy, symbol, price }) => [strategy, symbol, price])).toEqual([
      ['steady', 'IBM', 103],
      ['failing', 'MSFT', 104],
    ]);
  });

  it('stays switched off in a copy of the slots', () => {
    const strategies = [scripted([() => buy('x', { confidence: 2 }), () => buy('x')])];
    const first = new Market(compile(strategies)).pushCloses([100]);
    const second = new Market(compile(strategies));
    second.slots = first.slots.slice();
    second.pushCloses([100, 101], { firstMinute: 1 });
    expect([first.output.faults.length, second.output.faults.length, second.output.signals.length]).toEqual([1, 0, 0]);
  });

  it.each<{ fact: string; late: (builder: StrategyBuilder) => unknown }>([
    { fact: 'an indicator', late: ({ bar, ema }) => ema(bar.close, 5) },
    { fact: 'a timeframe', late: ({ timeframe }) => timeframe('5m') },
  ])('because it makes $fact while it decides is told where to make it', ({ late }) => {
    const strategy = defineStrategy('late', (builder) => () => {
      late(builder);
      return hold();
    });
    expect(new Market(compile([strategy])).pushCloses([100]).output.faults).toEqual([
      {
        strategy: 'late',
        symbol: 'IBM',
        reason: 'strategy-threw',
        message: 'indicators are made while the strategy is built: move them out of the function that decides',
        windowStartMs: 0,
      },
    ]);
  });
});

describe('a strategy that cannot be built', () => {
  const building = (_made: unknown) => hold;

  it.each<{ strategies: readonly Strategy[]; message: string }>([
    {
      strategies: [
        defineStrategy('broken', () => {
          throw new Error('no data');
        }),
      ],
      message: 'strategy "broken" cannot be built: no data',
    },
    {
      strategies: [defineStrategy('broken', ({ bar, sma }) => building(sma(bar.close, 0)))],
      message: 'strategy "broken" cannot be built: sma: period must be a whole number of bars from 1 to 10000, received "0"',
    },
    {
      strategies: [defineStrategy('broken', ({ timeframe }) => building(timeframe('15m')))],
      message: `strategy "broken" cannot be built: no bars are kept for timeframe "15m": add '15m' to intervals (now: 1m, 5m)`,
    },
    {
      strategies: [defineStrategy('broken', ({ timeframe }) => building(timeframe('soon')))],
      message:
        'strategy "broken" cannot be built: an interval must be a whole number of s, m, h or d from 1s to 1d, such as "5m", received "soon"',
    },
    {
      strategies: [defineStrategy('broken', (() => hold()) as never)],
      message: 'strategy "broken" cannot be built: it must return a function that decides, received "object"',
    },
    {
      strategies: [scripted([]), emaCross, scripted([])],
      message: 'strategy "scripted" cannot be built: another strategy has this name; rename one of them',
    },
  ])('is named: $message', ({ strategies, message }) => {
    expect(() => compile(strategies)).toThrow(StrategyBuildError);
    expect(() => compile(strategies)).toThrow(message);
  });

  it.each([
    { define: () => defineStrategy('', () => hold), message: 'strategy name must be a text of 1 to 64 characters, received ""' },
    { define: () => defineStrategy('x'.repeat(65), () => hold), message: 'strategy name must be a text of 1 to 64 characters' },
    {
      define: () => defineStrategy('x', {}, undefined as never),
      message: 'strategy "x" must have a function that builds it, received "undefined"',
    },
    {
      define: () => defineStrategy('x', { dailyCap: -1 }, () => hold),
      message: 'dailyCap must be a whole number above 0, or Infinity, received "-1"',
    },
  ])('is refused where it is defined: $message', ({ define, message }) => {
    expect(define).toThrow(message);
  });
});

describe('the fingerprint', () => {
  const one = (use: (builder: StrategyBuilder) => unknown, guards = {}, name = 's') =>
    defineStrategy(name, guards, (builder) => {
      use(builder);
      return hold;
    });
  const different: readonly CompiledStrategies[] = [
    compile([]),
    compile([one(() => 0)]),
    compile([one(() => 0, {}, 't')]),
    compile([one(() => 0, { warmUpBars: 1 })]),
    compile([one(() => 0, { allowShort: true })]),
    compile([one(({ bar, ema }) => ema(bar.close, 5))]),
    compile([one(({ bar, ema }) => ema(bar.close, 6))]),
    compile([one(({ bar, ema }) => ema(bar.open, 5))]),
    compile([one(({ bar, ema }) => ema(bar.close, 5, { seed: 'first' }))]),
    compile([one(({ bar, sma }) => sma(bar.close, 5))]),
    compile([one(({ bar, bollinger }) => bollinger(bar.close, 5, 2))]),
    compile([one(({ bar, bollinger }) => bollinger(bar.close, 5, 3))]),
    compile([one(({ timeframe }) => timeframe('5m'))]),
    compile([one(({ timeframe, ema }) => ema(timeframe('5m').bar.close, 5))]),
    compile([one(() => 0), one(() => 0, {}, 't')]),
    compile([one(() => 0, {}, 't'), one(() => 0)]),
    compile([one(() => 0)], [minuteMs, 10 * minuteMs]),
    compileStrategies([one(() => 0)], { windowSizesMs: [minuteMs, 5 * minuteMs], calendar: calendarOf('us-equities'), generation: '1' }),
  ];

  it('differs wherever the slots would be read differently', () => {
    expect(new Set(different.map(({ fingerprint }) => fingerprint)).size).toBe(different.length);
  });

  it('is the same for the same strategies, whichever the generation', () => {
    const options = { windowSizesMs: [minuteMs, 5 * minuteMs], calendar };
    const [a, b] = ['1', '2'].map((generation) => compileStrategies(everything, { ...options, generation }).fingerprint);
    expect(a).toBe(b);
  });
});
