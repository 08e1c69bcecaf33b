/** One line of at most so many characters, without anything that could move a terminal's cursor or turn its text around. */
export function shortText(text: string, charactersMax = 200): string {
  const line = text
    .slice(0, charactersMax * 4)
    .replace(/[\p{C}\p{Z}\s]+/gu, ' ')
    .trim();
  if (line.length <= charactersMax) return line;
  // A character of two halves is not cut in the middle.
  const beginning = line.slice(0, charactersMax - 1).replace(/[\uD800-\uDBFF]$/, '');
  return `${beginning.trimEnd()}…`;
}
