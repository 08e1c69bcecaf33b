import { existsSync } from 'node:fs';
import { disable, requeueAll, resume } from '../adapters/delivery/repairs.ts';
import { SqliteDeliveries } from '../adapters/delivery/sqlite.ts';
import type { DeliveryStore } from '../adapters/delivery/store.ts';
import { StateInUse } from '../adapters/stores/errors.ts';
import { SqliteCheckpoints } from '../adapters/stores/sqlite.ts';
import { ConfigError } from '../core/config.ts';
import { cloudEndpointsOf, type Endpoint } from '../core/delivery.ts';
import { batchOf } from '../core/delivery-lane.ts';
import { nearestOf } from '../core/nearest.ts';
import { silenceEndMs } from '../core/silence.ts';
import { deliveriesText, type EndpointReport } from './deliveries-text.ts';
import { Delivering } from './delivering.ts';
import { exitCodes } from './exit.ts';
import { endpointsFor, numberOf } from './options.ts';
import { countText } from './progress.ts';
import { checkpointsPath, deliveriesPath } from './state-folder.ts';
import type { Session } from './verbs/session.ts';

export type DeliveriesOptions = {
  readonly state: string;
  /** Of a deployment, instead of a state folder. */
  readonly table?: string;
  readonly config?: string;
  readonly json?: boolean;
};

const limitMax = 100_000;

/** Endpoints, what waits for them and what was given up. */
export async function listDeliveries(options: DeliveriesOptions & { readonly limit: string }, session: Session): Promise<number> {
  const limit = numberOf('--limit', options.limit, { least: 1, most: limitMax, isWhole: true });
  return withDeliveries(options, async ({ store, endpoints }) => {
    const names = await namesOf(store, endpoints);
    const reports = await Promise.all(names.map((name) => reportOf(store, name, endpoints, limit)));
    session.stdout.write(options.json ? `${JSON.stringify({ endpoints: reports })}\n` : deliveriesText(reports, session));
    return exitCodes.done;
  });
}

/** Puts dead letters back, and has them sent. */
export function retryDeliveries(name: string | undefined, options: DeliveriesOptions, session: Session): Promise<number> {
  return withDeliveries(options, async (deliveries) => {
    const { store, endpoints } = deliveries;
    const chosen = name === undefined ? endpoints : [await endpointNamed(name, deliveries)];
    const nowMs = Date.now();
    const having: Endpoint[] = [];
    let requeued = 0;
    for (const endpoint of chosen) {
      const count = await requeueAll(store, endpoint.name, { batch: batchOf(endpoint), nowMs });
      if (count > 0) having.push(endpoint);
      requeued += count;
    }
    const what = requeued === 0 ? 'there are no dead letters' : `${countText(requeued)} signals of dead letters are sent again`;
    return send(what, { requeued }, having, deliveries, options, session);
  });
}

export function resumeEndpoint(name: string, options: DeliveriesOptions, session: Session): Promise<number> {
  return withDeliveries(options, async (deliveries) => {
    const endpoint = await endpointNamed(name, deliveries);
    await resume(deliveries.store, name, Date.now());
    return send(`"${name}" is resumed`, {}, [endpoint], deliveries, options, session);
  });
}

export function disableEndpoint(name: string, options: DeliveriesOptions, session: Session): Promise<number> {
  return withDeliveries(options, async (deliveries) => {
    const { store } = deliveries;
    await endpointNamed(name, deliveries);
    await disable(store, name, Date.now());
    const state = await store.endpointState(name);
    const { pending } = await store.countsOf(name);
    session.stderr.write(`deliveries: "${name}" is disabled until it is resumed; ${countText(pending)} signals wait for it\n`);
    if (options.json) session.stdout.write(`${JSON.stringify({ endpoint: name, state, pending })}\n`);
    return exitCodes.done;
  });
}

/** Those of a state folder, or of a deployment. */
type Deliveries = {
  readonly store: DeliveryStore;
  readonly endpoints: readonly Endpoint[];
  /** Has what is due now sent: by this command, if nobody else does. */
  readonly send: (endpoints: readonly Endpoint[], signal: AbortSignal) => Promise<'this command' | 'the run' | 'the deployment'>;
};

