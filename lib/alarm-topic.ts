import { Stack } from 'aws-cdk-lib';
import { type Grant, type IGrantable, PolicyStatement, ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import type { IKey } from 'aws-cdk-lib/aws-kms';
import { type ITopicSubscription, Topic } from 'aws-cdk-lib/aws-sns';
import { Construct } from 'constructs';

export type AlarmTopicProps = {
  /** It must let CloudWatch and EventBridge use it; a key made by CDK in this app is told to. */
  readonly encryptionKey: IKey;
  /** Who is told. @default nobody, until somebody subscribes */
  readonly subscriptions?: readonly ITopicSubscription[] | undefined;
};

/** An encrypted SNS topic that the alarms of this account may publish to. */
export class AlarmTopic extends Construct {
  readonly topic: Topic;
  readonly encryptionKey: IKey;

  constructor(scope: Construct, id: string, { encryptionKey, subscriptions = [] }: AlarmTopicProps) {
    super(scope, id);
    this.encryptionKey = encryptionKey;
    const cloudWatch = new ServicePrincipal('cloudwatch.amazonaws.com', {
      conditions: { StringEquals: { 'aws:SourceAccount': Stack.of(this).account } },
    });
    this.topic = new Topic(this, 'Topic', { displayName: 'Tapeline alarms', masterKey: encryptionKey, enforceSSL: true });
    // A topic with a policy of its own no longer takes what its account sends by default.
    this.topic.addToResourcePolicy(
      new PolicyStatement({ principals: [cloudWatch], actions: ['sns:Publish'], resources: [this.topic.topicArn] }),
    );
    encryptionKey.grant(cloudWatch, 'kms:Decrypt', 'kms:GenerateDataKey');
    for (const subscription of subscriptions) this.topic.addSubscription(subscription);
  }

  /** For a subscriber that makes its own subscription. */
  grantSubscribe(grantee: IGrantable): Grant {
    return this.topic.grantSubscribe(grantee);
  }
}
