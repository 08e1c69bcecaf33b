import type { DeadLetter, DeliveryCounts, WaitingLane } from '../adapters/delivery/store.ts';
import type { Endpoint } from '../core/delivery.ts';
import type { EndpointState } from '../core/endpoint-state.ts';
import { countText } from './progress.ts';
import { formatTable } from './query-table.ts';
import type { Session } from './verbs/session.ts';

export type EndpointReport = DeliveryCounts & {
  readonly endpoint: string;
  /** As the config has it; null when the config has it no more, and nothing is sent. */
  readonly kind: Endpoint['kind'] | null;
  readonly state: EndpointState;
  /** When the silent hours end that hold now; null when none do. */
  readonly silentUntilMs: number | null;
  readonly waiting: readonly WaitingLane[];
  readonly deadLetters: readonly DeadLetter[];
};

type Columns = Readonly<Record<string, 'VARCHAR' | 'INTEGER'>>;

/** Endpoints, then what waits for them, then what was given up; tables that would be empty are left out. */
export function deliveriesText(reports: readonly EndpointReport[], { stdout }: Session): string {
  if (reports.length === 0) return 'there are no endpoints: name some in the config under deliver\n';
  const table = (columns: Columns, rows: readonly unknown[][]) =>
    formatTable(
      { columns: Object.entries(columns).map(([name, type]) => ({ name, type })), rows: rows as unknown[][] },
      { width: stdout.columns || 160, colour: stdout.isTTY === true },
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
    reports.map(({ endpoint, kind, state, silentUntilMs, delivered, pending, dead, dropped }) => [
      endpoint,
      kind ?? 'not in the config',
      `${stateText(state)}${silentUntilMs === null ? '' : `, silent until ${timeText(silentUntilMs)}`}`,
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
