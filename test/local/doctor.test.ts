import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { deploymentOptionsOf, type TapelineConfig } from '../../core/config.ts';
import type { Wanted } from '../../local/doctor/before.ts';
import { type Diagnosis, diagnose } from '../../local/doctor/doctor.ts';
import { doctorText } from '../../local/doctor/report.ts';
import { pipelineFor } from '../../local/options.ts';
import { root } from '../house/project.ts';
import { type Answer, type Answers, FakeAws } from './fake-aws.ts';
import { tapeline } from './tapeline.ts';

const nowMs = Date.UTC(2026, 10, 24, 15);
const pipeline = await pipelineFor({});
const wanted = (config: TapelineConfig = {}, webhooks = 0): Wanted => ({ pipeline, deployment: deploymentOptionsOf(config), webhooks });

let aws: FakeAws;
const environment = {
  AWS_REGION: 'eu-central-1',
  AWS_ACCESS_KEY_ID: 'test',
  AWS_SECRET_ACCESS_KEY: 'test',
  AWS_EC2_METADATA_DISABLED: 'true',
};
const before = { ...process.env };
beforeAll(async () => {
  aws = await FakeAws.start();
  Object.assign(process.env, environment, { AWS_ENDPOINT_URL: aws.endpoint });
});
afterAll(() => {
  aws.stop();
  process.env = before;
});
beforeEach(() => {
  aws.answers = {};
  aws.asked.length = 0;
});

const output = (of: object): Answer => ({ output: of });
const noStack: Answer = { error: 'ValidationError', message: 'Stack with id X does not exist' };

/** An account in which nothing is wrong and nothing deployed. */
const good = {
  GetCallerIdentity: output({ Account: '123456789012', Arn: 'arn:aws:sts::123456789012:assumed-role/dev/me' }),
  DescribeStacks: (input: unknown) => ((input as { StackName: string }).StackName === 'CDKToolkit' ? bootstrapped(30) : noStack),
  DescribeEndpoints: output({ Endpoints: [{ Address: 'ingest.timestream.eu-central-1.amazonaws.com', CachePeriodInMinutes: 1 }] }),
  DescribeLimits: output({ ShardLimit: 500, OpenShardCount: 3, OnDemandStreamCount: 0, OnDemandStreamCountLimit: 50 }),
  GetAccountSettings: output({ AccountLimit: { ConcurrentExecutions: 1_000, UnreservedConcurrentExecutions: 990 } }),
  ListLayers: output({ Layers: [] }),
  ListServiceQuotas: (input: unknown) =>
    output({
      Quotas:
        (input as { ServiceCode: string }).ServiceCode === 'events'
          ? [{ QuotaName: 'PutEvents throttle limit in transactions per second', Value: 600 }]
          : [{ QuotaName: 'Maximum number of tables', Value: 2_500 }],
    }),
} satisfies Answers;

function bootstrapped(version: number): Answer {
  return output({
    Stacks: [
      {
        StackName: 'CDKToolkit',
        CreationTime: '2026-01-01T00:00:00Z',
        StackStatus: 'CREATE_COMPLETE',
        Outputs: [{ OutputKey: 'BootstrapVersion', OutputValue: version }],
      },
    ],
  });
}

/** The same with a stack through which trades flow. */
const resources = [
  ['TapeStream0', 'AWS::Kinesis::Stream', 'tape'],
  ['SignalConsumerHandler1', 'AWS::Lambda::Function', 'consume'],
  ['SignalBusHandler1', 'AWS::Lambda::Function', 'publish'],
  ['SignalConsumerHandlerKinesisEventSource', 'AWS::Lambda::EventSourceMapping', 'mapping-1'],
  ['SignalBusHandlerDynamoDBEventSource', 'AWS::Lambda::EventSourceMapping', 'mapping-2'],
  ['HistoryBarsDelivery', 'AWS::KinesisFirehose::DeliveryStream', 'bars'],
  ['SignalTopicUndelivered', 'AWS::SQS::Queue', 'https://sqs.eu-central-1.amazonaws.com/1/undelivered'],
  ['ObservabilityGivenUp', 'AWS::Events::Rule', 'given-up'],
  ['Observabilityiteratorage', 'AWS::CloudWatch::Alarm', 'Tapeline-iterator-age'],
] as const;
function resourcesAnswer(of: readonly (readonly [string, string, string])[]): Answer {
  return output({
    StackResourceSummaries: of.map(([LogicalResourceId, ResourceType, PhysicalResourceId]) => ({
      LogicalResourceId,
      ResourceType,
      PhysicalResourceId,
      ResourceStatus: 'CREATE_COMPLETE',
      LastUpdatedTimestamp: '2026-01-01T00:00:00Z',
    })),
  });
}

