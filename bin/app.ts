import { App, Validations } from 'aws-cdk-lib';
import { EmailSubscription } from 'aws-cdk-lib/aws-sns-subscriptions';
import { AwsSolutionsChecks } from 'cdk-nag';
import { historyKinds } from '../core/config.ts';
import { PipelineStack } from '../lib/pipeline-stack.ts';
import config from '../tapeline.config.ts';

/**
 * The CDK app. What is deployed is in `tapeline.config.ts`; context, by `-c NAME=VALUE` or in `cdk.json`, stands over it:
 *
 *     name      the stack's name (default Tapeline)
 *     shards    a number, or on-demand (default: the config's)
 *     history   parquet, timestream or none (default: the config's)
 *     alarms    an e-mail address that is told of alarms (default: nobody)
 *     signals   one more e-mail address that gets every signal (default: nobody)
 *     emulator  true leaves out what LocalStack 4.14 does not have (default false)
 */
const app = new App();
new PipelineStack(app, text('name') ?? 'Tapeline', {
  description: 'A live tape of market trades in, buy and sell signals out',
  config,
  shardCount: shardCount(),
  history: oneOf('history', historyKinds),
  subscriptions: byEmail('signals'),
  alarms: { subscriptions: byEmail('alarms') },
  emulator: oneOf('emulator', ['true', 'false']) === 'true',
});
Validations.of(app).addPlugins(new AwsSolutionsChecks(app));

function shardCount(): number | 'on-demand' | undefined {
  const shards = text('shards');
  if (shards === undefined || shards === 'on-demand') return shards;
  if (/^[1-9]\d{0,3}$/.test(shards)) return Number(shards);
  throw new Error(`context "shards" must be a whole number from 1 to 9999 or on-demand, received "${shards}"`);
}

function byEmail(name: string): EmailSubscription[] {
  const address = text(name);
  if (address === undefined) return [];
  if (/^[^@\s]+@[^@\s]+$/.test(address)) return [new EmailSubscription(address)];
  throw new Error(`context "${name}" must be an e-mail address, received "${address}"`);
}

function oneOf<T extends string>(name: string, allowed: readonly T[]): T | undefined {
  const value = text(name);
  if (value === undefined || allowed.includes(value as T)) return value as T | undefined;
  throw new Error(`context "${name}" must be one of ${allowed.join(', ')}, received "${value}"`);
}

function text(name: string): string | undefined {
  const value: unknown = app.node.tryGetContext(name);
  return value === undefined ? undefined : String(value);
}
