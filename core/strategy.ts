import type { Calendar } from './calendar.ts';
import { atr } from './indicators/atr.ts';
import { BarRow, BarSource } from './indicators/bar-source.ts';
import { bollinger } from './indicators/bollinger.ts';
import type { ClosedBar } from './indicators/closed-bar.ts';
import { above, below, crossedAbove, crossedBelow } from './indicators/crossing.ts';
import { donchian } from './indicators/donchian.ts';
import { ema } from './indicators/ema.ts';
import { macd } from './indicators/macd.ts';
import { type Cursor, Program, SlotLayout } from './indicators/program.ts';
import { rateOfChange } from './indicators/rate-of-change.ts';
import { rsi } from './indicators/rsi.ts';
import { sma } from './indicators/sma.ts';
import { vwapSession } from './indicators/vwap-session.ts';
import { zScore } from './indicators/z-score.ts';
import { intervalText, parseInterval } from './interval.ts';
import type { StrategyReason } from './reasons.ts';
import { bySignalOrder, type Side, type Signal } from './signal.ts';
import { signalIdOf } from './signal-id.ts';
import { type GuardOptions, type Guards, guardsOf, passed, SignalMachine, signalStateAtFirst } from './signals.ts';
import type { EpochMs } from './trade.ts';

export type { ClosedBar } from './indicators/closed-bar.ts';
export type { Series } from './indicators/program.ts';
export type { GuardOptions } from './signals.ts';

/** What a strategy thinks after a bar. */
export type Decision =
  | { readonly side: 'hold' }
  | { readonly side: Side; readonly reasons: string | readonly string[]; readonly confidence: number };

export type DecisionOptions = {
  /**
   * How sure the strategy is, from 0 to 1.
   * @default 1
   */
  readonly confidence?: number;
};

/** Be long from here on: enters a long position, or exits a short one. @param reasons for whoever asks why */
export function buy(reasons: string | readonly string[], { confidence = 1 }: DecisionOptions = {}): Decision {
  return { side: 'buy', reasons, confidence };
}

/** Be long no more: exits a long position, or enters a short one where the strategy allows it. @param reasons for whoever asks why */
export function sell(reasons: string | readonly string[], { confidence = 1 }: DecisionOptions = {}): Decision {
  return { side: 'sell', reasons, confidence };
}

/** Change nothing. */
export function hold(): Decision {
  return holding;
}

const holding: Decision = { side: 'hold' };

/** The bars of one interval and what can be computed from them. */
export type Timeframe = { readonly bar: BarSource } & typeof indicators;

const indicators = { sma, ema, rsi, atr, macd, bollinger, donchian, vwapSession, rateOfChange, zScore };

/** All that a strategy is built from. */
export type StrategyBuilder = Timeframe & {
  /**
   * Bars of a higher interval, such as `timeframe('5m').bar.close`: one of the config's `intervals`. Its values are those of its last bar
   * that closed.
   */
  readonly timeframe: (interval: string) => Timeframe;
  readonly above: typeof above;
  readonly below: typeof below;
  readonly crossedAbove: typeof crossedAbove;
  readonly crossedBelow: typeof crossedBelow;
  readonly buy: typeof buy;
  readonly sell: typeof sell;
  readonly hold: typeof hold;
};

/** Makes the strategy's indicators and returns the function that decides after each closed bar of the first interval. */
export type StrategyBuild = (builder: StrategyBuilder) => () => Decision;

export type Strategy = { readonly name: string; readonly guards: Guards; readonly build: StrategyBuild };

/**
 * A strategy that reads like its idea.
 *
 *     defineStrategy('ema-cross', { cooldownMs: 60_000 }, ({ bar, ema, crossedAbove, crossedBelow, buy, sell, hold }) => {
 *       const fast = ema(bar.close, 12);
 *       const slow = ema(bar.close, 26);
 *       return () => (crossedAbove(fast, slow) ? buy('fast above slow') : crossedBelow(fast, slow) ? sell('fast below slow') : hold());
 *     });
 *
 * @param name unique in a deployment; it is part of every signal's id
 * @throws RangeError for a name or a guard that cannot be.
 */
export function defineStrategy(name: string, build: StrategyBuild): Strategy;
export function defineStrategy(name: string, guards: GuardOptions, build: StrategyBuild): Strategy;
export function defineStrategy(name: string, ...rest: [StrategyBuild] | [GuardOptions, StrategyBuild]): Strategy {
  const [guards, build] = rest.length === 1 ? [{}, rest[0]] : rest;
  if (typeof name !== 'string' || name.length === 0 || name.length > 64) {
    throw new RangeError(`strategy name must be a text of 1 to 64 characters, received "${String(name)}"`);
  }
  if (typeof build !== 'function')
    throw new RangeError(`strategy "${name}" must have a function that builds it, received "${typeof build}"`);
  return { name, guards: guardsOf(guards), build };
}

