import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { IdSet, textKeys } from '../../core/id-set.ts';
import { randomOf } from './support/stream.ts';

describe('the set of ids', () => {
  it('knows an id of a window until that expires, through growth and through snapshots', () => {
    const step = fc.record({
      symbol: fc.nat(3),
      key: fc.nat(40),
      secondKey: fc.constantFrom(0, -5),
      windowsAhead: fc.nat(3),
      passes: fc.nat(3),
      isSaved: fc.boolean(),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 400 }), (steps) => {
        let set = new IdSet();
        const known = new Map<string, number>();
        let watermarkMs = 0;
        for (const { symbol, key, secondKey, windowsAhead, passes, isSaved } of steps) {
          watermarkMs += passes;
          if (isSaved) set = IdSet.restore(set.snapshot(watermarkMs));
          const expiresMs = (Math.floor(watermarkMs / 10) + 1 + windowsAhead) * 10;
          const id = `${symbol} ${key} ${secondKey} ${expiresMs}`;
          expect(set.add(symbol, key, secondKey, expiresMs, watermarkMs)).toBe(!known.has(id));
          known.set(id, expiresMs);
        }
        const alive = [...known.values()].filter((expiresMs) => expiresMs > watermarkMs).length;
        expect(set.snapshot(watermarkMs)).toHaveLength(alive * 4);
      }),
    );
  });

  it('keeps a hundred thousand apart and lets them go', () => {
    const set = new IdSet();
    for (let id = 0; id < 100_000; id++) expect(set.add(id % 7, id * 4_294_967_296 + 1, 0, 10, 0) || id).toBe(true);
    for (let id = 0; id < 100_000; id += 97) expect(set.add(id % 7, id * 4_294_967_296 + 1, 0, 10, 9)).toBe(false);
    expect(set.snapshot(10)).toHaveLength(0);
    expect(set.add(0, 1, 0, 20, 10)).toBe(true);
  });

  it('is the same bytes after it was restored', () => {
    const set = new IdSet();
    const random = randomOf(1);
    for (let i = 0; i < 3_000; i++) set.add(i % 5, Math.floor(random() * 2 ** 53), 0, 1 + i, 0);
    const saved = set.snapshot(700);
    expect(IdSet.restore(saved).snapshot(700)).toEqual(saved);
  });
});

describe('the keys of a text', () => {
  it('are two whole numbers below zero, the same each time, and no two of 200,000 texts share them', () => {
    const seen = new Set<string>();
    const keys = new Float64Array(2);
    for (let i = 0; i < 200_000; i++) {
      textKeys(`T${i.toString(36)}-${i % 10}`, keys);
      seen.add(`${keys[0]} ${keys[1]}`);
      if (i % 1_000 === 0) expect(keys.every((key) => Number.isInteger(key) && key < 0 && key >= -(2 ** 53))).toBe(true);
    }
    expect(seen.size).toBe(200_000);
  });

  it('differ by any one character', () => {
    fc.assert(
      fc.property(fc.string({ minLength: 1, maxLength: 40 }), fc.nat(), (text, place) => {
        const at = place % text.length;
        const other = `${text.slice(0, at)}${String.fromCharCode(text.charCodeAt(at) ^ 1)}${text.slice(at + 1)}`;
        const [a, b] = [new Float64Array(2), new Float64Array(2)];
        textKeys(text, a);
        textKeys(other, b);
        expect(a).not.toEqual(b);
      }),
    );
  });
});