const healthy: Readonly<Record<string, number>> = {
  incoming: 240,
  invocations: 1_800,
  errors: 0,
  throttles: 0,
  iteratorAge: 900,
  trades: 414_000,
  quarantined: 0,
  watermarkLag: 2_700,
  publishDelay: 800,
  history0: 310,
};

function deployed({
  status = 'UPDATE_COMPLETE',
  metrics = {},
  alarm = 'OK',
  mapping = {},
  stream = {},
}: {
  status?: string;
  metrics?: Readonly<Record<string, number>>;
  alarm?: string;
  mapping?: object;
  stream?: object;
} = {}): Answers {
  const values: Readonly<Record<string, number>> = { ...healthy, ...metrics };
  return {
    ...good,
    DescribeStacks: (input) =>
      (input as { StackName: string }).StackName === 'CDKToolkit'
        ? bootstrapped(30)
        : output({
            Stacks: [
              {
                StackName: 'Tapeline',
                CreationTime: '2026-01-01T00:00:00Z',
                StackStatus: status,
                Outputs: [
                  { OutputKey: 'TapeStream', OutputValue: 'tape' },
                  { OutputKey: 'QuarantineBucket', OutputValue: 'quarantine' },
                ],
              },
            ],
          }),
    ListStackResources: resourcesAnswer(resources),
    DescribeStreamSummary: output({
      StreamDescriptionSummary: { StreamStatus: 'ACTIVE', OpenShardCount: 2, StreamModeDetails: { StreamMode: 'PROVISIONED' }, ...stream },
    }),
    GetEventSourceMapping: output({ State: 'Enabled', LastProcessingResult: 'OK', ...mapping }),
    GetMetricData: (input) => {
      const { MetricDataQueries } = input as { MetricDataQueries: { Id: string }[] };
      return output({
        MetricDataResults: MetricDataQueries.map(({ Id }) => ({
          Id,
          Timestamps: values[Id] === undefined ? [] : [nowMs / 1_000 - 60],
          Values: values[Id] === undefined ? [] : [values[Id]],
        })),
      });
    },
    DescribeAlarms: output({
      MetricAlarms: [
        {
          AlarmName: 'Tapeline-iterator-age',
          StateValue: alarm,
          AlarmDescription: 'It is behind. What to do: docs/runbooks/iterator-age.md',
        },
      ],
    }),
  };
}

async function seen(answers: Answers, config: Wanted | Error = wanted()): Promise<Diagnosis> {
  aws.answers = answers;
  return diagnose({ stackName: 'Tapeline', folder: root, config, nowMs });
}

function findingOf({ findings }: Diagnosis, check: string) {
  const found = findings.find((finding) => finding.check === check);
  if (found === undefined) throw new Error(`nothing was said of "${check}", only of ${findings.map(({ check }) => check).join(', ')}`);
  const { verdict, says, todo } = found;
  return { verdict, says, todo };
}

