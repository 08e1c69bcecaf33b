/** No receiver may put a delivery off for longer by itself. */
const retryAfterMaxMs = 86_400_000;

/**
 * How long a receiver asks to wait: seconds or a date of HTTP, at most a day. Undefined for anything else.
 * @see https://www.rfc-editor.org/rfc/rfc9110#field.retry-after
 */
export function retryAfterMsOf(header: string | undefined, nowMs: number): number | undefined {
  const text = header?.trim() ?? '';
  if (/^\d+(\.\d+)?$/.test(text)) return bounded(Number(text) * 1000);
  // `Date.parse` takes much that is no date of HTTP.
  if (!/^(Mon|Tue|Wed|Thu|Fri|Sat|Sun)[a-z]*,? .*\d\d:\d\d:\d\d/.test(text)) return undefined;
  const timeMs = Date.parse(/ GMT$/.test(text) ? text : `${text} GMT`);
  return Number.isNaN(timeMs) ? undefined : bounded(timeMs - nowMs);
}

/** The same of a body's number of seconds, as chat services give it. */
export function retryAfterMsOfSeconds(seconds: unknown): number | undefined {
  return typeof seconds === 'number' && Number.isFinite(seconds) ? bounded(seconds * 1000) : undefined;
}

function bounded(waitMs: number): number {
  return Math.ceil(Math.min(Math.max(waitMs, 0), retryAfterMaxMs));
}