async function withDeliveries(options: DeliveriesOptions, use: (deliveries: Deliveries) => Promise<number>): Promise<number> {
  const { state, config, table } = options;
  const endpoints = await endpointsFor(config === undefined ? {} : { config });
  if (table !== undefined) {
    const { deliveriesOf } = await import('../adapters/delivery/dynamodb.ts');
    return use({ store: deliveriesOf(table), endpoints: cloudEndpointsOf({ deliver: endpoints }), send: async () => 'the deployment' });
  }
  if (!existsSync(deliveriesPath(state)))
    throw new ConfigError(`there are no deliveries in "${state}": name the folder of a run that delivers with --state`);
  const store = new SqliteDeliveries(deliveriesPath(state));
  try {
    return await use({ store, endpoints, send: (chosen, signal) => sendFrom(state, chosen, signal) });
  } finally {
    store.close();
  }
}

/** A run that holds the state folder sees what has changed and sends; if none does, this has it for itself meanwhile. */
async function sendFrom(state: string, endpoints: readonly Endpoint[], signal: AbortSignal): Promise<'this command' | 'the run'> {
  let held: SqliteCheckpoints;
  try {
    held = new SqliteCheckpoints(checkpointsPath(state), { waitMs: 0 });
  } catch (error) {
    if (error instanceof StateInUse) return 'the run';
    throw error;
  }
  try {
    const delivering = await Delivering.open(endpoints, state);
    await delivering.finish(signal).finally(() => delivering.close());
    return 'this command';
  } finally {
    held.close();
  }
}

async function namesOf(store: DeliveryStore, endpoints: readonly Endpoint[]): Promise<string[]> {
  return [...new Set([...endpoints.map(({ name }) => name), ...(await store.endpoints())])];
}

async function endpointNamed(name: string, { store, endpoints }: Deliveries): Promise<Endpoint> {
  const endpoint = endpoints.find((each) => each.name === name);
  if (endpoint !== undefined) return endpoint;
  const names = await namesOf(store, endpoints);
  if (names.includes(name)) throw new ConfigError(`the config has no endpoint "${name}" any more: put it back under this name`);
  const nearest = nearestOf(name, names);
  const hint = nearest === undefined ? 'the config has none under deliver' : `did you mean "${nearest}"?`;
  throw new ConfigError(`there is no endpoint "${name}"; ${hint}`);
}

async function send(
  what: string,
  facts: object,
  endpoints: readonly Endpoint[],
  deliveries: Deliveries,
  { json }: DeliveriesOptions,
  session: Session,
): Promise<number> {
  session.stderr.write(`deliveries: ${what}\n`);
  const sentBy = endpoints.length === 0 ? 'this command' : await deliveries.send(endpoints, session.signal);
  const reports = await Promise.all(endpoints.map(({ name }) => reportOf(deliveries.store, name, endpoints, 1)));
  for (const { endpoint, pending, dead, state, waiting } of reports) {
    const why = state.kind === 'healthy' ? waiting[0]?.reason : state.reason;
    const counts = `${countText(pending)} signals wait, ${countText(dead)} are dead letters`;
    session.stderr.write(`deliveries: "${endpoint}": ${counts}${why === undefined ? '' : ` (${why})`}\n`);
  }
  if (sentBy !== 'this command') session.stderr.write(`deliveries: ${sentBy} sends what waits\n`);
  const counts = reports.map(({ endpoint, pending, dead, delivered }) => ({ endpoint, pending, dead, delivered }));
  if (json) session.stdout.write(`${JSON.stringify({ ...facts, sentBy, endpoints: counts })}\n`);
  if (session.signal.aborted) return exitCodes.interrupted;
  const isAllSent = reports.every(({ pending, dead }) => pending + dead === 0);
  return isAllSent || sentBy !== 'this command' ? exitCodes.done : exitCodes.failed;
}

async function reportOf(store: DeliveryStore, endpoint: string, endpoints: readonly Endpoint[], limit: number): Promise<EndpointReport> {
  const configured = endpoints.find(({ name }) => name === endpoint);
  return {
    endpoint,
    kind: configured?.kind ?? null,
    state: await store.endpointState(endpoint),
    silentUntilMs: silenceEndMs(configured?.silence ?? [], Date.now()) ?? null,
    ...(await store.countsOf(endpoint)),
    waiting: await store.waitingLanes(endpoint, limit),
    deadLetters: await store.deadLetters(endpoint, limit),
  };
}
