import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { Reader } from '../../local/reader.ts';

describe('a reader', () => {
  it('gives each read of its source once, however often it was waited for', async () => {
    const source = new SlowSource();
    const reader = new Reader(source, undefined);
    for (let i = 0; i < 3; i++) expect(await reader.next(1)).toBe('silent');
    expect(source.asked).toBe(1);
    source.answer(true);
    expect(await reader.next(1_000)).toBe('read');
    expect(await reader.next(1)).toBe('silent');
    expect(source.asked).toBe(2);
    source.answer(false);
    expect(await reader.next()).toBe('over');
  });

  it('keeps what came between two waits', async () => {
    const source = new SlowSource();
    const reader = new Reader(source, undefined);
    expect(await reader.next(1)).toBe('silent');
    source.answer(true);
    await sleep(5);
    expect(await reader.next()).toBe('read');
    expect(source.asked).toBe(1);
  });

  it('wakes up for Ctrl-C while its source is silent, and asks no more', async () => {
    const source = new SlowSource();
    const interruption = new AbortController();
    const reader = new Reader(source, interruption.signal);
    setTimeout(() => interruption.abort(), 5);
    expect(await reader.next()).toBe('interrupted');
    expect(await reader.next()).toBe('interrupted');
    expect(source.asked).toBe(1);
  });

  it('throws what its source throws to whoever waits next, and to nobody else', async () => {
    const source = new SlowSource();
    const reader = new Reader(source, undefined);
    expect(await reader.next(1)).toBe('silent');
    source.fail(new Error('the disk is gone'));
    await sleep(5);
    await expect(reader.next()).rejects.toThrow('the disk is gone');
  });

  it('leaves no timer behind a read that came in time', async () => {
    const timers = () => process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length;
    const before = timers();
    const source = { next: () => Promise.resolve(true) };
    const reader = new Reader(source, undefined);
    for (let i = 0; i < 100; i++) expect(await reader.next(10_000)).toBe('read');
    expect(timers()).toBe(before);
  });
});

class SlowSource {
  asked = 0;
  answer: (hasMore: boolean) => void = () => undefined;
  fail: (error: Error) => void = () => undefined;

  next(): Promise<boolean> {
    this.asked++;
    return new Promise((resolve, reject) => {
      this.answer = resolve;
      this.fail = reject;
    });
  }
}