describe('before anything is deployed', () => {
  it('finds nothing in a good account, and says who we are', async () => {
    const diagnosis = await seen(good);
    expect(diagnosis).toMatchObject({ account: '123456789012', region: 'eu-central-1', isDeployed: false });
    expect(diagnosis.findings.filter(({ verdict }) => verdict !== 'ok')).toEqual([]);
    expect(diagnosis.findings.map(({ check }) => check)).toEqual([
      'node',
      'cdk',
      'config',
      'credentials',
      'bootstrap',
      'runtime',
      'shard quota',
      'lambda concurrency',
      'put-events quota',
      'table quota',
    ]);
  });

  it.each([
    ['never bootstrapped', { DescribeStacks: noStack }, {}, 'bootstrap', 'fail', /never bootstrapped/, 'npx cdk bootstrap'],
    [
      'bootstrapped long ago',
      { DescribeStacks: (i: unknown) => ((i as { StackName: string }).StackName === 'CDKToolkit' ? bootstrapped(5) : noStack) },
      {},
      'bootstrap',
      'fail',
      /version 5, and 6 is needed/,
      'npx cdk bootstrap',
    ],
    [
      'closed to Timestream',
      {
        DescribeEndpoints: {
          error: 'AccessDeniedException',
          message: 'Only existing Timestream for LiveAnalytics customers can access the service.',
        },
      },
      { history: 'timestream' },
      'timestream',
      'fail',
      /takes no new customers/,
      "set history: 'parquet' in tapeline.config.ts",
    ],
    ['open to Timestream', {}, { history: 'timestream' }, 'timestream', 'ok', /open to this account/, undefined],
    [
      'not allowed to ask Timestream',
      { DescribeEndpoints: { error: 'AccessDeniedException', message: 'User is not authorized to perform timestream:DescribeEndpoints' } },
      { history: 'timestream' },
      'timestream',
      'unknown',
      /cannot tell: needs timestream:DescribeEndpoints/,
      /allow/,
    ],
    [
      'without room for shards',
      { DescribeLimits: output({ ShardLimit: 4, OpenShardCount: 3 }) },
      {},
      'shard quota',
      'fail',
      /3 of 4 shards are in use, the config has 2/,
      /Service Quotas/,
    ],
    [
      'full of streams on demand',
      { DescribeLimits: output({ OnDemandStreamCount: 50, OnDemandStreamCountLimit: 50 }) },
      { shards: 'on-demand' },
      'shard quota',
      'fail',
      /50 of 50 streams/,
      /Service Quotas/,
    ],
    [
      'new',
      { GetAccountSettings: output({ AccountLimit: { ConcurrentExecutions: 10, UnreservedConcurrentExecutions: 10 } }) },
      {},
      'lambda concurrency',
      'warn',
      /as a new account it has 10/,
      /Concurrent executions/,
    ],
    [
      'new, with many shards',
      { GetAccountSettings: output({ AccountLimit: { ConcurrentExecutions: 10, UnreservedConcurrentExecutions: 10 } }) },
      { shards: 40 },
      'lambda concurrency',
      'fail',
      /10 invocations at once are free/,
      /fewer shards/,
    ],
    [
      'in a region without the runtime',
      { ListLayers: { error: 'InvalidParameterValueException', message: 'Value nodejs24.x is invalid' } },
      {},
      'runtime',
      'fail',
      /no nodejs24[.]x in this region/,
      /region that has it/,
    ],
    [
      'slow to take events',
      { ListServiceQuotas: output({ Quotas: [{ QuotaName: 'PutEvents throttle limit in transactions per second', Value: 10 }] }) },
      {},
      'put-events quota',
      'warn',
      /10 a second/,
      /Service Quotas/,
    ],
  ] as const)('says of an account %s what is the matter, and what to do', async (_, answers, config, check, verdict, says, todo) => {
    const found = findingOf(await seen({ ...good, ...(answers as Answers) }, wanted(config as TapelineConfig)), check);
    expect(found).toEqual({
      verdict,
      says: expect.stringMatching(says),
      todo: todo === undefined ? undefined : expect.stringMatching(todo),
    });
  });

  it('goes on without each permission, and says which it lacks', async () => {
    const { findings } = await seen({ GetCallerIdentity: good.GetCallerIdentity }, wanted({ history: 'timestream' }));
    const open = findings.filter(({ verdict }) => verdict === 'unknown').map(({ check, says }) => [check, says]);
    expect(open).toEqual([
      ['bootstrap', 'cannot tell: needs cloudformation:DescribeStacks'],
      ['runtime', 'cannot tell: needs lambda:ListLayers'],
      ['timestream', 'cannot tell: needs timestream:DescribeEndpoints'],
      ['shard quota', 'cannot tell: needs kinesis:DescribeLimits'],
      ['lambda concurrency', 'cannot tell: needs lambda:GetAccountSettings'],
      ['put-events quota', 'cannot tell: needs servicequotas:ListServiceQuotas'],
      ['table quota', 'cannot tell: needs servicequotas:ListServiceQuotas'],
      ['stack', 'cannot tell: needs cloudformation:DescribeStacks'],
    ]);
    expect(findings.filter(({ verdict }) => verdict === 'fail')).toEqual([]);
  });

  it('looks at the account though the config is wrong, and says what is wrong with it', async () => {
    const diagnosis = await seen(good, new Error('config has no option "intervall"; did you mean "interval"?'));
    expect(findingOf(diagnosis, 'config')).toMatchObject({ verdict: 'fail', says: expect.stringContaining('did you mean "interval"?') });
    expect(findingOf(diagnosis, 'bootstrap').verdict).toBe('ok');
  });

  it.each([
    [
      'without valid credentials',
      { error: 'InvalidClientTokenId', message: 'The security token included in the request is invalid.' },
      /security token .* invalid/,
    ],
    ['with expired ones', { error: 'ExpiredToken', message: 'The security token included in the request is expired' }, /expired/],
  ] as const)('asks no further %s', async (_, identity, says) => {
    const diagnosis = await seen({ ...good, GetCallerIdentity: identity });
    expect(findingOf(diagnosis, 'credentials')).toMatchObject({ verdict: 'fail', says: expect.stringMatching(says) });
    expect(new Set(aws.asked)).toEqual(new Set(['GetCallerIdentity']));
  });
});