/** A strategy that cannot be made. */
export class StrategyBuildError extends Error {
  override readonly name = 'StrategyBuildError';
  readonly strategy: string;

  constructor({ strategy, message, cause }: { strategy: string; message: string; cause?: unknown }) {
    super(`strategy "${strategy}" cannot be built: ${message}`, { cause });
    this.strategy = strategy;
  }
}

export type StrategyFault = {
  readonly strategy: string;
  readonly symbol: string;
  readonly reason: StrategyReason;
  readonly message: string;
  readonly windowStartMs: EpochMs;
};

export type StrategyOutput = {
  readonly signals: Signal[];
  /** The id of the symbol's last signal before the first of `signals`; undefined when there was none. */
  previousId?: string | undefined;
  /** Decisions that a guard stopped, by index in `signalGuards`. */
  readonly suppressed: Float64Array;
  /** One for each (strategy, symbol) that is switched off from here on. */
  readonly faults: StrategyFault[];
};

/** Strategies as one program over the slots of a symbol. It holds nothing itself: a copy of the slots is a copy of all that it knows. */
export type CompiledStrategies = {
  readonly names: readonly string[];
  /** For all strategies together. */
  readonly slotsPerSymbol: number;
  /** Slots written under another fingerprint mean something else. */
  readonly fingerprint: string;
  /** Makes the slots of a symbol seen for the first time. */
  initialize(slots: Float64Array, base: number): void;
  /**
   * Takes one closed bar of `windowSizesMs[intervalIndex]`: each once, on time, in order of window end, on equal ends the longer interval
   * first. Strategies decide on bars of interval 0. A bar without prices is passed over: it has nothing that an indicator could use.
   */
  onBar(intervalIndex: number, bar: ClosedBar, slots: Float64Array, base: number, out: StrategyOutput): void;
};

/** @throws StrategyBuildError that names the strategy and says what to do. */
export function compileStrategies(
  strategies: readonly Strategy[],
  options: { readonly windowSizesMs: readonly number[]; readonly calendar: Calendar; readonly generation: string },
): CompiledStrategies {
  const shared: Shared = {
    ...options,
    layout: new SlotLayout(),
    cursor: { slots: new Float64Array(0), base: 0 },
    barRows: [],
    compiled: [],
  };
  const compiled = strategies.map((strategy) => compile(strategy, strategies, shared));
  shared.compiled.push(...compiled);
  const initialValues = shared.layout.initialValues();
  return {
    names: strategies.map(({ name }) => name),
    slotsPerSymbol: initialValues.length,
    fingerprint: fingerprintOf(compiled, shared),
    initialize: (slots, base) => slots.set(initialValues, base),
    onBar: (intervalIndex, bar, slots, base, out) => {
      const row = shared.barRows[intervalIndex];
      if (row === undefined || Number.isNaN(bar.open + bar.high + bar.low + bar.close)) return;
      row.write(slots, base, bar);
      for (const strategy of compiled) update(strategy, intervalIndex, bar, slots, base);
      if (intervalIndex !== 0) return;
      shared.cursor.slots = slots;
      shared.cursor.base = base;
      for (const strategy of compiled) decide(strategy, shared, bar, slots, base, out);
      rememberDecisions(compiled, shared, slots, base);
    },
  };
}

type Shared = {
  readonly windowSizesMs: readonly number[];
  readonly calendar: Calendar;
  readonly generation: string;
  readonly layout: SlotLayout;
  readonly cursor: Cursor;
  /** By interval, for those that a strategy looks at. */
  readonly barRows: (BarRow | undefined)[];
  readonly compiled: Compiled[];
};

type Compiled = {
  readonly strategy: Strategy;
  readonly program: Program;
  readonly machine: SignalMachine;
  readonly decide: () => Decision;
  /** Slot that is 1 once the strategy is switched off for the symbol. */
  readonly faultSlot: number;
  /** Slot that counts bars from the first on which all indicators have a value, up to one more than `warmUpBars`. */
  readonly readyBarsSlot: number;
};

