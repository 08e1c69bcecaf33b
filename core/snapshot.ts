import { BucketState, countNames, type ProducerState } from './bucket-state.ts';
import { IdSet } from './id-set.ts';
import { type Pipeline, stateVersion } from './pipeline.ts';
import type { QuarantineReason } from './reasons.ts';

/**
 * A bucket's state as bytes, and back, bit for bit (NaN and infinities too):
 *
 *     'TPLS' | version | meta length in UTF-16 units | checksum (four 32-bit words) | meta (JSON as UTF-16, padded to 8) | float64 sections
 *
 * The texts and the section lengths are in the meta; every number that the fold computes with is a float64 in a section.
 */
const magic = 0x534c5054;
const headBytes = 16;

type Meta = {
  readonly fingerprint: string;
  readonly bucket: number;
  readonly sequenceNumber: string;
  /** Absent in states from before it was kept. */
  readonly shards?: readonly (readonly [string, string])[];
  readonly symbols: readonly string[];
  readonly producers: readonly (readonly [string, number, readonly number[]])[];
  readonly quarantined: readonly (readonly [QuarantineReason, number])[];
  readonly sectionLengths: readonly number[];
};

/** State that cannot be read: broken, of another version, or of a pipeline that computes something else. */
export class StateUnreadable extends Error {
  override readonly name = 'StateUnreadable';
  readonly code: 'state-broken' | 'state-version-unsupported' | 'state-of-another-pipeline';
  constructor(code: StateUnreadable['code'], message: string) {
    super(message);
    this.code = code;
  }
}

export function snapshot(state: BucketState): Uint8Array {
  const sections = sectionsOf(state);
  const meta: Meta = {
    fingerprint: state.pipeline.fingerprint,
    bucket: state.bucket,
    sequenceNumber: state.sequenceNumber,
    shards: [...state.shards],
    symbols: state.symbols,
    producers: [...state.producers].map(([id, { last, missing }]) => [id, last, [...missing]] as const),
    quarantined: [...state.quarantinedCounts],
    sectionLengths: sections.map((section) => section.length),
  };
  const text = JSON.stringify(meta);
  const firstSection = sectionOffset(text.length);
  const bytes = new Uint8Array(firstSection + sections.reduce((sum, section) => sum + section.byteLength, 0));
  const units = new Uint16Array(bytes.buffer, headBytes, text.length);
  for (let i = 0; i < text.length; i++) units[i] = text.charCodeAt(i);
  let at = firstSection;
  for (const section of sections) {
    bytes.set(new Uint8Array(section.buffer, section.byteOffset, section.byteLength), at);
    at += section.byteLength;
  }
  const head = new Uint32Array(bytes.buffer, 0, 4);
  head.set([magic, stateVersion, text.length]);
  head[3] = checksumOf(bytes);
  return bytes;
}

/** @throws StateUnreadable and leaves nothing half done. */
export function restore(pipeline: Pipeline, snapshotBytes: Uint8Array): BucketState {
  const bytes = snapshotBytes.byteOffset % 8 === 0 ? snapshotBytes : new Uint8Array(snapshotBytes);
  const { meta, firstSection } = readMeta(bytes);
  if (meta.fingerprint !== pipeline.fingerprint) {
    throw new StateUnreadable(
      'state-of-another-pipeline',
      'the saved state belongs to other intervals, policies or strategies; give the changed pipeline a state of its own, such as another state folder',
    );
  }
  const state = new BucketState(pipeline, meta.bucket);
  state.sequenceNumber = meta.sequenceNumber;
  for (const [shardId, folded] of meta.shards ?? []) state.shards.set(shardId, folded);
  for (const symbol of meta.symbols) state.addSymbol(symbol);
  for (const [id, last, missing] of meta.producers) state.producers.set(id, { last, missing: new Set(missing) } satisfies ProducerState);
  for (const [reason, count] of meta.quarantined) state.quarantinedCounts.set(reason, count);
  restoreSections(state, sectionsIn(bytes, firstSection, meta.sectionLengths));
  return state;
}