describe('after a deployment', () => {
  it('finds nothing in a stack through which trades flow', async () => {
    const diagnosis = await seen(deployed());
    expect(diagnosis.isDeployed).toBe(true);
    expect(diagnosis.findings.filter(({ verdict }) => verdict !== 'ok')).toEqual([]);
    expect(diagnosis.findings.filter(({ part }) => part === 'after').map(({ check, says }) => [check, says])).toEqual([
      ['stack', 'UPDATE_COMPLETE'],
      ['tape', 'ACTIVE, 2 shards'],
      ['reader of the tape', 'Enabled, OK'],
      ['reader of the outbox', 'Enabled, OK'],
      ['trades', '414,000 in 15 minutes, the last 1 minutes ago'],
      ['lag', '0.9 s behind the tape, watermark 2.7 s behind the arrival'],
      ['consumer errors', '0 of 1800 invocations failed'],
      ['publisher errors', '0 of 0 invocations failed'],
      ['throttles', 'none'],
      ['quarantine', '0 set aside, 0.00 % of the input'],
      ['conflicts', '0 commits were too late'],
      ['publish delay', '0.8 s at the most'],
      ['history', 'the oldest row waits for 310 s'],
      ['dead letters', 'none in 14 days'],
      ['set aside by the history', 'nothing in 14 days'],
      ['alarms', 'none of 1'],
    ]);
  });

  it.each([
    ['nothing is fed', { metrics: { trades: 0, incoming: 0 } }, 'trades', 'warn', /none in 15 minutes/, /tapeline feed/],
    [
      'nothing is folded',
      { metrics: { trades: 0 } },
      'trades',
      'fail',
      /240 records came in 15 minutes, and none was folded/,
      /reader of the tape/,
    ],
    ['the consumer is behind', { metrics: { iteratorAge: 90_000 } }, 'lag', 'warn', /90[.]0 s behind the tape/, /iterator-age[.]md/],
    ['the consumer stands still', { metrics: { iteratorAge: 900_000 } }, 'lag', 'fail', /900[.]0 s behind the tape/, /iterator-age[.]md/],
    [
      'some invocations fail',
      { metrics: { errors: 3 } },
      'consumer errors',
      'warn',
      /3 of 1800 invocations failed/,
      /function-errors[.]md/,
    ],
    ['all invocations fail', { metrics: { errors: 1_800 } }, 'consumer errors', 'fail', /1800 of 1800/, /function-errors[.]md/],
    ['functions wait', { metrics: { throttles: 7 } }, 'throttles', 'warn', /7 invocations/, /function-throttles[.]md/],
    ['the feed is too much for the shards', { metrics: { tapeThrottled: 12 } }, 'throttles', 'warn', /12 puts/, /tape-throttled[.]md/],
    [
      'much is set aside',
      { metrics: { quarantined: 10_000 } },
      'quarantine',
      'fail',
      /10000 set aside, 2[.]36 %/,
      /s3:\/\/quarantine\/quarantine\//,
    ],
    ['two consumers fold the same', { metrics: { conflicts: 40 } }, 'conflicts', 'warn', /40 commits/, /checkpoint-conflicts[.]md/],
    ['signals wait', { metrics: { publishDelay: 75_000 } }, 'publish delay', 'warn', /75[.]0 s/, /publish-delay[.]md/],
    ['bars do not arrive', { metrics: { history0: 4_000 } }, 'history', 'fail', /4000 s/, /history-delay[.]md/],
    [
      'batches were given up',
      { metrics: { givenUp: 2 } },
      'dead letters',
      'fail',
      /2 batches given up/,
      /s3:\/\/quarantine\/aws\/lambda\//,
    ],
    [
      'messages wait in the dead-letter queue',
      { metrics: { undelivered0: 5 } },
      'dead letters',
      'fail',
      /5 messages undelivered/,
      /dead-letters[.]md/,
    ],
    [
      'the history has set something aside, by each of its functions',
      { metrics: { framesFailed: 3, rowsRefused: 4, barsRefused: 1 } },
      'set aside by the history',
      'fail',
      /3 frames and 5 rows/,
      /history-refused[.]md/,
    ],
    ['an alarm goes off', { alarm: 'ALARM' }, 'alarms', 'fail', /Tapeline-iterator-age/, /iterator-age[.]md/],
    [
      'the mapping is off',
      { mapping: { State: 'Disabled', StateTransitionReason: 'User action' } },
      'reader of the tape',
      'fail',
      /Disabled, OK \(User action\)/,
      /enable/,
    ],
    [
      'the mapping has a problem',
      { mapping: { LastProcessingResult: 'PROBLEM: Function call failed' } },
      'reader of the tape',
      'fail',
      /PROBLEM/,
      /log/,
    ],
    [
      'the mapping is being made',
      { mapping: { State: 'Creating', LastProcessingResult: 'No records processed' } },
      'reader of the tape',
      'warn',
      /Creating/,
      /wait/,
    ],
    ['the stream has other shards', { stream: { OpenShardCount: 4 } }, 'tape', 'warn', /4 shards, the config has 2/, /cdk deploy/],
    ['the stream reshards', { stream: { StreamStatus: 'UPDATING' } }, 'tape', 'warn', /UPDATING/, /wait/],
    ['the deployment failed', { status: 'ROLLBACK_COMPLETE' }, 'stack', 'fail', /ROLLBACK_COMPLETE/, /stack events/],
    ['a deployment runs', { status: 'UPDATE_IN_PROGRESS' }, 'stack', 'warn', /UPDATE_IN_PROGRESS/, /wait/],
  ] as const)('when %s, says so and what to do', async (_, situation, check, verdict, says, todo) => {
    const found = findingOf(await seen(deployed(situation)), check);
    expect(found).toEqual({
      verdict,
      says: expect.stringMatching(says),
      todo: todo === undefined ? undefined : expect.stringMatching(todo),
    });
  });

  it('knows the function that keeps trades in Timestream by how far it is behind', async () => {
    const answers = deployed({ metrics: { keeperAge: 2_000_000, history0: 0 } });
    const withKeeper = [...resources, ['HistoryHandler1', 'AWS::Lambda::Function', 'keep'] as const];
    const diagnosis = await seen({ ...answers, ListStackResources: resourcesAnswer(withKeeper) });
    expect(findingOf(diagnosis, 'history')).toMatchObject({ verdict: 'fail', says: 'the oldest row waits for 2000 s' });
  });

  it('does not miss trades of a market that is closed', async () => {
    const closed = { ...wanted(), pipeline: { ...pipeline, calendar: { ...pipeline.calendar, isOpen: () => false } } };
    const diagnosis = await seen(deployed({ metrics: { trades: 0, incoming: 0 } }), closed);
    expect(findingOf(diagnosis, 'trades')).toMatchObject({ verdict: 'ok', says: 'none in 15 minutes, and the market is closed' });
  });

  it.each([
    ['GetMetricData', ['trades', 'lag', 'quarantine', 'dead letters'], 'cannot tell: needs cloudwatch:GetMetricData', ['tape', 'alarms']],
    ['DescribeAlarms', ['alarms'], 'cannot tell: needs cloudwatch:DescribeAlarms', ['tape', 'trades']],
    ['GetEventSourceMapping', ['reader of the tape'], 'cannot tell: needs lambda:GetEventSourceMapping', ['tape', 'trades']],
    ['ListStackResources', ['resources'], 'cannot tell: needs cloudformation:ListStackResources', ['stack', 'bootstrap']],
  ] as const)('without %s, tells the rest', async (operation, open, says, told) => {
    const { [operation]: _, ...answers } = deployed();
    const diagnosis = await seen(answers);
    for (const check of open) expect(findingOf(diagnosis, check)).toMatchObject({ verdict: 'unknown', says });
    for (const check of told) expect(findingOf(diagnosis, check).verdict).toBe('ok');
  });

  it('names pages that there are', async () => {
    const metrics = {
      trades: 0,
      incoming: 0,
      iteratorAge: 9e9,
      errors: 9,
      throttles: 9,
      quarantined: 99,
      conflicts: 99,
      publishDelay: 9e9,
      history0: 9e9,
      givenUp: 1,
    };
    const { findings } = await seen(deployed({ metrics, alarm: 'ALARM' }));
    const pages = findings.flatMap(({ todo = '' }) => todo.match(/docs\/[\w/-]+[.]md/g) ?? []);
    expect(new Set(pages).size).toBeGreaterThan(7);
    const { existsSync } = await import('node:fs');
    expect(pages.filter((page) => !existsSync(`${root}/${page}`))).toEqual([]);
  });
});

