import { ConfigError } from './config-error.ts';
import { parseInterval } from './interval.ts';
import { nearestOf } from './nearest.ts';

/** Whether the value of an option can be used. @throws RangeError that says what it must be and what was received */
export type Check = (value: unknown, of: string) => void;
export type Checks = Readonly<Record<string, Check>>;

/** Refuses unknown options, wrong values and required ones that lack. @param kind what has these options, for the message. @throws ConfigError */
export function checkOptions(
  kind: string,
  options: Readonly<Record<string, unknown>>,
  checks: Checks,
  required: ReadonlySet<string>,
): void {
  const unknown = Object.keys(options).find((option) => !Object.hasOwn(checks, option));
  if (unknown !== undefined) {
    throw new ConfigError(`${kind} has no option "${unknown}"; did you mean "${nearestOf(unknown, Object.keys(checks))}"?`);
  }
  for (const [option, check] of Object.entries(checks)) {
    const value = options[option];
    if (value !== undefined || required.has(option)) within(kind, () => check(value, option));
  }
}

/** Says of which builder it is what a check throws. */
function within(kind: string, check: () => void): void {
  try {
    check();
  } catch (cause) {
    throw new ConfigError(`${kind}: ${(cause as Error).message}`, { cause });
  }
}

/** Which signals: what is left out does not matter. */
export const choiceChecks = {
  symbols: listOf(text),
  strategies: listOf(text),
  sides: listOf(oneOf('buy', 'sell')),
  intervals: listOf((value) => parseInterval(String(value))),
  confidenceMin: number(0, 1),
} satisfies Checks;

function text(value: unknown, of: string): void {
  if (typeof value !== 'string' || value === '') refuse(of, 'a list of texts', value);
}

export function listOf(check: Check): Check {
  return (value, of) => {
    if (!Array.isArray(value) || value.length === 0) refuse(of, 'a list with at least one entry', value);
    for (const entry of value as unknown[]) check(entry, of);
  };
}

export function oneOf(...allowed: readonly string[]): Check {
  return (value, of) => {
    if (!allowed.includes(value as string)) refuse(of, allowed.join(' or '), value);
  };
}

export function matching(pattern: RegExp, wanted: string): Check {
  return (value, of) => {
    if (typeof value !== 'string' || !pattern.test(value)) refuse(of, wanted, value);
  };
}

export function number(smallest: number, greatest: number, isWhole = false): Check {
  return (value, of) => {
    const isRight = typeof value === 'number' && value >= smallest && value <= greatest && (!isWhole || Number.isInteger(value));
    if (!isRight) refuse(of, `a ${isWhole ? 'whole ' : ''}number from ${smallest} to ${greatest}`, value);
  };
}

export function refuse(of: string, wanted: string, value: unknown): never {
  throw new RangeError(`${of} must be ${wanted}, received "${String(value)}"`);
}

/** A message must not carry on what should not have been in the config. */
export function withoutCredentials(url: string): string {
  return url.replace(/\/\/[^/]*@/, '//…@');
}
