import { type ITopicSubscription, SubscriptionProtocol, type TopicSubscriptionConfig } from 'aws-cdk-lib/aws-sns';
import type { Subscriber } from '../core/subscribers.ts';
import { SignalTopic } from './signal-topic.ts';

/** The subscription of somebody whom the config's `subscribe` names. */
export function subscriptionOf(subscriber: Subscriber): ITopicSubscription {
  const isFiltered = Object.keys(subscriber).length > 1;
  const address = addressOf(subscriber);
  return {
    bind: () => ({
      subscriberId: address.endpoint,
      ...address,
      ...(isFiltered && { filterPolicyWithMessageBody: SignalTopic.filterOf(subscriber) }),
    }),
  };
}

function addressOf(subscriber: Subscriber): Pick<TopicSubscriptionConfig, 'protocol' | 'endpoint' | 'rawMessageDelivery'> {
  if ('email' in subscriber) return { protocol: SubscriptionProtocol.EMAIL, endpoint: subscriber.email };
  // Not raw: it comes in the envelope that SNS signs, by which the receiver knows who sent it.
  if ('url' in subscriber) return { protocol: SubscriptionProtocol.HTTPS, endpoint: subscriber.url };
  return { protocol: SubscriptionProtocol.SQS, endpoint: subscriber.queueArn, rawMessageDelivery: true };
}
