import { CloudFormationClient, DescribeStacksCommand } from '@aws-sdk/client-cloudformation';
import { DescribeLimitsCommand } from '@aws-sdk/client-kinesis';
import { GetAccountSettingsCommand, LambdaClient, ListLayersCommand, type Runtime } from '@aws-sdk/client-lambda';
import { paginateListServiceQuotas, ServiceQuotasClient } from '@aws-sdk/client-service-quotas';
import { GetCallerIdentityCommand, STSClient } from '@aws-sdk/client-sts';
import { DescribeEndpointsCommand, TimestreamWriteClient } from '@aws-sdk/client-timestream-write';
import { ask, type Asked } from './ask.ts';
import { clientOptions, kinesisClientFor } from './client-options.ts';

export type ShardLimits = {
  readonly openShards: number;
  readonly shardsMax: number;
  readonly onDemandStreams: number;
  readonly onDemandStreamsMax: number;
};

/** An account in a region, before anything is deployed: who we are there, and what it may have. Nothing is changed. */
export class Account {
  readonly #options: ReturnType<typeof clientOptions>;
  readonly #region: string | undefined;

  /** @param region @default the environment's */
  constructor(region?: string) {
    this.#options = clientOptions(region);
    this.#region = region;
  }

  identity(): Promise<Asked<{ readonly account: string; readonly arn: string; readonly region: string }>> {
    const client = new STSClient(this.#options);
    return ask('sts:GetCallerIdentity', async () => {
      const { Account = '', Arn = '' } = await client.send(new GetCallerIdentityCommand());
      return { account: Account, arn: Arn, region: await client.config.region() };
    });
  }

  /** Of the stack that `cdk bootstrap` makes. */
  bootstrapVersion(): Promise<Asked<number>> {
    const client = new CloudFormationClient(this.#options);
    return ask('cloudformation:DescribeStacks', async () => {
      const { Stacks = [] } = await client.send(new DescribeStacksCommand({ StackName: 'CDKToolkit' }));
      return Number(Stacks[0]?.Outputs?.find(({ OutputKey }) => OutputKey === 'BootstrapVersion')?.OutputValue ?? 0);
    });
  }

  /** Answers where Timestream for LiveAnalytics lets this account in. */
  timestream(): Promise<Asked<unknown>> {
    const client = new TimestreamWriteClient(this.#options);
    return ask('timestream:DescribeEndpoints', () => client.send(new DescribeEndpointsCommand()));
  }

  shardLimits(): Promise<Asked<ShardLimits>> {
    const client = kinesisClientFor(this.#region);
    return ask('kinesis:DescribeLimits', async () => {
      const limits = await client.send(new DescribeLimitsCommand());
      return {
        openShards: limits.OpenShardCount ?? 0,
        shardsMax: limits.ShardLimit ?? 0,
        onDemandStreams: limits.OnDemandStreamCount ?? 0,
        onDemandStreamsMax: limits.OnDemandStreamCountLimit ?? 0,
      };
    });
  }

  /** Invocations at once of all functions that have reserved none. */
  concurrency(): Promise<Asked<{ readonly unreserved: number; readonly limit: number }>> {
    const client = new LambdaClient(this.#options);
    return ask('lambda:GetAccountSettings', async () => {
      const { AccountLimit } = await client.send(new GetAccountSettingsCommand());
      return { unreserved: AccountLimit?.UnreservedConcurrentExecutions ?? 0, limit: AccountLimit?.ConcurrentExecutions ?? 0 };
    });
  }

  /** Lambda has no list of its runtimes, but refuses to list the layers for one that it does not know. */
  runtime(runtime: Runtime): Promise<Asked<unknown>> {
    const client = new LambdaClient(this.#options);
    return ask('lambda:ListLayers', () => client.send(new ListLayersCommand({ CompatibleRuntime: runtime, MaxItems: 1 })));
  }

  /** The quota whose name matches; undefined where the service has none of that name. */
  quota(service: string, name: RegExp): Promise<Asked<number | undefined>> {
    const client = new ServiceQuotasClient(this.#options);
    return ask('servicequotas:ListServiceQuotas', async () => {
      for await (const { Quotas = [] } of paginateListServiceQuotas({ client }, { ServiceCode: service })) {
        const found = Quotas.find(({ QuotaName = '' }) => name.test(QuotaName));
        if (found !== undefined) return found.Value;
      }
      return undefined;
    });
  }
}
