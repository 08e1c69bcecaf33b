import { createRequire } from 'node:module';
import { join } from 'node:path';
import type { Account } from '../../adapters/account/account.ts';
import type { Asked } from '../../adapters/account/ask.ts';
import type { DeploymentOptions } from '../../core/config.ts';
import type { Pipeline } from '../../core/pipeline.ts';
import { measured } from '../cost/measured.ts';
import { type Finding, fail, judged, ok, type Said, unknown, warn } from './finding.ts';

/** What the config asks for, as far as it can be read. */
export type Wanted = {
  readonly pipeline: Pipeline;
  readonly deployment: DeploymentOptions;
  readonly webhooks: number;
};

/** The oldest that CDK's own synthesizer deploys to. */
const bootstrapVersionMin = 6;
/** New accounts have this, until they have been used or a quota was raised. */
const concurrencyOfNewAccounts = 10;
const nodeMin = 24;
const runtime = 'nodejs24.x';

/** What this machine has: it needs no account. */
export function onThisMachine(folder: string): Finding[] {
  return named({ node: node(process.versions.node), cdk: cdk(folder) });
}

/** What the account and region let the config have. Each answer is by itself: one that is missing holds up no other. */
export async function inAccount(account: Account, wanted: Wanted | undefined, isDeployed: boolean): Promise<Finding[]> {
  const [bootstrap, timestream, shards, concurrency, putEvents, tables, lambda] = await Promise.all([
    account.bootstrapVersion(),
    wanted?.deployment.history === 'timestream' ? account.timestream() : undefined,
    account.shardLimits(),
    account.concurrency(),
    account.quota('events', /^PutEvents throttle limit/i),
    account.quota('dynamodb', /^Maximum number of tables$/i),
    account.runtime(runtime),
  ]);
  return named({
    bootstrap: judged(bootstrap, bootstrapOf, () => fail('this account and region were never bootstrapped', 'npx cdk bootstrap')),
    runtime: runtimeOf(lambda),
    ...(timestream && { timestream: timestreamOf(timestream) }),
    ...(wanted && {
      'shard quota': judged(shards, (limits) => shardsOf(limits, wanted.deployment.shards, isDeployed)),
      'lambda concurrency': judged(concurrency, (limits) => concurrencyOf(limits, wanted)),
      'put-events quota': judged(putEvents, (limit) => putEventsOf(limit, wanted)),
      'table quota': judged(tables, (limit) =>
        limit === undefined
          ? unknown('cannot tell: the service states none')
          : ok(`${limit} tables may be there, the stack has ${wanted.webhooks > 0 ? 2 : 1}`),
      ),
    }),
  });
}

function named(saids: Readonly<Record<string, Said>>): Finding[] {
  return Object.entries(saids).map(([check, said]) => ({ part: 'before', check, ...said }));
}

function node(version: string): Said {
  if (Number(version.split('.')[0]) >= nodeMin) return ok(`Node ${version}`);
  return fail(`Node ${version}, and ${nodeMin} is needed`, 'npm install, which brings one, or install it');
}

function cdk(folder: string): Said {
  try {
    const { version } = createRequire(join(folder, 'package.json'))('aws-cdk/package.json') as { version: string };
    return ok(`CDK ${version}`);
  } catch {
    return warn('the CDK command is not installed here', 'npm install aws-cdk@~2.1148.1, in the folder of the app');
  }
}

function bootstrapOf(version: number): Said {
  if (version >= bootstrapVersionMin) return ok(`version ${version}`);
  return fail(`version ${version}, and ${bootstrapVersionMin} is needed`, 'npx cdk bootstrap');
}

/** A region that does not know a runtime refuses its name; one that does may still not let us list. */
function runtimeOf(asked: Asked<unknown>): Said {
  if (asked.kind === 'failed' && /Validation|InvalidParameter/.test(asked.name))
    return fail(`Lambda has no ${runtime} in this region`, 'deploy to a region that has it');
  return judged(asked, () => ok(`Lambda has ${runtime}`));
}

/** Closed to customers new since 2025-06-20; what a policy forbids is told in other words. */
function timestreamOf(asked: Asked<unknown>): Said {
  const isClosed = (asked.kind === 'denied' || asked.kind === 'failed') && /existing .*customers/i.test(asked.message);
  if (isClosed)
    return fail(
      'Timestream for LiveAnalytics takes no new customers, and this account is none',
      "set history: 'parquet' in tapeline.config.ts",
    );
  return judged(asked, () => ok('open to this account'));
}

function shardsOf(
  limits: {
    readonly openShards: number;
    readonly shardsMax: number;
    readonly onDemandStreams: number;
    readonly onDemandStreamsMax: number;
  },
  wanted: number | 'on-demand',
  isDeployed: boolean,
): Said {
  const { openShards, shardsMax, onDemandStreams, onDemandStreamsMax } = limits;
  const raise = 'ask for more in the Service Quotas console, or use fewer shards';
  if (wanted === 'on-demand') {
    const isRoom = isDeployed || onDemandStreams < onDemandStreamsMax;
    const says = `${onDemandStreams} of ${onDemandStreamsMax} streams on demand are in use`;
    return isRoom ? ok(says) : fail(says, raise);
  }
  const says = `${openShards} of ${shardsMax} shards are in use, the config has ${wanted}`;
  return isDeployed || openShards + wanted <= shardsMax ? ok(says) : fail(says, raise);
}

/** A shard keeps one invocation busy, the outbox about one a shard, taking signals on for endpoints ten, and each endpoint one. */
function concurrencyOf(
  { unreserved, limit }: { readonly unreserved: number; readonly limit: number },
  { deployment, webhooks }: Wanted,
): Said {
  const shards = deployment.shards === 'on-demand' ? 4 : deployment.shards;
  const needed = shards + 2 + (webhooks > 0 ? 10 + webhooks : 0) + (deployment.history === 'none' ? 0 : shards);
  const says = `${unreserved} invocations at once are free, ${needed} are needed`;
  const raise = 'ask for 1,000 in the Service Quotas console ("Concurrent executions"), or use fewer shards';
  if (unreserved < shards + 2) return fail(says, raise);
  if (unreserved < needed) return warn(says, raise);
  if (limit <= concurrencyOfNewAccounts) return warn(`${says}; as a new account it has ${limit}, none of which can be reserved`, raise);
  return ok(says);
}

/** At a bar's close all symbols may speak at once; ten signals are a call. */
function putEventsOf(limit: number | undefined, { pipeline }: Wanted): Said {
  if (limit === undefined) return unknown('cannot tell: the service states none');
  const signals = Math.ceil(1_500 * pipeline.strategies.names.length * measured.signalsPerBar);
  const says = `${limit} a second, where 1,500 symbols raise some ${signals} signals at a bar's close`;
  return signals <= limit
    ? ok(says)
    : warn(says, 'they arrive later; ask for more in the Service Quotas console ("PutEvents throttle limit")');
}
