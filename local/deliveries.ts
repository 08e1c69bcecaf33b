import { existsSync } from 'node:fs';
import { disable, requeueAll, resume } from '../adapters/delivery/repairs.ts';
import { SqliteDeliveries } from '../adapters/delivery/sqlite.ts';
import type { DeadLetter, DeliveryCounts, WaitingLane } from '../adapters/delivery/store.ts';
import { StateInUse } from '../adapters/stores/errors.ts';
import { SqliteCheckpoints } from '../adapters/stores/sqlite.ts';
import { ConfigError } from '../core/config.ts';
import type { Endpoint } from '../core/delivery.ts';
import { batchOf } from '../core/delivery-lane.ts';
import type { EndpointState } from '../core/endpoint-state.ts';
import { nearestOf } from '../core/nearest.ts';
import { Delivering } from './delivering.ts';
import { exitCodes } from './exit.ts';
import { endpointsFor, numberOf } from './options.ts';
import { countText } from './progress.ts';
import { formatTable } from './query-table.ts';
import { checkpointsPath, deliveriesPath } from './state-folder.ts';
import type { Session } from './verbs/session.ts';

export type DeliveriesOptions = { readonly state: string; readonly config?: string; readonly json?: boolean };

type EndpointReport = DeliveryCounts & {
  readonly endpoint: string;
  /** As the config has it; null when the config has it no more, and nothing is sent. */
  readonly kind: Endpoint['kind'] | null;
  readonly state: EndpointState;
  readonly waiting: readonly WaitingLane[];
  readonly deadLetters: readonly DeadLetter[];
};

/** Endpoints, what waits for them and what was given up. */
export function listDeliveries(options: DeliveriesOptions & { readonly limit: string }, session: Session): Promise<number> {
  return withStore(options, async (store, endpoints) => {
    const limit = numberOf('--limit', options.limit);
    const names = await namesOf(store, endpoints);
    const reports = await Promise.all(names.map((name) => reportOf(store, name, endpoints, limit)));
    session.stdout.write(options.json ? `${JSON.stringify({ endpoints: reports })}\n` : textOf(reports, session));
    return exitCodes.done;
  });
}

/** Puts dead letters back, and sends them where no run does. */
export function retryDeliveries(name: string | undefined, options: DeliveriesOptions, session: Session): Promise<number> {
  return withStore(options, async (store, endpoints) => {
    const chosen = name === undefined ? endpoints : [await endpointNamed(name, store, endpoints)];
    const nowMs = Date.now();
    let requeued = 0;
    for (const endpoint of chosen) requeued += await requeueAll(store, endpoint.name, { batch: batchOf(endpoint), nowMs });
    return sendAndTell(`${countText(requeued)} signals of dead letters are to be sent again`, chosen, options, session, store, {
      requeued,
    });
  });
}

export function resumeEndpoint(name: string, options: DeliveriesOptions, session: Session): Promise<number> {
  return withStore(options, async (store, endpoints) => {
    const endpoint = await endpointNamed(name, store, endpoints);
    await resume(store, name, Date.now());
    return sendAndTell(`"${name}" is resumed`, [endpoint], options, session, store, {});
  });
}

export function disableEndpoint(name: string, options: DeliveriesOptions, session: Session): Promise<number> {
  return withStore(options, async (store, endpoints) => {
    await endpointNamed(name, store, endpoints);
    await disable(store, name, Date.now());
    const state = await store.endpointState(name);
    const { pending } = await store.countsOf(name);
    session.stderr.write(`deliveries: "${name}" is disabled until it is resumed; ${countText(pending)} signals wait for it\n`);
    if (options.json) session.stdout.write(`${JSON.stringify({ endpoint: name, state, pending })}\n`);
    return exitCodes.done;
  });
}

type Store = SqliteDeliveries;
type Columns = Readonly<Record<string, 'VARCHAR' | 'INTEGER'>>;

async function withStore(
  { state, config }: DeliveriesOptions,
  use: (store: Store, endpoints: readonly Endpoint[]) => Promise<number>,
): Promise<number> {
  const endpoints = await endpointsFor(config === undefined ? {} : { config });
  if (!existsSync(deliveriesPath(state)))
    throw new ConfigError(`there are no deliveries in "${state}": name the folder of a run that delivers with --state`);
  const store = new SqliteDeliveries(deliveriesPath(state));
  try {
    return await use(store, endpoints);
  } finally {
    store.close();
  }
}

async function namesOf(store: Store, endpoints: readonly Endpoint[]): Promise<string[]> {
  return [...new Set([...endpoints.map(({ name }) => name), ...(await store.endpoints())])];
}

async function endpointNamed(name: string, store: Store, endpoints: readonly Endpoint[]): Promise<Endpoint> {
  const endpoint = endpoints.find((each) => each.name === name);
  if (endpoint !== undefined) return endpoint;
  const names = await namesOf(store, endpoints);
  if (names.includes(name)) throw new ConfigError(`the config has no endpoint "${name}" any more: put it back under this name`);
  throw new ConfigError(`there is no endpoint "${name}"; did you mean "${nearestOf(name, names) ?? ''}"?`);
}

