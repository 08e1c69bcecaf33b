import type { Dispatcher } from '../adapters/delivery/dispatcher.ts';
import type { DeliveryEvent } from '../adapters/delivery/events.ts';
import { resume } from '../adapters/delivery/repairs.ts';
import type { EverySender } from '../adapters/delivery/senders.ts';
import type { SqliteDeliveries } from '../adapters/delivery/sqlite.ts';
import type { Endpoint } from '../core/delivery.ts';
import type { Signal } from '../core/signal.ts';
import { silenceEndMs } from '../core/silence.ts';
import { deliveriesPath, secretsPath } from './state-folder.ts';

/** Of one endpoint, after a run. */
export type Undelivered = { readonly endpoint: string; readonly pending: number; readonly dead: number; readonly why: string | undefined };

const lookEveryMs = 1_000;
/** Also without a change: what is kept long enough is forgotten then. */
const wakeEveryMs = 3_600_000;
/** The first retry comes after 5 s, and an end waits for it. */
const endWithinMs = 10_000;
/** Ctrl-C does not wait for a receiver that hangs: what is cut off is sent again by the next run. */
const graceMs = 2_000;

/** Delivers a run's signals while it runs. All that waits is in the state folder, and the next run goes on with it. */
export class Delivering {
  readonly #endpoints: readonly Endpoint[];
  readonly #store: SqliteDeliveries;
  readonly #sender: EverySender;
  readonly #dispatcher: Dispatcher;
  readonly #looking: NodeJS.Timeout;
  #failure: { readonly error: unknown } | undefined;
  #version: number;
  #wokenMs = performance.now();

  private constructor(endpoints: readonly Endpoint[], store: SqliteDeliveries, sender: EverySender, dispatcher: Dispatcher) {
    this.#endpoints = endpoints;
    this.#store = store;
    this.#sender = sender;
    this.#dispatcher = dispatcher;
    this.#version = store.versionByOthers;
    this.#looking = setInterval(() => {
      this.#lookForChanges().catch((error: unknown) => {
        this.#failure ??= { error };
      });
    }, lookEveryMs).unref();
  }

  /** Goes on with what waits. The caller is the only one who delivers from this state folder. */
  static async open(
    endpoints: readonly Endpoint[],
    stateFolder: string,
    onEvent: (event: DeliveryEvent) => void = () => {},
  ): Promise<Delivering> {
    // Nobody else needs these, and a command line should start at once.
    const [{ Dispatcher }, { makeSender }, { SecretsFile }, { SqliteDeliveries }] = await Promise.all([
      import('../adapters/delivery/dispatcher.ts'),
      import('../adapters/delivery/senders.ts'),
      import('../adapters/delivery/secrets-file.ts'),
      import('../adapters/delivery/sqlite.ts'),
    ]);
    const store = new SqliteDeliveries(deliveriesPath(stateFolder));
    const sender = makeSender({ secrets: new SecretsFile(secretsPath(stateFolder)), isLocalhostAllowed: true });
    const dispatcher = new Dispatcher({ endpoints, store, sender, onEvent });
    for (const { name } of endpoints) {
      // Whatever was wrong with it may have been set right since.
      const state = await store.endpointState(name);
      if (state.kind === 'disabled' && state.cause === 'refused') await resume(store, name, Date.now());
    }
    await dispatcher.wake();
    return new Delivering(endpoints, store, sender, dispatcher);
  }

  /** When it answers, they are durable. Offering them again is harmless. @throws, of none too, what has stopped the delivering since */
  async offer(signals: readonly Signal[]): Promise<void> {
    if (this.#failure !== undefined) throw this.#failure.error;
    await this.#dispatcher.offer(signals);
  }

  async pending(): Promise<number> {
    const counts = await Promise.all(this.#endpoints.map(({ name }) => this.#store.countsOf(name)));
    return counts.reduce((sum, { pending }) => sum + pending, 0);
  }

  /** Delivers until nothing is due any more, or Ctrl-C. @returns the endpoints for which something is left */
  async finish(signal: AbortSignal): Promise<Undelivered[]> {
    // A dispatcher's own waits keep no process alive, and the first retry is to be waited for.
    const alive = setInterval(() => {}, endWithinMs);
    try {
      await this.#dispatcher.untilQuiet({ withinMs: endWithinMs, signal });
      await this.#dispatcher.stop({ graceMs });
    } finally {
      clearInterval(alive);
    }
    const all = await Promise.all(this.#endpoints.map((endpoint) => this.#undeliveredOf(endpoint)));
    return all.filter(({ pending, dead }) => pending + dead > 0);
  }

  async close(): Promise<void> {
    clearInterval(this.#looking);
    await this.#dispatcher.stop({ graceMs: 0 }).catch(() => undefined);
    this.#sender.close();
    this.#store.close();
  }

  async #undeliveredOf({ name: endpoint, silence = [] }: Endpoint): Promise<Undelivered> {
    const { pending, dead } = await this.#store.countsOf(endpoint);
    const state = await this.#store.endpointState(endpoint);
    if (state.kind === 'disabled') return { endpoint, pending, dead, why: `disabled: ${state.reason}` };
    const silentUntilMs = silenceEndMs(silence, Date.now());
    if (silentUntilMs !== undefined) return { endpoint, pending, dead, why: `silent until ${new Date(silentUntilMs).toISOString()}` };
    const [lane] = await this.#store.waitingLanes(endpoint, 1);
    return { endpoint, pending, dead, why: state.kind === 'failing' ? state.reason : lane?.reason };
  }

  /** `tapeline deliveries` changes the same file. */
  async #lookForChanges(): Promise<void> {
    const version = this.#store.versionByOthers;
    if (version === this.#version && performance.now() - this.#wokenMs < wakeEveryMs) return;
    this.#version = version;
    this.#wokenMs = performance.now();
    await this.#dispatcher.wake();
  }
}
