import { CloudFormationClient, DescribeStacksCommand, paginateListStackResources } from '@aws-sdk/client-cloudformation';
import { CloudWatchLogsClient, paginateFilterLogEvents } from '@aws-sdk/client-cloudwatch-logs';
import { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import {
  GetFunctionConfigurationCommand,
  InvokeCommand,
  LambdaClient,
  ListEventSourceMappingsCommand,
  UpdateEventSourceMappingCommand,
  UpdateFunctionConfigurationCommand,
} from '@aws-sdk/client-lambda';
import { DeleteObjectsCommand, GetObjectCommand, ListObjectVersionsCommand, paginateListObjectsV2, S3Client } from '@aws-sdk/client-s3';
import { makeKinesisClient } from '../../adapters/tape/kinesis-client.ts';
import type { ConsumeEvent, ConsumeResponse } from '../../lambdas/consume-kinesis.ts';
import { account } from '../aws/table.ts';
import { until } from '../until.ts';

export type Resource = { readonly type: string; readonly logicalId: string; readonly physicalId: string };
export type Entry = 'consume' | 'publish' | 'deliver';

const owners: Readonly<Record<Entry, string>> = { consume: 'SignalConsumer', publish: 'SignalBus', deliver: 'Webhooks' };

/** The stack as it lies in LocalStack, and what a test does to it from outside. */
export class Deployed {
  readonly kinesis;
  readonly dynamodb;
  readonly lambda;
  readonly s3;
  readonly #logs;
  readonly outputs: Readonly<Record<string, string>>;
  readonly resources: readonly Resource[];

  private constructor(endpoint: string, outputs: Readonly<Record<string, string>>, resources: readonly Resource[]) {
    const options = { ...account, endpoint };
    this.kinesis = makeKinesisClient(options);
    this.dynamodb = new DynamoDBClient(options);
    this.lambda = new LambdaClient(options);
    this.s3 = new S3Client({ ...options, forcePathStyle: true });
    this.#logs = new CloudWatchLogsClient(options);
    this.outputs = outputs;
    this.resources = resources;
  }

  static async find(endpoint: string, StackName: string): Promise<Deployed> {
    const client = new CloudFormationClient({ ...account, endpoint });
    const { Stacks = [] } = await client.send(new DescribeStacksCommand({ StackName }));
    const outputs = Object.fromEntries((Stacks[0]?.Outputs ?? []).map(({ OutputKey = '', OutputValue = '' }) => [OutputKey, OutputValue]));
    const resources: Resource[] = [];
    for await (const { StackResourceSummaries = [] } of paginateListStackResources({ client }, { StackName })) {
      for (const {
        ResourceType: type = '',
        LogicalResourceId: logicalId = '',
        PhysicalResourceId: physicalId = '',
      } of StackResourceSummaries)
        resources.push({ type, logicalId, physicalId });
    }
    client.destroy();
    return new Deployed(endpoint, outputs, resources);
  }

  output(name: string): string {
    const value = this.outputs[name];
    if (value === undefined) throw new Error(`the stack has no output "${name}"`);
    return value;
  }

  functionName(entry: Entry): string {
    return this.#named('AWS::Lambda::Function', `${owners[entry]}Handler`);
  }

  bucketName(logicalId: string): string {
    return this.#named('AWS::S3::Bucket', logicalId);
  }

  #named(wanted: string, prefix: string): string {
    const found = this.resources.find(({ type, logicalId }) => type === wanted && logicalId.startsWith(prefix));
    if (found === undefined) throw new Error(`the stack has no ${wanted} of ${prefix}`);
    return found.physicalId;
  }

  /** As Lambda hands a batch to the consumer. @throws Error when the function failed */
  async consume(event: ConsumeEvent): Promise<ConsumeResponse> {
    const { Payload, FunctionError } = await this.lambda.send(
      new InvokeCommand({ FunctionName: this.functionName('consume'), Payload: Buffer.from(JSON.stringify(event)) }),
    );
    const answer = Buffer.from(Payload ?? []).toString();
    if (FunctionError !== undefined) throw new Error(`the consumer failed (${FunctionError}): ${answer}`);
    return JSON.parse(answer) as ConsumeResponse;
  }

  /** Switches on or off that LocalStack reads the tape. Switched on, it begins again with the first record. */
  async setMapping(Enabled: boolean): Promise<void> {
    const FunctionName = this.functionName('consume');
    const { EventSourceMappings = [] } = await this.lambda.send(new ListEventSourceMappingsCommand({ FunctionName }));
    const { UUID } = EventSourceMappings[0] ?? {};
    await this.lambda.send(new UpdateEventSourceMappingCommand({ UUID, Enabled }));
    await until(`the mapping is ${Enabled ? 'enabled' : 'disabled'}`, async () => {
      const { EventSourceMappings: [mapping] = [] } = await this.lambda.send(new ListEventSourceMappingsCommand({ FunctionName }));
      return mapping?.State === (Enabled ? 'Enabled' : 'Disabled');
    });
  }

  /** Adds to a function's environment; it starts anew with that. Returns what sets it back. */
  async addEnvironment(entry: Entry, added: Readonly<Record<string, string>>): Promise<() => Promise<void>> {
    const FunctionName = this.functionName(entry);
    const { Environment } = await this.lambda.send(new GetFunctionConfigurationCommand({ FunctionName }));
    const before = Environment?.Variables ?? {};
    const set = async (Variables: Record<string, string>) => {
      await this.lambda.send(new UpdateFunctionConfigurationCommand({ FunctionName, Environment: { Variables } }));
      await until(`${entry} is updated`, async () => {
        const { LastUpdateStatus } = await this.lambda.send(new GetFunctionConfigurationCommand({ FunctionName }));
        return LastUpdateStatus === 'Successful';
      });
    };
    await set({ ...before, ...added });
    return () => set(before);
  }

  async codeDigest(entry: Entry): Promise<string | undefined> {
    const { CodeSha256 } = await this.lambda.send(new GetFunctionConfigurationCommand({ FunctionName: this.functionName(entry) }));
    return CodeSha256;
  }

  /** LocalStack writes to the group of Lambda's default, whatever the function's own is. */
  async logLines(entry: Entry, sinceMs: number): Promise<string[]> {
    const logGroupName = `/aws/lambda/${this.functionName(entry)}`;
    const lines: string[] = [];
    for await (const { events = [] } of paginateFilterLogEvents({ client: this.#logs }, { logGroupName, startTime: Math.floor(sinceMs) })) {
      for (const { message = '' } of events) lines.push(message);
    }
    return lines;
  }

  /** The objects below a prefix of a bucket, by key. What was read before is not read again. */
  async objects(Bucket: string, Prefix: string, known: Map<string, string> = new Map()): Promise<Map<string, string>> {
    for await (const { Contents = [] } of paginateListObjectsV2({ client: this.s3 }, { Bucket, Prefix })) {
      for (const { Key = '' } of Contents) {
        if (known.has(Key)) continue;
        const { Body } = await this.s3.send(new GetObjectCommand({ Bucket, Key }));
        known.set(Key, (await Body?.transformToString()) ?? '');
      }
    }
    return known;
  }

  async emptyBucket(Bucket: string): Promise<void> {
    for (;;) {
      const { Versions = [], DeleteMarkers = [] } = await this.s3.send(new ListObjectVersionsCommand({ Bucket }));
      const Objects = [...Versions, ...DeleteMarkers].map(({ Key, VersionId }) => ({ Key, VersionId }));
      if (Objects.length === 0) return;
      await this.s3.send(new DeleteObjectsCommand({ Bucket, Delete: { Objects } }));
    }
  }

  close(): void {
    for (const client of [this.kinesis, this.dynamodb, this.lambda, this.s3, this.#logs]) client.destroy();
  }
}
