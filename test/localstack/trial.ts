import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'vitest';
import { S3Bucket } from '../../adapters/s3/bucket.ts';
import { S3States } from '../../adapters/s3/states.ts';
import { DynamoDbCheckpoints } from '../../adapters/stores/dynamodb.ts';
import { unpackState } from '../../adapters/stores/state-bytes.ts';
import type { Bar } from '../../core/bar.ts';
import { pipelineOptionsOf } from '../../core/config.ts';
import { pipelineOf } from '../../core/pipeline.ts';
import type { SignalFilter } from '../../core/subscribers.ts';
import { type Signal, withoutLink } from '../../core/signal.ts';
import { restore, snapshot } from '../../core/snapshot.ts';
import { FinalTable } from '../../local/final-table.ts';
import { type Summary, summaryOf } from '../../local/summary.ts';
import { SignalTopic } from '../../lib/signal-topic.ts';
import config from '../../tapeline.config.ts';
import { account } from '../aws/table.ts';
import { tapeline } from '../local/tapeline.ts';
import { cdk } from './cdk.ts';
import { Deployed, type Entry } from './deployed.ts';
import { Feed } from './feed.ts';
import { HttpSubscriber } from './http-subscriber.ts';
import { Inbox } from './inbox.ts';
import { environmentOf } from './localstack.ts';
import { Project } from './project.ts';
import { Receiver } from './receiver.ts';
import { linesOf, replayed, simulated } from './replayed.ts';
import { TapeFold } from './tape-fold.ts';
import { until } from '../until.ts';

/** A deployment of its own, all that it was fed, and all that came out. */
export class Trial {
  readonly pipeline = pipelineOf(pipelineOptionsOf(config));
  readonly folder = mkdtempSync(join(tmpdir(), 'tapeline-deployed-'));
  readonly environment: Readonly<Record<string, string>>;
  readonly #endpoint: string;
  readonly #stackName = `TapelineTest${Date.now().toString(36)}`;
  /** Files by the format of the feed, in the order in which they were fed. */
  readonly #fed = new Map<string, string[]>();
  readonly #barObjects = new Map<string, string>();
  #project: Project | undefined;
  #parts:
    | {
        readonly deployed: Deployed;
        readonly inbox: Inbox;
        readonly filtered: readonly Filtered[];
        readonly subscriber: HttpSubscriber;
        readonly receiver: Receiver;
        readonly fold: TapeFold;
      }
    | undefined;

  constructor(endpoint: string) {
    this.#endpoint = endpoint;
    this.environment = environmentOf({ endpoint });
  }

  get deployed(): Deployed {
    return this.#made.deployed;
  }

  get inbox(): Inbox {
    return this.#made.inbox;
  }

  get receiver(): Receiver {
    return this.#made.receiver;
  }

  /** The tape's records folded here. */
  get fold(): TapeFold {
    return this.#made.fold;
  }

  get streamName(): string {
    return this.deployed.output('TapeStream');
  }

  get checkpoints(): DynamoDbCheckpoints {
    const { generation, bucketCount } = this.pipeline;
    const { dynamodb } = this.deployed;
    const bucket = new S3Bucket({ ...account, url: `${this.#endpoint}/${this.deployed.bucketName('SignalConsumerStates')}` });
    const tableName = this.deployed.output('CheckpointTable');
    return new DynamoDbCheckpoints({ client: dynamodb, tableName, generation, bucketCount, objects: new S3States({ bucket }) });
  }