function sectionsOf(state: BucketState): Float64Array[] {
  const { slotsPerSymbol } = state.pipeline.strategies;
  const scalars = Float64Array.of(
    state.watermarkMs,
    state.firstEventTimeMs,
    state.lastEventTimeMs,
    ...state.volume,
    ...state.suppressedCounts,
    ...countNames.map((name) => state.counts[name]),
  );
  const strategySlots = state.strategySlots.subarray(0, state.symbols.length * slotsPerSymbol);
  return [scalars, strategySlots, state.tradeIds.snapshot(state.watermarkMs), ...state.tables.map((table) => table.snapshot())];
}

function restoreSections(state: BucketState, [scalars, strategySlots, tradeIds, ...tables]: Float64Array[]): void {
  const values = [...(scalars as Float64Array)];
  const next = () => values.shift() as number;
  state.watermarkMs = next();
  state.firstEventTimeMs = next();
  state.lastEventTimeMs = next();
  state.volume.set([next(), next()]);
  for (let i = 0; i < state.suppressedCounts.length; i++) state.suppressedCounts[i] = next();
  for (const name of countNames) state.counts[name] = next();
  state.strategySlots.set(strategySlots as Float64Array);
  state.tradeIds = IdSet.restore(tradeIds as Float64Array);
  for (const [i, table] of state.tables.entries()) table.restore(tables[i] as Float64Array);
  state.setNextAction();
}

function readMeta(bytes: Uint8Array): { meta: Meta; firstSection: number } {
  if (bytes.length < headBytes || bytes.length % 8 !== 0) throw broken('it is cut off');
  const [readMagic, version, textLength, checksum] = new Uint32Array(bytes.buffer, bytes.byteOffset, 4) as unknown as [
    number,
    number,
    number,
    number,
  ];
  if (readMagic !== magic) throw broken('it does not begin as a state does');
  if (version !== stateVersion) {
    throw new StateUnreadable(
      'state-version-unsupported',
      `the saved state has version "${version}", this program reads ${stateVersion}; run the program that wrote it, or start a new generation`,
    );
  }
  if (sectionOffset(textLength) > bytes.length || checksumOf(bytes) !== checksum) throw broken('its checksum does not match');
  const units = new Uint16Array(bytes.buffer, bytes.byteOffset + headBytes, textLength);
  let text = '';
  for (let from = 0; from < textLength; from += 8192) text += String.fromCharCode(...units.subarray(from, from + 8192));
  return { meta: JSON.parse(text) as Meta, firstSection: sectionOffset(textLength) };
}

function sectionsIn(bytes: Uint8Array, firstSection: number, lengths: readonly number[]): Float64Array[] {
  let at = bytes.byteOffset + firstSection;
  return lengths.map((length) => {
    const section = new Float64Array(bytes.buffer, at, length);
    at += section.byteLength;
    return section;
  });
}

function sectionOffset(textLength: number): number {
  return Math.ceil((headBytes + textLength * 2) / 8) * 8;
}

/** Two interleaved lanes of multiply and rotate over all 32-bit words but the checksum's own. */
function checksumOf(bytes: Uint8Array): number {
  const words = new Int32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4);
  let a = 0x9e3779b1 | 0;
  let b = 0x85ebca77 | 0;
  for (let i = 4; i < words.length; i += 2) {
    a = Math.imul(((a << 13) | (a >>> 19)) ^ (words[i] as number), 0x9e3779b1);
    b = Math.imul(((b << 11) | (b >>> 21)) ^ (words[i + 1] as number), 0x85ebca6b);
  }
  const head = Math.imul((words[1] as number) ^ Math.imul(words[2] as number, 0xc2b2ae35), 0x27d4eb2f);
  const mix = a ^ ((b << 16) | (b >>> 16)) ^ head;
  return (mix ^ (mix >>> 15)) >>> 0;
}

function broken(detail: string): StateUnreadable {
  return new StateUnreadable(
    'state-broken',
    `the saved state cannot be read: ${detail}; restore an earlier one, or delete it and replay the tape`,
  );
}
