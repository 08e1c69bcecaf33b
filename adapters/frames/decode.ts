import type { TapeRecord } from '../../core/consume.ts';
import { decodeJson } from './json.ts';
import { decodePacked, frameBytesMax, packedFirstByte } from './packed.ts';

/** One record of the log as the stream gives it. */
export type RawRecord = Pick<TapeRecord, 'sequenceNumber' | 'shardId' | 'arrivalTimeMs'> & { readonly data: Uint8Array };

/** Decodes a record for a bucket; the encodings are told apart by the first byte. Never throws: what cannot be read is in `rejected`. */
export function decodeRecord({ sequenceNumber, shardId, arrivalTimeMs, data }: RawRecord, bucket: number): TapeRecord {
  return { sequenceNumber, shardId, arrivalTimeMs, ...decodeData(data, bucket) };
}

function decodeData(data: Uint8Array, bucket: number): Pick<TapeRecord, 'frames' | 'rejected'> {
  if (data.length > 0 && data.length <= frameBytesMax && beginsJson(data)) return decodeJson(data, bucket);
  if (data.length === 0) return { frames: [], rejected: [{ index: 0, reason: 'frame-empty', sample: '' }] };
  const { frame, rejected } = decodePacked(data);
  if (frame === undefined) return { frames: [], rejected };
  if (frame.bucket !== bucket)
    return { frames: [], rejected: [{ index: 0, reason: 'wrong-bucket', sample: `frame of bucket ${frame.bucket}` }] };
  return { frames: [frame], rejected };
}

/** JSON text, or text that wants to be: everything but control bytes and bytes that begin no UTF-8 character. */
function beginsJson(data: Uint8Array): boolean {
  const first = data[0] as number;
  return first !== packedFirstByte && (first >= 0x20 || first === 0x0a || first === 0x0d || first === 0x09) && first < 0x80;
}
