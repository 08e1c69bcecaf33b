import { DescribeLogGroupsCommand, CloudWatchLogsClient } from '@aws-sdk/client-cloudwatch-logs';
import { DescribeTableCommand } from '@aws-sdk/client-dynamodb';
import { DescribeEventBusCommand, DescribeRuleCommand, EventBridgeClient } from '@aws-sdk/client-eventbridge';
import { DescribeDeliveryStreamCommand, FirehoseClient } from '@aws-sdk/client-firehose';
import { DescribeStreamSummaryCommand } from '@aws-sdk/client-kinesis';
import { GetEventSourceMappingCommand, GetFunctionCommand } from '@aws-sdk/client-lambda';
import { HeadBucketCommand } from '@aws-sdk/client-s3';
import { DescribeSecretCommand, SecretsManagerClient } from '@aws-sdk/client-secrets-manager';
import { GetTopicAttributesCommand, SNSClient } from '@aws-sdk/client-sns';
import { GetQueueAttributesCommand, SQSClient } from '@aws-sdk/client-sqs';
import { AwsClient } from 'aws4fetch';
import { account } from '../aws/table.ts';
import type { Deployed, Resource } from './deployed.ts';

/** What a service says that knows no such thing. */
const notFound = new Set(['ResourceNotFoundException', 'NotFound', 'NotFoundException', 'NoSuchEntity', 'QueueDoesNotExist']);
/** They are parts of others, and go with these. */
const parts = new Set([
  'AWS::CDK::Metadata',
  'AWS::IAM::Policy',
  'AWS::Lambda::EventInvokeConfig',
  'AWS::Lambda::Permission',
  'AWS::Logs::LogStream',
  'AWS::S3::BucketPolicy',
  'AWS::SNS::TopicPolicy',
  'AWS::SQS::QueuePolicy',
]);

/** Which of the stack's resources are there now, and which are not. @throws for a type that nobody has said how to look for, and for any other error */
export async function remains(endpoint: string, deployed: Deployed): Promise<{ readonly there: string[]; readonly gone: string[] }> {
  const { kinesis, dynamodb, lambda, s3 } = deployed;
  const options = { ...account, endpoint };
  const [events, firehose, logs, secrets, sns, sqs] = [
    new EventBridgeClient(options),
    new FirehoseClient(options),
    new CloudWatchLogsClient(options),
    new SecretsManagerClient(options),
    new SNSClient(options),
    new SQSClient(options),
  ];
  const lookers: Record<string, (id: string) => Promise<unknown>> = {
    'AWS::DynamoDB::Table': (TableName) => dynamodb.send(new DescribeTableCommand({ TableName })),
    'AWS::Events::EventBus': (Name) => events.send(new DescribeEventBusCommand({ Name })),
    'AWS::Events::Rule': (id) => {
      const [EventBusName, Name] = id.includes('|') ? id.split('|') : [undefined, id];
      return events.send(new DescribeRuleCommand({ EventBusName, Name }));
    },
    'AWS::IAM::Role': (role) => askIam(endpoint, { Action: 'GetRole', RoleName: role }),
    'AWS::KMS::Key': async (KeyId) => {
      const { KeyMetadata } = await askKms(endpoint, 'DescribeKey', { KeyId });
      if (KeyMetadata.DeletionDate !== undefined) throw beingDeleted();
    },
    'AWS::Kinesis::Stream': (StreamName) => kinesis.send(new DescribeStreamSummaryCommand({ StreamName })),
    'AWS::KinesisFirehose::DeliveryStream': (DeliveryStreamName) =>
      firehose.send(new DescribeDeliveryStreamCommand({ DeliveryStreamName })),
    'AWS::Lambda::EventSourceMapping': (UUID) => lambda.send(new GetEventSourceMappingCommand({ UUID })),
    'AWS::Lambda::Function': (FunctionName) => lambda.send(new GetFunctionCommand({ FunctionName })),
    'AWS::Logs::LogGroup': async (name) => {
      const { logGroups = [] } = await logs.send(new DescribeLogGroupsCommand({ logGroupNamePrefix: name }));
      if (!logGroups.some(({ logGroupName }) => logGroupName === name)) throw named('ResourceNotFoundException', 'it is not listed');
    },
    'AWS::S3::Bucket': (Bucket) => s3.send(new HeadBucketCommand({ Bucket })),
    'AWS::SNS::Topic': (TopicArn) => sns.send(new GetTopicAttributesCommand({ TopicArn })),
    'AWS::SQS::Queue': (QueueUrl) => sqs.send(new GetQueueAttributesCommand({ QueueUrl })),
    'AWS::SecretsManager::Secret': async (SecretId) => {
      const { DeletedDate } = await secrets.send(new DescribeSecretCommand({ SecretId }));
      if (DeletedDate !== undefined) throw beingDeleted();
    },
  };
  const lookedFor = deployed.resources.filter(({ type }) => !parts.has(type));
  const found = await Promise.all(lookedFor.map(isThere));
  for (const client of [events, firehose, logs, secrets, sns, sqs]) client.destroy();
  const namesOf = (wanted: boolean) => lookedFor.flatMap((resource, i) => (found[i] === wanted ? [nameOf(resource)] : [])).sort();
  return { there: namesOf(true), gone: namesOf(false) };

  async function isThere(resource: Resource): Promise<boolean> {
    const look = lookers[resource.type];
    if (look === undefined) throw new Error(`nobody looks for ${nameOf(resource)}`);
    return look(resource.physicalId).then(
      () => true,
      (error: Error) => {
        if (notFound.has(error.name)) return false;
        throw new Error(`nobody knows whether ${nameOf(resource)} is there`, { cause: error });
      },
    );
  }
}

/** For two questions no client is worth its place. */
async function askIam(endpoint: string, parameters: Readonly<Record<string, string>>): Promise<void> {
  const headers = { 'content-type': 'application/x-www-form-urlencoded' };
  const body = new URLSearchParams({ ...parameters, Version: '2010-05-08' }).toString();
  const response = await signed('iam').fetch(endpoint, { method: 'POST', headers, body });
  const text = await response.text();
  if (!response.ok) throw named(/<Code>(\w+)<\/Code>/.exec(text)?.[1] ?? String(response.status), text);
}

async function askKms(endpoint: string, operation: string, input: object) {
  const headers = { 'content-type': 'application/x-amz-json-1.1', 'x-amz-target': `TrentService.${operation}` };
  const response = await signed('kms').fetch(endpoint, { method: 'POST', headers, body: JSON.stringify(input) });
  const answer = (await response.json()) as { readonly __type?: string; readonly KeyMetadata: { readonly DeletionDate?: number } };
  if (!response.ok) throw named(answer.__type ?? String(response.status), JSON.stringify(answer));
  return answer;
}

function signed(service: string): AwsClient {
  return new AwsClient({ ...account.credentials, region: account.region, service, retries: 0 });
}

/** A key and a secret stay for some days in which they can be had back. */
function beingDeleted(): Error {
  return named('NotFound', 'it is being deleted');
}

function named(name: string, message: string): Error {
  return Object.assign(new Error(message), { name });
}

function nameOf({ type, logicalId }: Resource): string {
  return `${type} ${logicalId}`;
}
