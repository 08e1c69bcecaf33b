import { CloudFormationClient, DescribeStacksCommand, paginateListStackResources } from '@aws-sdk/client-cloudformation';
import { CloudWatchClient, paginateDescribeAlarms, paginateGetMetricData } from '@aws-sdk/client-cloudwatch';
import { DescribeStreamSummaryCommand } from '@aws-sdk/client-kinesis';
import { GetEventSourceMappingCommand, LambdaClient } from '@aws-sdk/client-lambda';
import { ask, type Asked } from './ask.ts';
import { clientOptions, kinesisClientFor } from './client-options.ts';

/** What a stack has made: by the id that it has in the template, which begins with the path of its construct. */
export type StackResource = { readonly logicalId: string; readonly type: string; readonly name: string };

export type Stack = { readonly status: string; readonly outputs: Readonly<Record<string, string>> };

/** One series of CloudWatch, as one value a period. */
export type MetricQuestion = {
  readonly id: string;
  readonly namespace: string;
  readonly name: string;
  readonly dimensions: Readonly<Record<string, string>>;
  readonly statistic: 'Sum' | 'Maximum' | 'Average';
  readonly periodSec: number;
};

/** Newest first. */
export type Series = readonly { readonly timeMs: number; readonly value: number }[];

export type Mapping = { readonly state: string; readonly result: string; readonly reason: string };
export type AlarmState = { readonly name: string; readonly state: string; readonly description: string };

/** A deployed stack, looked at and not touched. */
export class Deployed {
  readonly #options: ReturnType<typeof clientOptions>;
  readonly #region: string | undefined;
  readonly #stackName: string;

  /** @param options `region`: @default the environment's */
  constructor({ stackName, region }: { readonly stackName: string; readonly region?: string | undefined }) {
    this.#options = clientOptions(region);
    this.#region = region;
    this.#stackName = stackName;
  }

  stack(): Promise<Asked<Stack>> {
    const client = new CloudFormationClient(this.#options);
    return ask('cloudformation:DescribeStacks', async () => {
      const { Stacks = [] } = await client.send(new DescribeStacksCommand({ StackName: this.#stackName }));
      const outputs = (Stacks[0]?.Outputs ?? []).map(({ OutputKey = '', OutputValue = '' }) => [OutputKey, OutputValue] as const);
      return { status: Stacks[0]?.StackStatus ?? '', outputs: Object.fromEntries(outputs) };
    });
  }

  resources(): Promise<Asked<readonly StackResource[]>> {
    const client = new CloudFormationClient(this.#options);
    return ask('cloudformation:ListStackResources', async () => {
      const resources: StackResource[] = [];
      for await (const { StackResourceSummaries = [] } of paginateListStackResources({ client }, { StackName: this.#stackName })) {
        for (const { LogicalResourceId = '', ResourceType = '', PhysicalResourceId = '' } of StackResourceSummaries)
          resources.push({ logicalId: LogicalResourceId, type: ResourceType, name: PhysicalResourceId });
      }
      return resources;
    });
  }

  stream(name: string): Promise<Asked<{ readonly status: string; readonly openShards: number; readonly isOnDemand: boolean }>> {
    const client = kinesisClientFor(this.#region);
    return ask('kinesis:DescribeStreamSummary', async () => {
      const { StreamDescriptionSummary: summary } = await client.send(new DescribeStreamSummaryCommand({ StreamName: name }));
      return {
        status: summary?.StreamStatus ?? '',
        openShards: summary?.OpenShardCount ?? 0,
        isOnDemand: summary?.StreamModeDetails?.StreamMode === 'ON_DEMAND',
      };
    });
  }

  mapping(uuid: string): Promise<Asked<Mapping>> {
    const client = new LambdaClient(this.#options);
    return ask('lambda:GetEventSourceMapping', async () => {
      const mapping = await client.send(new GetEventSourceMappingCommand({ UUID: uuid }));
      return { state: mapping.State ?? '', result: mapping.LastProcessingResult ?? '', reason: mapping.StateTransitionReason ?? '' };
    });
  }

  /** @param times Unix milliseconds */
  metrics(
    questions: readonly MetricQuestion[],
    times: { readonly fromMs: number; readonly toMs: number },
  ): Promise<Asked<ReadonlyMap<string, Series>>> {
    const client = new CloudWatchClient(this.#options);
    return ask('cloudwatch:GetMetricData', async () => {
      const series = new Map<string, { timeMs: number; value: number }[]>();
      const query = {
        StartTime: new Date(times.fromMs),
        EndTime: new Date(times.toMs),
        ScanBy: 'TimestampDescending' as const,
        MetricDataQueries: questions.map(({ id, namespace, name, dimensions, statistic, periodSec }) => ({
          Id: id,
          MetricStat: {
            Metric: {
              Namespace: namespace,
              MetricName: name,
              Dimensions: Object.entries(dimensions).map(([Name, Value]) => ({ Name, Value })),
            },
            Period: periodSec,
            Stat: statistic,
          },
        })),
      };
      for await (const { MetricDataResults = [] } of paginateGetMetricData({ client }, query)) {
        for (const { Id = '', Timestamps = [], Values = [] } of MetricDataResults) {
          const points = Values.map((value, i) => ({ timeMs: Timestamps[i]?.getTime() ?? 0, value }));
          series.set(Id, [...(series.get(Id) ?? []), ...points]);
        }
      }
      return series;
    });
  }

  alarms(names: readonly string[]): Promise<Asked<readonly AlarmState[]>> {
    const client = new CloudWatchClient(this.#options);
    return ask('cloudwatch:DescribeAlarms', async () => {
      const alarms: AlarmState[] = [];
      for await (const { MetricAlarms = [] } of paginateDescribeAlarms({ client }, { AlarmNames: [...names] })) {
        for (const { AlarmName = '', StateValue = '', AlarmDescription = '' } of MetricAlarms)
          alarms.push({ name: AlarmName, state: StateValue, description: AlarmDescription });
      }
      return alarms;
    });
  }
}