describe('tapeline doctor', () => {
  it('ends with 1 when something fails and with 0 when nothing does, and prints one document with --json', async () => {
    const env = { ...environment, AWS_ENDPOINT_URL: aws.endpoint };
    aws.answers = deployed();
    const [well, json] = await Promise.all([tapeline(['doctor'], { cwd: root, env }), tapeline(['doctor', '--json'], { cwd: root, env })]);
    expect([well.exitCode, json.exitCode]).toEqual([0, 0]);
    expect(well.stdout).toContain('Before a deployment in account 123456789012, eu-central-1');
    expect(well.stdout).not.toContain('\u001b');
    expect(JSON.parse(json.stdout)).toMatchObject({ stack: 'Tapeline', isDeployed: true, account: '123456789012' });
    aws.answers = { ...good, DescribeStacks: noStack };
    const ill = await tapeline(['doctor'], { cwd: root, env });
    expect(ill.exitCode).toBe(1);
    expect(ill.stdout).toMatch(/^FAIL +bootstrap +this account and region were never bootstrapped\n +→ npx cdk bootstrap$/m);
    expect(ill.stdout).toContain('The stack Tapeline is not deployed');
  });

  it('says that there are no credentials, or no region, and what to do', async () => {
    const nobody = {
      AWS_EC2_METADATA_DISABLED: 'true',
      AWS_ACCESS_KEY_ID: '',
      AWS_SECRET_ACCESS_KEY: '',
      AWS_CONFIG_FILE: '/dev/null',
      AWS_SHARED_CREDENTIALS_FILE: '/dev/null',
      AWS_ENDPOINT_URL: aws.endpoint,
    };
    const [noKeys, noRegion] = await Promise.all([
      tapeline(['doctor', '--region', 'us-east-1'], { cwd: root, env: { ...nobody, AWS_REGION: '' } }),
      tapeline(['doctor'], { cwd: root, env: { ...nobody, AWS_REGION: '' } }),
    ]);
    expect([noKeys.exitCode, noRegion.exitCode]).toEqual([1, 1]);
    expect(noKeys.stdout).toMatch(/FAIL +credentials +there are none\n +→ aws configure sso/);
    expect(noRegion.stdout).toMatch(/FAIL +credentials +no region is set\n +→ set AWS_REGION/);
  });

  it('has color only for a terminal', async () => {
    const diagnosis = await seen(good);
    expect(doctorText(diagnosis, true)).toContain('\u001b[32mok   \u001b[0m');
    expect(doctorText(diagnosis, false)).not.toContain('\u001b');
  });
});