/** A run that is under way sees what has changed and sends; without one, this command does. */
async function sendAndTell(
  what: string,
  endpoints: readonly Endpoint[],
  { state, json }: DeliveriesOptions,
  session: Session,
  store: Store,
  facts: object,
): Promise<number> {
  const isSentByRun = await isSending(state, async () => {
    session.stderr.write(`deliveries: ${what}; sending\n`);
    const delivering = await Delivering.open(endpoints, state);
    await delivering.finish(session.signal).finally(() => delivering.close());
  });
  if (isSentByRun) session.stderr.write(`deliveries: ${what}; the run that uses "${state}" sends\n`);
  const reports = await Promise.all(endpoints.map(({ name }) => reportOf(store, name, endpoints, 1)));
  for (const { endpoint, pending, dead, state: now, waiting } of reports) {
    const why = now.kind === 'healthy' ? waiting[0]?.reason : now.reason;
    session.stderr.write(
      `deliveries: "${endpoint}": ${countText(pending)} signals wait, ${countText(dead)} are dead letters${why ? ` (${why})` : ''}\n`,
    );
  }
  const counts = reports.map(({ endpoint, pending, dead, delivered }) => ({ endpoint, pending, dead, delivered }));
  if (json) session.stdout.write(`${JSON.stringify({ ...facts, isSentByRun, endpoints: counts })}\n`);
  if (session.signal.aborted) return exitCodes.interrupted;
  return isSentByRun || reports.every(({ pending, dead }) => pending + dead === 0) ? exitCodes.done : exitCodes.failed;
}

/** Whether a run holds the state folder; if none does, `send` has it for itself meanwhile. */
async function isSending(state: string, send: () => Promise<void>): Promise<boolean> {
  let held: SqliteCheckpoints;
  try {
    held = new SqliteCheckpoints(checkpointsPath(state), { waitMs: 0 });
  } catch (error) {
    if (error instanceof StateInUse) return true;
    throw error;
  }
  await send().finally(() => held.close());
  return false;
}

async function reportOf(store: Store, endpoint: string, endpoints: readonly Endpoint[], limit: number): Promise<EndpointReport> {
  return {
    endpoint,
    kind: endpoints.find(({ name }) => name === endpoint)?.kind ?? null,
    state: await store.endpointState(endpoint),
    ...(await store.countsOf(endpoint)),
    waiting: await store.waitingLanes(endpoint, limit),
    deadLetters: await store.deadLetters(endpoint, limit),
  };
}

function textOf(reports: readonly EndpointReport[], { stdout }: Session): string {
  if (reports.length === 0) return 'there are no endpoints: name some in the config under deliver\n';
  const table = (columns: Columns, rows: readonly unknown[][]) =>
    formatTable(
      { columns: Object.entries(columns).map(([name, type]) => ({ name, type })), rows: rows as unknown[][] },
      { width: stdout.columns ?? 160, colour: stdout.isTTY === true },
    );
  const endpoints = table(
    {
      endpoint: 'VARCHAR',
      kind: 'VARCHAR',
      state: 'VARCHAR',
      delivered: 'INTEGER',
      waiting: 'INTEGER',
      dead: 'INTEGER',
      dropped: 'INTEGER',
    },
    reports.map(({ endpoint, kind, state, delivered, pending, dead, dropped }) => [
      endpoint,
      kind ?? 'not in the config',
      stateText(state),
      delivered,
      pending,
      dead,
      dropped,
    ]),
  );
  const waiting = reports.flatMap(({ endpoint, waiting: lanes }) =>
    lanes.map(({ lane, signals, attempts, dueAtMs, reason }) => [
      endpoint,
      laneText(lane),
      signals,
      attempts,
      timeText(dueAtMs),
      reason ?? '',
    ]),
  );
  const dead = reports.flatMap(({ endpoint, deadLetters }) =>
    deadLetters.map(({ deliveryId, attempts, diedAtMs, reason }) => [endpoint, deliveryId, attempts, timeText(diedAtMs), reason]),
  );
  const waitingColumns: Columns = {
    'waits for': 'VARCHAR',
    symbol: 'VARCHAR',
    signals: 'INTEGER',
    attempts: 'INTEGER',
    next: 'VARCHAR',
    'last reason': 'VARCHAR',
  };
  const deadColumns: Columns = {
    'dead letter of': 'VARCHAR',
    delivery: 'VARCHAR',
    attempts: 'INTEGER',
    since: 'VARCHAR',
    reason: 'VARCHAR',
  };
  return [endpoints, waiting.length > 0 ? table(waitingColumns, waiting) : '', dead.length > 0 ? table(deadColumns, dead) : '']
    .filter((part) => part !== '')
    .join('\n');
}

function stateText(state: EndpointState): string {
  switch (state.kind) {
    case 'healthy':
      return 'healthy';
    case 'failing':
      return `failing ${countText(state.failures)} times since ${timeText(state.sinceMs)}: ${state.reason}`;
    case 'disabled':
      return `disabled since ${timeText(state.sinceMs)} (${state.cause}): ${state.reason}`;
  }
}

function laneText(lane: string): string {
  return lane === '*' ? 'all, in batches' : lane.slice(1);
}

function timeText(timeMs: number): string {
  return new Date(timeMs).toISOString().slice(0, 19).replace('T', ' ');
}
