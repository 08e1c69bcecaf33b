import { SnsTopic, type SnsTopicProps } from 'aws-cdk-lib/aws-events-targets';
import { PolicyStatement, ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import type { IKey } from 'aws-cdk-lib/aws-kms';
import { Topic } from 'aws-cdk-lib/aws-sns';

/**
 * A topic as the target of a rule, with what EventBridge needs action by action: CDK's grant has a wildcard. Neither statement can be bound
 * to the rule: AWS takes no conditions there, and nothing would arrive.
 * @see docs/decisions/0067-eventbridge-to-a-topic-has-no-condition.md
 */
export function topicTarget(topic: Topic, encryptionKey: IKey, props: SnsTopicProps): SnsTopic {
  const eventBridge = new ServicePrincipal('events.amazonaws.com');
  topic.addToResourcePolicy(new PolicyStatement({ principals: [eventBridge], actions: ['sns:Publish'], resources: [topic.topicArn] }));
  encryptionKey.grant(eventBridge, 'kms:Decrypt', 'kms:GenerateDataKey');
  // By its ARN, so that nothing is granted once more.
  return new SnsTopic(Topic.fromTopicArn(topic, 'ByArn', topic.topicArn), props);
}
