import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import { afterAll, describe, expect, it } from 'vitest';
import { InputError } from '../../../adapters/errors.ts';
import type { Input } from '../../../adapters/feeds/input.ts';
import { openInput, readFeed } from '../../../adapters/feeds/input.ts';
import { ndjson } from '../../../adapters/feeds/ndjson.ts';
import type { RejectedLine } from '../../../adapters/feeds/feed.ts';
import { TradeBatch } from '../../../core/trade.ts';
import { bytesOf, joined, read, tradesOf } from './reading.ts';

const folder = mkdtempSync(join(tmpdir(), 'tapeline-input-'));
afterAll(() => rmSync(folder, { recursive: true }));

const lineOf = (i: number) =>
  `{"symbol":"S${(i * 7919) % 1500}","eventTimeMs":${1_381_152_600_000 + i},"price":${(i % 997) / 100 + 1},"size":${(i % 13) + 1},"tradeId":${i}}\n`;
const text = Array.from({ length: 12_000 }, (_, i) => lineOf(i)).join('');
const bytes = bytesOf(text);
const whole = read(ndjson, bytes);

function file(name: string, content: Uint8Array): string {
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
}

async function bytesFrom(input: Input): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of input) chunks.push(new Uint8Array(chunk));
  return joined(...chunks);
}

async function readAll(path: string): Promise<{ trades: ReturnType<typeof tradesOf>['trades']; rejected: RejectedLine[]; input: Input }> {
  const input = await openInput(path);
  const out = { trades: new TradeBatch(), rejected: [] };
  for await (const _ of readFeed(input, ndjson.decoder(), out));
  return { trades: tradesOf(out.trades).trades, rejected: out.rejected, input };
}

const half = Math.floor(bytes.length / 2) + 5;
const forms: readonly { readonly form: string; readonly content: Uint8Array }[] = [
  { form: 'plain.ndjson', content: bytes },
  { form: 'one.gz', content: gzipSync(bytes) },
  { form: 'two-members.gz', content: joined(gzipSync(bytes.subarray(0, half)), gzipSync(bytes.subarray(half))) },
  { form: 'one.zst', content: zstdCompressSync(bytes) },
  { form: 'two-frames.zst', content: joined(zstdCompressSync(bytes.subarray(0, half)), zstdCompressSync(bytes.subarray(half))) },
  {
    form: 'many-frames.zst',
    content: joined(
      ...Array.from({ length: Math.ceil(bytes.length / 5000) }, (_, i) => zstdCompressSync(bytes.subarray(i * 5000, (i + 1) * 5000))),
    ),
  },
  { form: 'empty-frame-first.zst', content: joined(zstdCompressSync(new Uint8Array()), zstdCompressSync(bytes)) },
];

describe.each(forms)('$form', ({ form, content }) => {
  const path = file(form, content);

  it('is read whole, and says how far it is', async () => {
    const { trades, rejected, input } = await readAll(path);
    expect({ trades, rejected }).toEqual({ trades: whole.trades, rejected: [] });
    expect([input.bytesRead, input.bytesTotal, input.ending]).toEqual([content.length, content.length, 'complete']);
  });

  it.each([1, 4095, 131_072, 262_144, half, bytes.length - 1, bytes.length])(
    'is read from byte %i of what is in it',
    async (byteOffset) => {
      expect(Buffer.compare(await bytesFrom(await openInput(path, { byteOffset })), bytes.subarray(byteOffset))).toBe(0);
    },
  );

  it('is refused when it is shorter than what was read before', async () => {
    await expect(openInput(path, { byteOffset: bytes.length + 1 }).then(bytesFrom)).rejects.toMatchObject({
      name: 'InputError',
      code: 'input-shorter-than-offset',
    });
  });
});

describe.each(forms.filter(({ form }) => !form.startsWith('plain')))('$form, cut off', ({ form, content }) => {
  it.each([0.001, 0.25, 0.5, 0.75, 0.999])('after a share of %d gives what came, and one rejected line', async (share) => {
    const { trades, rejected, input } = await readAll(file(`cut-${form}`, content.subarray(0, Math.floor(content.length * share))));
    expect(input.ending).toBe('truncated');
    expect(trades).toEqual(whole.trades.slice(0, trades.length));
    const byteOffset = bytesOf(
      text
        .split('\n')
        .slice(0, trades.length)
        .map((line) => `${line}\n`)
        .join(''),
    ).length;
    expect(rejected).toMatchObject([{ reason: 'input-truncated', line: trades.length + 1, byteOffset }]);
    expect(lineOf(trades.length).startsWith(rejected[0]?.sample as string)).toBe(true);
    // Compressed blocks decode as a whole, so half of the bytes is not half of the lines.
    if (share > 0.5) expect(trades.length).toBeGreaterThan(whole.trades.length * 0.4);
  });
});