function compile(strategy: Strategy, all: readonly Strategy[], shared: Shared): Compiled {
  const { name, guards } = strategy;
  const { layout, cursor, calendar, windowSizesMs } = shared;
  if (all.find((other) => other.name === name) !== strategy) {
    throw new StrategyBuildError({ strategy: name, message: 'another strategy has this name; rename one of them' });
  }
  const faultSlot = layout.allocate(1, 0);
  const readyBarsSlot = layout.allocate(1, 0);
  const firstSlot = layout.slotCount;
  for (const value of signalStateAtFirst) layout.allocate(1, value);
  const program = new Program({ layout, cursor, calendar, intervalCount: windowSizesMs.length });
  const decide = buildNamed(strategy, program, shared);
  program.seal();
  return { strategy, program, machine: new SignalMachine({ guards, calendar, firstSlot }), decide, faultSlot, readyBarsSlot };
}

function buildNamed({ name, build }: Strategy, program: Program, shared: Shared): () => Decision {
  let decide: unknown;
  try {
    decide = build(builderOf(program, shared));
  } catch (cause) {
    throw new StrategyBuildError({ strategy: name, message: messageOf(cause), cause });
  }
  if (typeof decide !== 'function') {
    throw new StrategyBuildError({ strategy: name, message: `it must return a function that decides, received "${typeof decide}"` });
  }
  return decide as () => Decision;
}

function builderOf(program: Program, shared: Shared): StrategyBuilder {
  const timeframe = (interval: string) => timeframeAt(intervalIndexOf(interval, shared.windowSizesMs), program, shared);
  return { ...timeframeAt(0, program, shared), timeframe, above, below, crossedAbove, crossedBelow, buy, sell, hold };
}

function timeframeAt(intervalIndex: number, program: Program, { barRows, layout, windowSizesMs }: Shared): Timeframe {
  program.assertOpen();
  const row = barRows[intervalIndex] ?? new BarRow(layout, intervalIndex);
  barRows[intervalIndex] = row;
  return { bar: new BarSource(program, row, `bar${intervalText(windowSizesMs[intervalIndex] as number)}`), ...indicators };
}

function intervalIndexOf(interval: string, windowSizesMs: readonly number[]): number {
  const index = windowSizesMs.indexOf(parseInterval(interval));
  const kept = windowSizesMs.map(intervalText).join(', ');
  if (index < 0) throw new RangeError(`no bars are kept for timeframe "${interval}": add '${interval}' to intervals (now: ${kept})`);
  return index;
}

function update({ program, faultSlot }: Compiled, intervalIndex: number, bar: ClosedBar, slots: Float64Array, base: number): void {
  if (slots[base + faultSlot] === 1) return;
  const steps = program.steps[intervalIndex] ?? [];
  for (let i = 0; i < steps.length; i++) steps[i]?.(slots, base, bar);
}

function decide(compiled: Compiled, shared: Shared, bar: ClosedBar, slots: Float64Array, base: number, out: StrategyOutput): void {
  const { strategy, machine, faultSlot } = compiled;
  if (slots[base + faultSlot] === 1) return;
  const isWarm = countReadyBar(compiled, slots, base);
  let decision: Decision;
  try {
    decision = compiled.decide();
  } catch (error) {
    switchOff(compiled, 'strategy-threw', messageOf(error), bar, slots, base, out);
    return;
  }
  if (decision === holding) return;
  const wrong = wrongIn(decision, isWarm);
  if (wrong !== undefined) {
    switchOff(compiled, 'strategy-invalid-decision', wrong, bar, slots, base, out);
    return;
  }
  if (decision.side === 'hold') return;
  const guardIndex = machine.stoppedBy(slots, base, decision.side, isWarm, bar.windowStartMs, bar.windowEndMs);
  if (guardIndex !== passed) {
    out.suppressed[guardIndex] = (out.suppressed[guardIndex] as number) + 1;
    return;
  }
  if (out.signals.length === 0) out.previousId = lastSignalIdOf(shared, slots, base, bar.symbol);
  out.signals.push(raise(strategy, machine, decision, shared, bar, slots, base));
}

/** Whether the strategy has seen enough bars with this one. */
function countReadyBar({ program, strategy, readyBarsSlot }: Compiled, slots: Float64Array, base: number): boolean {
  const { warmUpBars } = strategy.guards;
  const at = base + readyBarsSlot;
  const readyBars = slots[at] as number;
  if (readyBars > warmUpBars) return true;
  if (readyBars === 0 && !isReady(program, slots, base)) return false;
  slots[at] = readyBars + 1;
  return readyBars + 1 > warmUpBars;
}

function isReady({ awaited }: Program, slots: Float64Array, base: number): boolean {
  for (let i = 0; i < awaited.length; i++) {
    if (Number.isNaN(slots[base + (awaited[i] as number)] as number)) return false;
  }
  return true;
}

