/** Where a value is in a JSON text, its end excluded. */
export type JsonSpan = { readonly start: number; readonly end: number };

/**
 * The members of the object at `from` in a text that `JSON.parse` accepts: where each value is written, so that a number keeps its
 * digits. Of a repeated key the last one counts, as in `JSON.parse`. However deep a value is nested, nothing recurses.
 */
export function membersOf(json: string, from = 0): Map<string, JsonSpan> {
  const members = new Map<string, JsonSpan>();
  let at = afterBlanks(json, afterBlanks(json, from) + 1);
  while (json[at] === '"') {
    const keyEnd = afterString(json, at);
    const key: string = JSON.parse(json.slice(at, keyEnd));
    const start = afterBlanks(json, afterBlanks(json, keyEnd) + 1);
    const end = afterValue(json, start);
    members.set(key, { start, end });
    at = afterBlanks(json, end);
    if (json[at] === ',') at = afterBlanks(json, at + 1);
  }
  return members;
}

/** The elements of the array at `from`, likewise. */
export function elementsOf(json: string, from: number): JsonSpan[] {
  const elements: JsonSpan[] = [];
  let start = afterBlanks(json, afterBlanks(json, from) + 1);
  while (json[start] !== ']') {
    const end = afterValue(json, start);
    elements.push({ start, end });
    const at = afterBlanks(json, end);
    start = json[at] === ',' ? afterBlanks(json, at + 1) : at;
  }
  return elements;
}

function afterBlanks(json: string, from: number): number {
  let at = from;
  while (json[at] === ' ' || json[at] === '\t' || json[at] === '\r' || json[at] === '\n') at++;
  return at;
}

function afterString(json: string, from: number): number {
  let at = from + 1;
  while (json[at] !== '"') at += json[at] === '\\' ? 2 : 1;
  return at + 1;
}

function afterValue(json: string, from: number): number {
  if (json[from] === '"') return afterString(json, from);
  if (json[from] !== '{' && json[from] !== '[') return afterScalar(json, from);
  let depth = 0;
  let at = from;
  do {
    const character = json[at] as string;
    if (character === '{' || character === '[') depth++;
    if (character === '}' || character === ']') depth--;
    at = character === '"' ? afterString(json, at) : at + 1;
  } while (depth > 0);
  return at;
}

function afterScalar(json: string, from: number): number {
  let at = from;
  while (at < json.length && !',]} \t\r\n'.includes(json[at] as string)) at++;
  return at;
}