it.each([
  { form: 'gz', parts: [gzipSync('hello hello\n'), gzipSync('again '.repeat(50))] },
  {
    form: 'zst',
    parts: [zstdCompressSync(bytesOf('hello hello\n')), zstdCompressSync(new Uint8Array()), zstdCompressSync(bytesOf('again '.repeat(50)))],
  },
])('a .$form is complete where a part of it ends, and at no other byte', async ({ form, parts }) => {
  const content = joined(...parts);
  const complete: number[] = [];
  for (let end = 0; end <= content.length; end++) {
    const input = await openInput(file(`any.${form}`, content.subarray(0, end)));
    await bytesFrom(input);
    if (input.ending === 'complete') complete.push(end);
  }
  expect(complete).toEqual(parts.map((_, i) => joined(...parts.slice(0, i + 1)).length));
});

describe.each([
  { damage: 'damaged.gz', content: gzipSync(bytes).fill(0xff, 60_000, 60_100) },
  { damage: 'damaged.zst', content: zstdCompressSync(bytes).fill(0xff, 60_000, 60_100) },
  { damage: 'not-compressed.gz', content: bytes },
  { damage: 'not-compressed.zst', content: bytes },
  { damage: 'empty.gz', content: new Uint8Array() },
  { damage: 'empty.zst', content: new Uint8Array() },
  { damage: 'more-behind.zst', content: joined(zstdCompressSync(bytes), 'something else') },
])('$damage', ({ damage, content }) => {
  it('ends with a rejected line and no exception', async () => {
    const { rejected, input } = await readAll(file(damage, content));
    expect(input.ending).toBe('truncated');
    expect(rejected.at(-1)?.reason).toBe('input-truncated');
  });
});

it.skipIf(process.platform === 'win32')('reads a pipe that has a name', async () => {
  const path = join(folder, 'pipe');
  execFileSync('mkfifo', [path]);
  const writing = writeFile(path, bytes);
  const input = await openInput(path, { byteOffset: 5 });
  expect(Buffer.compare(await bytesFrom(input), bytes.subarray(5))).toBe(0);
  expect([input.bytesRead, input.bytesTotal]).toEqual([bytes.length, undefined]);
  await writing;
});

describe('standard input', () => {
  const chunks = [bytes.subarray(0, 100), bytes.subarray(100, 70_001), bytes.subarray(70_001)];

  it('is read to its end, its size unknown', async () => {
    const input = await openInput('-', { standardInput: Readable.from(chunks) });
    expect(Buffer.compare(await bytesFrom(input), bytes)).toBe(0);
    expect([input.bytesRead, input.bytesTotal]).toEqual([bytes.length, undefined]);
  });

  it('is read from a byte on by letting go of what is before', async () => {
    expect(
      Buffer.compare(
        await bytesFrom(await openInput('-', { byteOffset: 70_000, standardInput: Readable.from(chunks) })),
        bytes.subarray(70_000),
      ),
    ).toBe(0);
  });

  it('that fails is an input error to try again', async () => {
    const failing = Readable.from(
      (async function* () {
        yield chunks[0];
        throw new Error('cable pulled');
      })(),
    );
    const reading = openInput('-', { standardInput: failing }).then(bytesFrom);
    await expect(reading).rejects.toMatchObject({
      name: 'InputError',
      code: 'input-unreadable',
      retryable: true,
      cause: { message: 'cable pulled' },
    });
  });
});

it.each([
  ['a file that is not there', join(folder, 'none.ndjson'), 'input-not-found'],
  ['a file below a file', join(file('plain', bytes), 'x'), 'input-not-found'],
  ['a folder', folder, 'input-is-a-directory'],
])('refuses %s', async (_, path, code) => {
  await expect(openInput(path)).rejects.toThrow(InputError);
  await expect(openInput(path)).rejects.toMatchObject({ code, retryable: false, message: expect.stringContaining(`"${path}"`) });
});

it.each(['gz', 'zst'])('holds little of a .%s that is much larger unpacked', async (form) => {
  const blanks = new Uint8Array(200_000_000).fill(0x0a);
  const path = file(`blanks.${form}`, form === 'gz' ? gzipSync(blanks, { level: 1 }) : zstdCompressSync(blanks));
  let byteCount = 0;
  let most = 0;
  const before = process.memoryUsage().arrayBuffers;
  for await (const chunk of await openInput(path)) {
    byteCount += chunk.length;
    if (byteCount % 10_000_000 < chunk.length) await new Promise((resolve) => setTimeout(resolve, 1));
    most = Math.max(most, process.memoryUsage().arrayBuffers - before);
  }
  expect(byteCount).toBe(200_000_000);
  expect(most).toBeLessThan(80_000_000);
});

it('lets go of the file when the reader stops early', async () => {
  for (const { form } of forms) {
    for await (const _ of await openInput(join(folder, form))) break;
  }
  const handles = process.getActiveResourcesInfo().filter((name) => name.includes('File') || name.includes('FSReq'));
  expect(handles.length).toBeLessThan(3);
});
