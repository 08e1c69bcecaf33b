import { DescribeTableCommand } from '@aws-sdk/client-dynamodb';
import { DescribeEventBusCommand, EventBridgeClient } from '@aws-sdk/client-eventbridge';
import { DescribeDeliveryStreamCommand, FirehoseClient } from '@aws-sdk/client-firehose';
import { DescribeStreamSummaryCommand } from '@aws-sdk/client-kinesis';
import { GetFunctionCommand } from '@aws-sdk/client-lambda';
import { HeadBucketCommand } from '@aws-sdk/client-s3';
import { DescribeSecretCommand, SecretsManagerClient } from '@aws-sdk/client-secrets-manager';
import { GetTopicAttributesCommand, SNSClient } from '@aws-sdk/client-sns';
import { GetQueueAttributesCommand, SQSClient } from '@aws-sdk/client-sqs';
import { account } from '../aws/table.ts';
import type { Deployed, Resource } from './deployed.ts';

/** Those of the stack's resources that are still there, of the types that hold data, run code or carry messages. */
export async function remaining(endpoint: string, { kinesis, dynamodb, lambda, s3, resources }: Deployed): Promise<string[]> {
  const options = { ...account, endpoint };
  const [events, firehose, secrets, sns, sqs] = [
    new EventBridgeClient(options),
    new FirehoseClient(options),
    new SecretsManagerClient(options),
    new SNSClient(options),
    new SQSClient(options),
  ];
  const lookers: Record<string, (id: string) => Promise<unknown>> = {
    'AWS::DynamoDB::Table': (TableName) => dynamodb.send(new DescribeTableCommand({ TableName })),
    'AWS::Events::EventBus': (Name) => events.send(new DescribeEventBusCommand({ Name })),
    'AWS::Kinesis::Stream': (StreamName) => kinesis.send(new DescribeStreamSummaryCommand({ StreamName })),
    'AWS::KinesisFirehose::DeliveryStream': (DeliveryStreamName) =>
      firehose.send(new DescribeDeliveryStreamCommand({ DeliveryStreamName })),
    'AWS::Lambda::Function': (FunctionName) => lambda.send(new GetFunctionCommand({ FunctionName })),
    'AWS::S3::Bucket': (Bucket) => s3.send(new HeadBucketCommand({ Bucket })),
    'AWS::SNS::Topic': (TopicArn) => sns.send(new GetTopicAttributesCommand({ TopicArn })),
    'AWS::SQS::Queue': (QueueUrl) => sqs.send(new GetQueueAttributesCommand({ QueueUrl })),
    'AWS::SecretsManager::Secret': async (SecretId) => {
      const { DeletedDate } = await secrets.send(new DescribeSecretCommand({ SecretId }));
      if (DeletedDate !== undefined) throw new Error('it is being deleted');
    },
  };
  const lookedAt = resources.filter(({ type }) => lookers[type] !== undefined);
  const found = await Promise.all(lookedAt.map(async (resource) => ((await isThere(resource)) ? [nameOf(resource)] : [])));
  for (const client of [events, firehose, secrets, sns, sqs]) client.destroy();
  return found.flat().sort();

  async function isThere({ type, physicalId }: Resource): Promise<boolean> {
    return (lookers[type] as (id: string) => Promise<unknown>)(physicalId).then(
      () => true,
      () => false,
    );
  }
}

function nameOf({ type, logicalId }: Resource): string {
  return `${type} ${logicalId}`;
}