/** A strategy is typed, but a user's may be plain JavaScript. While it warms up, its confidence may still be made of nothing. */
function wrongIn(decision: Decision, isWarm: boolean): string | undefined {
  const side: unknown = decision?.side;
  if (side !== 'buy' && side !== 'sell' && side !== 'hold') {
    return `it must decide buy(…), sell(…) or hold(), received "${side === undefined ? typeof decision : String(side)}"`;
  }
  if (decision.side === 'hold') return undefined;
  const { confidence, reasons } = decision;
  if (isWarm && !(typeof confidence === 'number' && confidence >= 0 && confidence <= 1)) {
    return `confidence must be a number from 0 to 1, received "${String(confidence)}"`;
  }
  const texts: readonly unknown[] = Array.isArray(reasons) ? reasons : [reasons];
  if (texts.length === 0 || texts.some((text) => typeof text !== 'string')) return `${side} must have a reason, a text or a list of texts`;
  const characters = texts.reduce((sum: number, text) => sum + String(text).length, 0);
  if (characters > reasonCharactersMax)
    return `the reasons of a ${side} must have at most ${reasonCharactersMax} characters together, received ${characters}`;
  return undefined;
}

/** A signal must go into a message of every way out. */
const reasonCharactersMax = 4_096;

function raise(
  { name }: Strategy,
  machine: SignalMachine,
  { side, confidence, reasons }: Exclude<Decision, { side: 'hold' }>,
  shared: Shared,
  { symbol, windowStartMs, windowEndMs, close }: ClosedBar,
  slots: Float64Array,
  base: number,
): Signal {
  return {
    signalId: idOf(name, shared, symbol, windowStartMs),
    symbol,
    strategy: name,
    side,
    intent: machine.raise(slots, base, side, windowStartMs, windowEndMs),
    windowStartMs,
    windowEndMs,
    price: close,
    confidence,
    reasons: typeof reasons === 'string' ? [reasons] : [...reasons],
  };
}

/** Nothing is remembered for it: what the guards know of each strategy's last signal is enough to name it. */
function lastSignalIdOf(shared: Shared, slots: Float64Array, base: number, symbol: string): string | undefined {
  const windowSizeMs = shared.windowSizesMs[0] as number;
  const places = shared.compiled.flatMap(({ strategy, machine }) => {
    const windowEndMs = machine.lastSignalMs(slots, base);
    if (Number.isNaN(windowEndMs)) return [];
    return { windowEndMs, signalId: idOf(strategy.name, shared, symbol, windowEndMs - windowSizeMs) };
  });
  return places.toSorted(bySignalOrder).at(-1)?.signalId;
}

function idOf(strategy: string, { generation, windowSizesMs }: Shared, symbol: string, windowStartMs: EpochMs): string {
  return signalIdOf({ generation, strategy, symbol, interval: intervalText(windowSizesMs[0] as number), windowStartMs });
}

function switchOff(
  { strategy, faultSlot }: Compiled,
  reason: StrategyReason,
  message: string,
  { symbol, windowStartMs }: ClosedBar,
  slots: Float64Array,
  base: number,
  out: StrategyOutput,
): void {
  slots[base + faultSlot] = 1;
  out.faults.push({ strategy: strategy.name, symbol, reason, message, windowStartMs });
}

function rememberDecisions(compiled: readonly Compiled[], { barRows }: Shared, slots: Float64Array, base: number): void {
  for (let i = 1; i < barRows.length; i++) barRows[i]?.rememberDecision(slots, base);
  for (const { program } of compiled) {
    for (const { slot, slotAtLastDecision } of program.remembered) slots[base + slotAtLastDecision] = slots[base + slot] as number;
  }
}

/** Names, guards and indicators in the order their slots were given out, as text: a difference can be read. */
function fingerprintOf(compiled: readonly Compiled[], { windowSizesMs, calendar, layout }: Shared): string {
  const parts = compiled.map(({ strategy, program }) => {
    const guards = Object.entries(strategy.guards).map(([name, value]) => `${name}=${value}`);
    return `${JSON.stringify(strategy.name)}[${guards.join(' ')}][${program.labels.join(' ')}]`;
  });
  return [`${layout.slotCount} slots`, windowSizesMs.map(intervalText).join(','), calendar.name, ...parts].join('|');
}

function messageOf(error: unknown): string {
  if (error instanceof Error) return error.message;
  return typeof error === 'string' ? error : `it threw a value of type ${typeof error}`;
}
