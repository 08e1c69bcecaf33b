import type { Calendar } from './calendar.ts';
import { type SignalGuard, signalGuards } from './reasons.ts';
import type { Side, Signal } from './signal.ts';
import type { EpochMs } from './trade.ts';

/** What keeps a strategy from telling too much. Each guard has a counter, so that a signal not raised can be explained. */
export type GuardOptions = {
  /**
   * Time from one signal to the next, entry or exit, at the least.
   * @default 0
   */
  readonly cooldownMs?: number;
  /**
   * Time from an entry to its exit, at the least.
   * @default 0
   */
  readonly minimumHoldMs?: number;
  /**
   * Signals in one session day of the calendar, entries and exits alike, at the most. An exit above the cap waits for the next day.
   * @default Infinity
   */
  readonly dailyCap?: number;
  /**
   * Bars to wait after the first one on which all of the strategy's indicators have a value.
   * @default 0
   */
  readonly warmUpBars?: number;
  /**
   * Whether a sell without a position enters a short one, which the next buy exits.
   * @default false
   */
  readonly allowShort?: boolean;
};

export type Guards = Required<GuardOptions>;

const defaults: Guards = { cooldownMs: 0, minimumHoldMs: 0, dailyCap: Number.POSITIVE_INFINITY, warmUpBars: 0, allowShort: false };

/** @throws RangeError that names the option. */
export function guardsOf(options: GuardOptions): Guards {
  const guards = { ...defaults, ...options };
  for (const name of Object.keys(guards)) {
    if (!Object.hasOwn(defaults, name))
      throw new RangeError(`guard must be one of ${Object.keys(defaults).join(', ')}, received "${name}"`);
  }
  for (const name of ['cooldownMs', 'minimumHoldMs'] as const) {
    if (!Number.isSafeInteger(guards[name]) || guards[name] < 0) {
      throw new RangeError(`${name} must be a whole number of ms, 0 or more, received "${guards[name]}"`);
    }
  }
  if (!Number.isSafeInteger(guards.warmUpBars) || guards.warmUpBars < 0) {
    throw new RangeError(`warmUpBars must be a whole number, 0 or more, received "${guards.warmUpBars}"`);
  }
  if (!(guards.dailyCap === Number.POSITIVE_INFINITY || (Number.isSafeInteger(guards.dailyCap) && guards.dailyCap > 0))) {
    throw new RangeError(`dailyCap must be a whole number above 0, or Infinity, received "${guards.dailyCap}"`);
  }
  if (typeof guards.allowShort !== 'boolean')
    throw new RangeError(`allowShort must be true or false, received "${String(guards.allowShort)}"`);
  return guards;
}

/** Slots of one (symbol, strategy). The position is 1 for long, -1 for short, 0 for none; the time is NaN before the first signal. */
const slot = { position: 0, lastSignalMs: 1, sessionDay: 2, signalsThatDay: 3 } as const;

/** What the slots hold for a symbol not seen before. */
export const signalStateAtFirst: readonly number[] = [0, Number.NaN, 0, 0];

export const passed = -1;

/**
 * Turns a strategy's decisions into one signal per change of mind. What it remembers is in the slots of the symbol.
 *
 *     none ──buy: enter──▶ long ──sell: exit──▶ none
 *     none ──sell: enter─▶ short ─buy: exit───▶ none       with allowShort
 */
export class SignalMachine {
  readonly #guards: Guards;
  readonly #calendar: Calendar;
  readonly #slot: number;

  /** @param firstSlot of as many slots as there are values in `signalStateAtFirst` */
  constructor({ guards, calendar, firstSlot }: { guards: Guards; calendar: Calendar; firstSlot: number }) {
    this.#guards = guards;
    this.#calendar = calendar;
    this.#slot = firstSlot;
  }

  /** The first guard that stops the decision, as its index in `signalGuards`, or `passed`. Changes nothing. */
  stoppedBy(slots: Float64Array, base: number, side: Side, isWarm: boolean, windowStartMs: EpochMs, windowEndMs: EpochMs): number {
    const { cooldownMs, minimumHoldMs, dailyCap, allowShort } = this.#guards;
    const at = base + this.#slot;
    const position = slots[at + slot.position] as number;
    const wanted = side === 'buy' ? 1 : -1;
    // In a position, the last signal was the one that entered it.
    const sinceLastSignalMs = windowEndMs - (slots[at + slot.lastSignalMs] as number);
    if (!isWarm) return guardIndex['warm-up'];
    if (sinceLastSignalMs < cooldownMs) return guardIndex.cooldown;
    if (position === -wanted && sinceLastSignalMs < minimumHoldMs) return guardIndex['minimum-hold'];
    if (dailyCap < Number.POSITIVE_INFINITY && this.#signalsToday(slots, at, windowStartMs) >= dailyCap) return guardIndex['daily-cap'];
    if (position === wanted) return guardIndex['already-in-position'];
    if (position === 0 && wanted === -1 && !allowShort) return guardIndex['no-position'];
    return passed;
  }

  /** Takes a decision that passed. */
  raise(slots: Float64Array, base: number, side: Side, windowStartMs: EpochMs, windowEndMs: EpochMs): Signal['intent'] {
    const at = base + this.#slot;
    const isEntry = slots[at + slot.position] === 0;
    slots[at + slot.signalsThatDay] = this.#signalsToday(slots, at, windowStartMs) + 1;
    slots[at + slot.sessionDay] = this.#calendar.sessionDayOf(windowStartMs);
    slots[at + slot.position] = isEntry ? (side === 'buy' ? 1 : -1) : 0;
    slots[at + slot.lastSignalMs] = windowEndMs;
    return isEntry ? 'enter' : 'exit';
  }

  /** The end of the window of the last signal; NaN before the first. */
  lastSignalMs(slots: Float64Array, base: number): EpochMs {
    return slots[base + this.#slot + slot.lastSignalMs] as number;
  }

  #signalsToday(slots: Float64Array, at: number, windowStartMs: EpochMs): number {
    return slots[at + slot.sessionDay] === this.#calendar.sessionDayOf(windowStartMs) ? (slots[at + slot.signalsThatDay] as number) : 0;
  }
}

const guardIndex = Object.fromEntries(signalGuards.map((guard, index) => [guard, index])) as Record<SignalGuard, number>;