  /** A verb of the CDK on our stack. */
  async cdk(verb: readonly string[]): Promise<void> {
    const context = ['-c', 'emulator=true', '-c', `name=${this.#stackName}`, '--output', join(this.folder, 'cdk.out')];
    await cdk([...verb, ...context], { environment: this.environment, ...(this.#project && { cwd: this.#project.folder }) });
  }

  /** Deploys, and subscribes to the signals in all ways. */
  async begin(): Promise<void> {
    const receiver = await Receiver.start();
    this.#project = new Project({ webhookUrl: receiver.url });
    await this.cdk(['bootstrap', 'aws://000000000000/us-east-1']);
    await this.deploy();
    const deployed = await Deployed.find(this.#endpoint, this.#stackName);
    const inbox = await Inbox.subscribe(this.#endpoint, deployed.output('SignalTopicArn'), `${this.#stackName}-inbox`);
    const filtered = await Promise.all(
      filters.map(async ({ filter, isWanted }, i) => {
        const name = `${this.#stackName}-filtered-${i}`;
        return {
          isWanted,
          inbox: await Inbox.subscribe(this.#endpoint, deployed.output('SignalTopicArn'), name, SignalTopic.filterOf(filter)),
        };
      }),
    );
    const subscriber = await HttpSubscriber.subscribe(this.#endpoint, deployed.output('SignalTopicArn'));
    const fold = new TapeFold({ pipeline: this.pipeline, client: deployed.kinesis, streamName: deployed.output('TapeStream') });
    this.#parts = { deployed, inbox, filtered, subscriber, receiver, fold };
    const secret = ['webhook', 'secret', 'desk', '--secret-id', deployed.output('DeliverySecret')];
    const { stdout, stderr } = await tapeline(secret, { cwd: this.folder, env: this.environment });
    const [known] = /whsec_\S+/.exec(stdout) ?? [];
    if (known === undefined) throw new Error(`tapeline webhook secret printed none: ${stdout}${stderr}`);
    receiver.know(known);
    const certificate = join(this.folder, 'receiver.pem');
    writeFileSync(certificate, receiver.certificate.cert);
    await deployed.addEnvironment('deliver', { NODE_EXTRA_CA_CERTS: certificate });
  }

  async deploy(): Promise<void> {
    await this.cdk(['deploy', '--require-approval', 'never', '--method', 'direct']);
  }

  /** Another code of the consumer is deployed, which does the same. */
  async deployNewVersion(): Promise<void> {
    this.#project?.changeConsumer();
    await this.deploy();
  }

  async end(): Promise<void> {
    await this.#parts?.inbox.close();
    for (const { inbox } of this.#parts?.filtered ?? []) await inbox.close();
    this.#parts?.receiver.stop();
    this.#parts?.subscriber.stop();
    this.#parts?.deployed.close();
    this.#project?.remove();
    rmSync(this.folder, { recursive: true, force: true });
  }

  startFeed(format = 'ndjson'): Feed {
    return new Feed({ stream: this.streamName, format, folder: this.folder, environment: this.environment });
  }

  /** Half an hour of the same seeded market on another day: lines to be fed, before any others. */
  async market(date: string, { seconds = 1800 }: { readonly seconds?: number } = {}): Promise<string[]> {
    const file = `${date}.ndjson`;
    this.fed('ndjson', file);
    return simulated(file, { start: `${date}T14:30:00Z`, seconds, folder: this.folder });
  }

  /** Says what the replay must be given too. */
  fed(format: string, file: string): void {
    this.#fed.set(format, [...(this.#fed.get(format) ?? []), file]);
  }

  /** What one run of the market gives, whole. */
  async feedMarket(date: string): Promise<void> {
    const feed = this.startFeed();
    await feed.write(await this.market(date));
    await feed.end();
  }

  /**
   * Everything that was fed is in the stack as a replay of it has it: the checkpoints are, bit for bit, those of the stream's records folded
   * here, and so equal in their counts to the replay's; the bars in the history and the signals, in the outbox each once and in its order,
   * in the queue at least once, are the replay's.
   */
  async expectReplayed(): Promise<void> {
    await this.fold.catchUp();
    const expected = await Promise.all([...this.#fed].map(([feed, files]) => replayed(files, { folder: this.folder, feed })));
    const states = await this.#savedStates();
    for (const [bucket, bytes] of states) {
      const folded = this.fold.states.get(bucket);
      expect(folded && Buffer.compare(bytes, snapshot(folded)), `the state of bucket ${bucket}`).toBe(0);
    }
    const saved = summaryOf({
      states: [...states.values()].map((bytes) => restore(this.pipeline, bytes)),
      feedCounts: {},
      rejectedByReason: {},
      seconds: 0,
    });
    expect(countsOf([saved])).toEqual(countsOf(expected.map(({ summary }) => summary)));
    const wanted = standing(expected.flatMap(({ bars }) => bars));
    expect(differences(standing(await this.#barsInHistory()), wanted)).toEqual({ missing: [], unexpected: [] });
    await this.#expectSignals(expected.flatMap(({ signals }) => signals));
  }

  /** The topic keeps no order, here as on AWS, so that the order is looked at in the outbox, where each signal also names the one before it. */
  async #expectSignals(expected: readonly Signal[]): Promise<void> {
    const outbox = (await this.checkpoints.readOutbox(Number.MAX_SAFE_INTEGER)).flatMap(({ signals }) => signals.map(withoutLink));
    expect(bySymbol(outbox)).toEqual(bySymbol(expected));
    const { deliveries } = this.inbox;
    await until(`${expected.length} signals are in the queue`, () => deliveries.size >= expected.length);
    expect(byId(this.#queued())).toEqual(byId(expected));
    const filtered = this.#made.filtered.map(({ inbox, isWanted }) => ({ inbox, wanted: expected.filter(isWanted) }));
    expect(filtered.map(({ wanted }) => Math.sign(wanted.length))).toEqual([1, 1, 0]);
    for (const { inbox, wanted } of filtered) {
      await until(`${wanted.length} signals are in a filtered queue`, () => inbox.deliveries.size >= wanted.length);
      expect(byId(signalsIn(inbox))).toEqual(byId(wanted));
    }
  }

  /** The topic's subscriber by HTTP and the webhook's receiver have what the queue has. */
  async expectDelivered(): Promise<void> {
    const told = this.#made.subscriber.events;
    const { events } = this.receiver;
    const signals = this.#queued();
    // What failed is tried again after five seconds, or by the sweep of the next minute.
    await until(`${signals.length} signals are delivered`, () => events.length >= signals.length, { waitMaxMs: 150_000 });
    expect(byId(events.map(({ data }) => data))).toEqual(byId(signals));
    for (const ofSymbol of Map.groupBy(events, ({ subject }) => subject).values()) {
      expect(ofSymbol.map(({ previousid }) => previousid)).toEqual([undefined, ...ofSymbol.slice(0, -1).map(({ id }) => id)]);
    }
    await until(`${signals.length} signals are posted by the topic`, () => told.size >= signals.length);
    expect(byId(Array.from(told.values(), ({ data }) => data))).toEqual(byId(signals));
  }

  /** Sees that the fault has happened: lines are logged a little later. */
  async untilLogged(entry: Entry, line: RegExp, sinceMs: number): Promise<void> {
    await until(`${entry} has logged ${line}`, async () => (await this.deployed.logLines(entry, sinceMs)).some((text) => line.test(text)), {
      waitMaxMs: 10_000,
    });
  }

  #queued(): Signal[] {
    return signalsIn(this.inbox);
  }

  /** By bucket, when each covers the last record of the stream. */
  async #savedStates(): Promise<Map<number, Uint8Array>> {
    const buckets = [...this.fold.states.keys()];
    let loaded = await this.checkpoints.load(buckets);
    await until('every bucket has saved its last record', async () => {
      loaded = await this.checkpoints.load(buckets);
      const isSaved = ({ bucket, sequenceNumber }: { bucket: number; sequenceNumber: string }) =>
        this.fold.states.get(bucket)?.sequenceNumber === sequenceNumber;
      return loaded.length === buckets.length && loaded.every(isSaved);
    });
    return new Map(loaded.map(({ bucket, state }) => [bucket, unpackState(state)]));
  }

  async #barsInHistory(): Promise<Bar[]> {
    const objects = await this.deployed.objects(this.deployed.output('HistoryBucket'), 'bars/', this.#barObjects);
    return [...objects.values()].flatMap((text) => linesOf<Bar>(text));
  }

  get #made() {
    if (this.#parts === undefined) throw new Error('nothing is deployed yet');
    return this.#parts;
  }
}

type Filtered = { readonly inbox: Inbox; readonly isWanted: (signal: Signal) => boolean };

/** Filters of subscriptions to the topic, and what they are to let through. All signals of the stack are of 1m. */
const symbols = ['SEI', 'LOZS', 'MJ'];
const filters: readonly { readonly filter: SignalFilter; readonly isWanted: Filtered['isWanted'] }[] = [
  {
    filter: { strategies: ['breakout', 'ema-cross'], sides: ['buy'], intervals: ['60s', '5m'] },
    isWanted: ({ strategy, side }) => strategy !== 'rsi-reversion' && side === 'buy',
  },
  { filter: { symbols }, isWanted: ({ symbol }) => symbols.includes(symbol) },
  { filter: { sides: ['buy', 'sell'], intervals: ['5m'] }, isWanted: () => false },
];

function signalsIn({ deliveries }: Inbox): Signal[] {
  return Array.from(deliveries.values(), ({ event }) => event.data);
}

/** What adds up over feeds of different symbols. */
function countsOf(summaries: readonly Summary[]): Record<string, number> {
  const sums: Record<string, number> = {};
  for (const { trades, symbols, volume, bars, revisions, late, duplicates, excluded, signals } of summaries) {
    const { suppressed, ...sides } = signals;
    const counts = { trades, symbols, volume, bars, revisions, late, duplicates, excluded, ...sides, ...suppressed };
    for (const [name, count] of Object.entries(counts)) sums[name] = (sums[name] ?? 0) + count;
  }
  return sums;
}

/** The bars that stand, as lines. */
function standing(bars: readonly Bar[]): Set<string> {
  const table = new FinalTable();
  for (const bar of bars) table.addBar(bar);
  return new Set(Array.from(table.bars(), (bar) => JSON.stringify(bar)));
}

/** The first few, as thousands would say no more. */
function differences(lines: ReadonlySet<string>, wanted: ReadonlySet<string>): { missing: string[]; unexpected: string[] } {
  const without = (all: ReadonlySet<string>, others: ReadonlySet<string>) => [...all].filter((line) => !others.has(line)).slice(0, 5);
  return { missing: without(wanted, lines), unexpected: without(lines, wanted) };
}

function bySymbol(signals: readonly Signal[]): Record<string, Signal[]> {
  return Object.fromEntries(Map.groupBy(signals, ({ symbol }) => symbol));
}

function byId(signals: readonly Signal[]): Signal[] {
  return signals.toSorted((a, b) => (a.signalId < b.signalId ? -1 : 1));
}
