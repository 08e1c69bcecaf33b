import { amountMax, amountMin } from '../../core/trade.ts';

/** What is wrong with the text of a price or a size. */
export type AmountFault = 'not-a-number' | 'not-positive' | 'too-precise';

/** A decimal as people and databases write it: `181.85`, `.5`, `5.`, `1.5e-3`; no hex, no blanks, no `+`, no `Infinity`. */
const decimalPattern = /^-?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?$/;

/** The float64 nearest to the price or size that `text` says, or what is wrong with it: of 16 and 17 digits not all are printed back as they were. */
export function amountOf(text: string): number | AmountFault {
  if (!decimalPattern.test(text)) return 'not-a-number';
  const amount = Number(text);
  if (!(Math.abs(amount) <= amountMax)) return 'not-a-number';
  if (amount < amountMin) return 'not-positive';
  return digitsOf(String(amount)) === digitsOf(text) ? amount : 'too-precise';
}

/** The whole number that `text` says (`12`, `12.0`, `1.2e1`), NaN for any other text. */
export function wholeNumberOf(text: string): number {
  const value = decimalPattern.test(text) ? Number(text) : Number.NaN;
  return Number.isInteger(value) ? value + 0 : Number.NaN;
}

/** Without the zeros in front and at the end, which say nothing about precision: `185` of `0.1850`. */
function digitsOf(text: string): string {
  const digits = text.replace(/[eE].*$/, '').replace(/[^\d]/g, '');
  return digits.replace(/^0+/, '').replace(/0+$/, '');
}

/** 10^0 to 10^22, the powers that a float64 holds exactly. */
const powersOfTen = Float64Array.from({ length: 23 }, (_, exponent) => Number(`1e${exponent}`));

const zero = 0x30;
const point = 0x2e;

/**
 * Reads the plain decimal that starts at `start`, a JSON number without sign and exponent, into `values[index]` and returns the offset
 * behind it. Returns -1 for everything that needs a closer look: no number, zero, and more digits than can be read exactly.
 *
 * The digits make two whole numbers below 10^9, together one below 10^15 which is exact, and so is the power of ten: their quotient is
 * then the float64 nearest to the decimal, as `Number` gives it.
 * @see W. D. Clinger, How to read floating point numbers accurately, 1990
 */
export function scanAmount(bytes: Uint8Array, start: number, values: Float64Array, index: number): number {
  let at = start;
  let whole = 0;
  let digit = (bytes[at] as number) - zero;
  while (digit >= 0 && digit <= 9) {
    whole = (Math.imul(whole, 10) + digit) | 0;
    digit = (bytes[++at] as number) - zero;
  }
  const wholeDigits = at - start;
  if (wholeDigits === 0 || wholeDigits > 9 || (wholeDigits > 1 && bytes[start] === zero)) return -1;
  if (digit !== point - zero) {
    values[index] = whole;
    return whole > 0 ? at : -1;
  }
  const fractionAt = ++at;
  let fraction = 0;
  digit = (bytes[at] as number) - zero;
  while (digit >= 0 && digit <= 9) {
    fraction = (Math.imul(fraction, 10) + digit) | 0;
    digit = (bytes[++at] as number) - zero;
  }
  const fractionDigits = at - fractionAt;
  if (fractionDigits === 0 || fractionDigits > 9 || wholeDigits + fractionDigits > 15) return -1;
  const power = powersOfTen[fractionDigits] as number;
  const amount = (whole * power + fraction) / power;
  values[index] = amount;
  return amount > 0 ? at : -1;
}

/**
 * Reads the plain whole number that starts at `start`, at most 15 digits and no zero in front, into `values[index]` and returns the
 * offset behind it; -1 for any other.
 */
export function scanWhole(bytes: Uint8Array, view: DataView, start: number, values: Float64Array, index: number): number {
  let at = start;
  let whole = 0;
  let block = view.getInt32(at, true);
  while (isFourDigits(block) && at - start < 16) {
    whole = whole * 10_000 + fourDigitsOf(block);
    at += 4;
    block = view.getInt32(at, true);
  }
  let digit = (bytes[at] as number) - zero;
  while (digit >= 0 && digit <= 9) {
    whole = whole * 10 + digit;
    digit = (bytes[++at] as number) - zero;
  }
  const digits = at - start;
  if (digits === 0 || digits > 15 || (digits > 1 && bytes[start] === zero)) return -1;
  values[index] = whole;
  return at;
}

const digitMask = 0xf0f0f0f0 | 0;

/** Whether four bytes, the first one lowest, are all `0` to `9`. */
function isFourDigits(block: number): boolean {
  return (block & digitMask) === 0x30303030 && (((block + 0x06060606) | 0) & digitMask) === 0x30303030;
}

function fourDigitsOf(block: number): number {
  const pairs = (Math.imul(block & 0x0f0f0f0f, 10) + ((block & 0x0f0f0f0f) >>> 8)) & 0x00ff00ff;
  return (pairs & 0xff) * 100 + (pairs >>> 16);
}
