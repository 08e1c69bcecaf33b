/** The constructs, each for itself, in an app of one's own: `import { SignalConsumer } from 'tapeline/cdk'`. */
export type { AlarmPlan, AlarmThresholds } from './alarms.ts';
export { AlarmTopic, type AlarmTopicProps } from './alarm-topic.ts';
export { History, type HistoryProps } from './history.ts';
export { TimestreamHistory, type TimestreamHistoryProps } from './history-timestream.ts';
export { Observability, type ObservabilityProps } from './observability.ts';
export { PipelineStack, type PipelineStackProps } from './pipeline-stack.ts';
export { SessionClock, type SessionClockProps } from './session-clock.ts';
export { SignalBus, type SignalBusProps } from './signal-bus.ts';
export { SignalConsumer, type SignalConsumerProps } from './signal-consumer.ts';
export type { SignalFilter } from '../core/subscribers.ts';
export { SignalTopic, type SignalTopicProps } from './signal-topic.ts';
export { type ReadTape, Tape, type TapeProps } from './tape.ts';
export { Webhooks, type WebhooksProps } from './webhooks.ts';
