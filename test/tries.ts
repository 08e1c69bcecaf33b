/** How often a law is tried: all of it in CI (`TAPELINE_SLOW=1`), a part where somebody waits for `npm test`. */
export function tries(all: number, { part = 1 / 5 } = {}): number {
  return process.env['TAPELINE_SLOW'] === '1' ? all : Math.ceil(all * part);
}
