import { intervalText } from '../../core/interval.ts';
import { type LinkedSignal, type Signal, withoutLink } from '../../core/signal.ts';

export const signalEventType = 'tapeline.signal.v1';
/** The `$id` of `schemas/signal.v1.json`, which says what `data` holds. */
export const signalSchemaId = 'urn:tapeline:schema:signal.v1';

/**
 * What leaves Tapeline for a signal: a CloudEvent. `source` and `id` together name it, and every repeat has the same.
 * @see https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/spec.md
 */
export type SignalEvent = {
  readonly specversion: '1.0';
  readonly id: string;
  readonly source: string;
  readonly type: typeof signalEventType;
  /** The window's end, by RFC 3339; absent for a year that has not four digits. */
  readonly time?: string;
  /** The symbol. */
  readonly subject: string;
  /** Of the bar that was decided on, such as `1m`: for subscribers to filter on. */
  readonly interval: string;
  /** The id of the symbol's signal before this one; absent when this is its first. */
  readonly previousid?: string;
  readonly datacontenttype: 'application/json';
  readonly dataschema: typeof signalSchemaId;
  readonly data: Signal;
};

export function signalEventOf(signal: LinkedSignal, { source }: { readonly source: string }): SignalEvent {
  const { previousId } = signal;
  const end = new Date(signal.windowEndMs);
  const time = Number.isNaN(end.getTime()) ? '' : end.toISOString();
  return {
    specversion: '1.0',
    id: signal.signalId,
    source,
    type: signalEventType,
    ...(/^\d{4}-/.test(time) && { time }),
    subject: signal.symbol,
    interval: intervalText(signal.windowEndMs - signal.windowStartMs),
    ...(previousId !== undefined && { previousid: previousId }),
    datacontenttype: 'application/json',
    dataschema: signalSchemaId,
    data: withoutLink(signal),
  };
}
