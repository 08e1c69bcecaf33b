import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { EventBridgeBus } from '../../../adapters/bus/event-bridge.ts';
import type { SignalEvent } from '../../../adapters/bus/signal-event.ts';
import { FakeEventBridge } from './fake-event-bridge.ts';
import { eventOf, signalOf, someEvents } from './signals.ts';

describe('an EventBridge bus', () => {
  let fake: FakeEventBridge;
  let bus: EventBridgeBus;
  const waits: number[] = [];

  beforeAll(async () => {
    fake = await FakeEventBridge.start();
    bus = new EventBridgeBus({ client: fake.client, busName: 'signals', wait: async (ms) => waits.push(ms) });
  });
  afterAll(() => fake.stop());

  it('publishes every event once, in order by symbol and strategy, or says why not', async () => {
    const verdicts = fc.array(fc.constantFrom('taken', 'taken', 'taken', 'ThrottlingException', 'InternalFailure', 'MalformedDetail'), {
      minLength: 1,
      maxLength: 40,
    });
    await fc.assert(
      fc.asyncProperty(someEvents, verdicts, async (events, pattern) => {
        let judged = 0;
        fake.reset({ judge: () => pattern[judged++ % pattern.length] as string });
        const unpublished = await bus.publish(events);
        const failed = new Set(unpublished.map(({ event }) => event.id));
        expect(unpublished.map(({ event }) => event)).toEqual(events.filter(({ id }) => failed.has(id)));
        const published = events.filter(({ id }) => !failed.has(id));
        expect(byLane(fake.taken)).toEqual(byLane(published));
        // What is published of a lane is how the lane begins, but for what is refused for good.
        const refused = new Set(unpublished.flatMap(({ event, isRefused }) => (isRefused ? [event.id] : [])));
        const publishable = byLane(events.filter(({ id }) => !refused.has(id)));
        for (const [lane, taken] of Object.entries(byLane(published))) expect(publishable[lane]?.slice(0, taken.length)).toEqual(taken);
        for (const { code, isRefused } of unpublished) expect(isRefused).toBe(code === 'MalformedDetail');
        for (const call of fake.calls) expect(call.length).toBeLessThanOrEqual(10);
      }),
      { numRuns: 60 },
    );
  });

  it('sends the event as the detail, to the bus, under names that rules can match', async () => {
    fake.reset();
    const event = eventOf('IBM', 0);
    expect(await bus.publish([event])).toEqual([]);
    expect(fake.calls).toEqual([
      [{ EventBusName: 'signals', Source: 'tapeline', DetailType: 'tapeline.signal.v1', Detail: JSON.stringify(event) }],
    ]);
  });

  it('asks for nothing when there is nothing to publish', async () => {
    fake.reset();
    expect(await bus.publish([])).toEqual([]);
    expect(fake.calls).toEqual([]);
  });

  it.each([
    ['25 events of 25 symbols', Array.from({ length: 25 }, (_, i) => eventOf(`S${i}`, 0)), [10, 10, 5]],
    ['three events of one symbol', [0, 1, 2].map((window) => eventOf('IBM', window)), [1, 1, 1]],
    ['events of 300 KB', Array.from({ length: 5 }, (_, i) => eventOf(`S${i}`, 0, { reasons: ['é'.repeat(150_000)] })), [3, 2]],
  ])('sends %s in calls that EventBridge takes', async (_, events, sizes) => {
    fake.reset();
    expect(await bus.publish(events)).toEqual([]);
    expect(fake.calls.map((call) => call.length).sort((a, b) => b - a)).toEqual(sizes);
  });

  it('sends an entry of just below 1 MB, and says so of one that is larger, without asking', async () => {
    fake.reset();
    const spare = 999_999 - Buffer.byteLength(`tapelinetapeline.signal.v1${JSON.stringify(eventOf('A', 0, { reasons: [''] }))}`);
    const [fits, exceeds] = [eventOf('A', 0, { reasons: ['x'.repeat(spare)] }), eventOf('B', 0, { reasons: ['x'.repeat(spare + 1)] })];
    expect(await bus.publish([exceeds, fits, eventOf('B', 1)])).toEqual([
      { event: exceeds, code: 'entry-too-large', message: 'a call takes 999999 bytes, and this entry has 1000000', isRefused: true },
    ]);
    // Nothing waits behind what will never go.
    expect(fake.taken).toEqual([fits, eventOf('B', 1)]);
  });

  it('tries only the entries again that failed for a reason that may pass', async () => {
    waits.length = 0;
    const tries: Record<string, number> = {};
    fake.reset({
      judge: ({ subject }) => {
        tries[subject] = (tries[subject] ?? 0) + 1;
        if (subject === 'throttled') return tries[subject] < 4 ? 'ThrottlingException' : 'taken';
        return subject === 'refused' ? 'NotAuthorizedForSourceException' : 'taken';
      },
    });
    const unpublished = await bus.publish(['taken', 'throttled', 'refused'].map((symbol) => eventOf(symbol, 0)));
    // A permission can be given, so it is not refused for good.
    expect(unpublished).toMatchObject([{ event: { subject: 'refused' }, code: 'NotAuthorizedForSourceException', isRefused: false }]);
    expect(tries).toEqual({ taken: 1, throttled: 4, refused: 1 });
    expect(waits).toHaveLength(3);
  });

  it('gives an entry up that is throttled for long, and holds back what comes behind it', async () => {
    waits.length = 0;
    fake.reset({ judge: ({ subject }) => (subject === 'A' ? 'ThrottlingException' : 'taken') });
    const events = [eventOf('A', 0), eventOf('B', 0), eventOf('A', 1), eventOf('B', 1), eventOf('A', 2)];
    expect((await bus.publish(events)).map(({ event, code }) => [event.id, code])).toEqual([
      [signalOf('A', 0).signalId, 'ThrottlingException'],
      [signalOf('A', 1).signalId, 'behind-unpublished'],
      [signalOf('A', 2).signalId, 'behind-unpublished'],
    ]);
    expect(fake.taken.map(({ id }) => id)).toEqual([signalOf('B', 0).signalId, signalOf('B', 1).signalId]);
    expect(waits).toHaveLength(5);
    expect(waits.every((ms, i) => ms >= 0 && ms <= 100 * 2 ** i)).toBe(true);
  });

  it.each([
    ['is cut off', 'cut' as const],
    ['says nothing', 'silent' as const],
    ['has a fault', { status: 500, type: 'InternalException' }],
    ['throttles', { status: 400, type: 'ThrottlingException' }],
  ])('tries a call again when the service %s', async (_, failure) => {
    fake.reset({ failCall: (call) => (call <= 2 ? failure : undefined) });
    expect(await bus.publish([eventOf('A', 0), eventOf('B', 0)])).toEqual([]);
    expect(fake.taken).toHaveLength(2);
  });

  it('finds the entry that makes a call invalid, and publishes its neighbours', async () => {
    fake.reset({ isInvalid: ({ subject }) => subject === 'S3' });
    const unpublished = await bus.publish(Array.from({ length: 12 }, (_, i) => eventOf(`S${i}`, 0)));
    expect(unpublished).toMatchObject([{ event: { subject: 'S3' }, code: 'ValidationException', isRefused: true }]);
    expect(fake.taken).toHaveLength(11);
  });

  it('leaves a service alone that refuses: no call for what is left', async () => {
    fake.reset({ failCall: () => ({ status: 400, type: 'AccessDeniedException' }) });
    const unpublished = await bus.publish(Array.from({ length: 200 }, (_, i) => eventOf(`S${i}`, 0)));
    expect(unpublished).toHaveLength(200);
    expect(Object.keys(Object.groupBy(unpublished, ({ code }) => code)).sort()).toEqual(['AccessDeniedException', 'not-attempted']);
    expect(fake.calls.length).toBeLessThanOrEqual(8);
  });
});

function byLane(events: readonly SignalEvent[]): Record<string, string[]> {
  const lanes = Map.groupBy(events, ({ data }) => `${data.strategy} ${data.symbol}`);
  return Object.fromEntries([...lanes].map(([name, ofLane]) => [name, ofLane.map(({ id }) => id)]));
}
