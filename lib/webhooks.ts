import { Duration, type RemovalPolicy, Stack } from 'aws-cdk-lib';
import type { Metric, MetricOptions } from 'aws-cdk-lib/aws-cloudwatch';
import { AttributeType, type ITable, ProjectionType } from 'aws-cdk-lib/aws-dynamodb';
import { type IEventBus, Rule, RuleTargetInput, Schedule } from 'aws-cdk-lib/aws-events';
import { LambdaFunction as FunctionTarget, SqsQueue } from 'aws-cdk-lib/aws-events-targets';
import { type IRole, Policy, PolicyStatement, ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import { type IKey, Key } from 'aws-cdk-lib/aws-kms';
import { type CfnFunction, RecursiveLoop } from 'aws-cdk-lib/aws-lambda';
import { SqsEventSource } from 'aws-cdk-lib/aws-lambda-event-sources';
import { type ISecret, Secret } from 'aws-cdk-lib/aws-secretsmanager';
import { Queue } from 'aws-cdk-lib/aws-sqs';
import { Construct } from 'constructs';
import { deliveryTable } from '../core/delivery-table.ts';
import type { DeliverMetric } from '../core/metrics.ts';
import { acknowledge } from './acknowledge.ts';
import { DataKey, grantTableKey } from './data-key.ts';
import { makeDataQueue } from './data-queue.ts';
import { makeDataTable } from './data-table.ts';
import { kept } from './kept.ts';
import { defaultConfigPath, LambdaFunction } from './lambda-function.ts';
import { metricOf } from './metric.ts';
import { SignalBus } from './signal-bus.ts';
import { signalEventSource } from './signal-event.ts';

export type WebhooksProps = {
  /** With the signals; what becomes of endpoints is put there too. */
  readonly bus: IEventBus;
  /** The file of the config with `deliver`. @default `tapeline.config.ts` in the folder that the app is started in */
  readonly configPath?: string | undefined;
  /** Queues among those endpoints, which the function may send to. @default none */
  readonly queueArns?: readonly string[] | undefined;
  /** Invocations at once that take signals on, 2 to 1,000; beside them there is one for each endpoint that is delivered to. @default 10 */
  readonly concurrencyMax?: number | undefined;
  /** @default a customer key of its own */
  readonly encryptionKey?: IKey | undefined;
  /** @default what waits, what was given up and the secrets stay when the stack goes */
  readonly removalPolicy?: RemovalPolicy | undefined;
};

/** Of taking on, which is short, and of a round: one that dies holds its endpoint for no longer. Longer than all attempts of a call to the table. */
const timeout = Duration.minutes(1);

/**
 * Delivers the signals of the bus to the endpoints of the config:
 *
 *     bus ─rule─▶ queue ─▶ function ─┬▶ table: what waits, what has arrived, what was given up
 *           each minute ─▶ function ─┴▶ function, for one endpoint ─▶ HTTPS, SQS
 *                                         ▲
 *                                       secret: all that endpoints need to know
 */
export class Webhooks extends Construct {
  readonly handler: LambdaFunction;
  readonly table: ITable;
  /** `tapeline webhook secret NAME --secret-id …` writes it. */
  readonly secret: ISecret;
  /** Signals that could not be taken on: for a signal that is not delivered there is a dead letter in the table. */
  readonly undelivered: Queue;
  readonly encryptionKey: IKey;

  constructor(scope: Construct, id: string, props: WebhooksProps) {
    super(scope, id);
    const { bus, configPath = defaultConfigPath, concurrencyMax = 10, removalPolicy = kept } = props;
    this.encryptionKey = props.encryptionKey ?? new DataKey(this, 'Key', { removalPolicy });
    this.table = this.#makeTable(removalPolicy);
    this.secret = this.#makeSecret(removalPolicy);
    const { encryptionKey } = this;
    this.undelivered = makeDataQueue(this, 'Undelivered', { encryptionKey, retentionPeriod: Duration.days(14), removalPolicy });
    acknowledge.finding(this.undelivered, 'SQS3', 'it is the dead-letter queue of the other, and of the rule');
    const queue = makeDataQueue(this, 'Queue', {
      encryptionKey,
      // Six times the function's, so that a message does not come again while it is worked on.
      visibilityTimeout: Duration.minutes(6 * timeout.toMinutes()),
      retentionPeriod: Duration.days(4),
      deadLetterQueue: { queue: this.undelivered, maxReceiveCount: 5 },
    });
    this.handler = new LambdaFunction(this, 'Handler', {
      entry: 'deliver',
      description: 'Delivers signals to webhooks and chats',
      memorySizeMb: 512,
      isTraced: true,
      timeout,
      configPath,
      removalPolicy,
      environment: {
        DELIVERY_TABLE: this.table.tableName,
        SECRET_ID: this.secret.secretArn,
        BUS_NAME: bus.eventBusName,
        BUS_SOURCE: signalEventSource,
        SIGNAL_SOURCE: `/tapeline/${Stack.of(this).stackName}`,
        LAMBDA_DOMAIN: `lambda.${Stack.of(this).region}.${Stack.of(this).urlSuffix}`,
      },
    });
    this.#letCallItself();
    this.#grantHandler(props.queueArns ?? []);
    bus.grantPutEventsTo(this.handler);
    this.#route(bus, queue);
    this.handler.addEventSource(
      new SqsEventSource(queue, { batchSize: 10, reportBatchItemFailures: true, maxConcurrency: concurrencyMax }),
    );
    new Rule(this, 'Sweep', {
      description: 'Looks for deliveries that are due',
      schedule: Schedule.rate(Duration.minutes(1)),
      // A sweep that was missed is made good by the next.
      targets: [new FunctionTarget(this.handler, { event: RuleTargetInput.fromObject({ sweep: true }), retryAttempts: 0 })],
    });
  }

  metric(name: DeliverMetric, options?: MetricOptions): Metric {
    return metricOf(this, 'deliver', name, options);
  }

  metricErrors(options?: MetricOptions): Metric {
    return this.handler.metricErrors(options);
  }

  metricThrottles(options?: MetricOptions): Metric {
    return this.handler.metricThrottles(options);
  }

  metricDurationMs(options?: MetricOptions): Metric {
    return this.handler.metricDuration(options);
  }

  /** Above zero when signals could not be taken on. */
  metricUndelivered(options?: MetricOptions): Metric {
    return this.undelivered.metricApproximateNumberOfMessagesVisible({ statistic: 'Maximum', ...options });
  }

  #makeTable(removalPolicy: RemovalPolicy): ITable {
    const table = makeDataTable(this, 'Table', { encryptionKey: this.encryptionKey, removalPolicy });
    table.addLocalSecondaryIndex({
      indexName: deliveryTable.dueIndex,
      sortKey: { name: deliveryTable.dueKey, type: AttributeType.NUMBER },
      projectionType: ProjectionType.ALL,
    });
    // The class says less exactly than its interface which properties may be undefined.
    return table as ITable;
  }

  /** Empty: no secret is ever in a template. */
  #makeSecret(removalPolicy: RemovalPolicy): ISecret {
    const secret = new Secret(this, 'Secrets', {
      description: 'Signing secrets, channel addresses and tokens of the endpoints',
      secretObjectValue: {},
      // By its ARN: else the key's policy would get wildcards for the account, which has all rights on its key already.
      encryptionKey: Key.fromKeyArn(this, 'SecretsKey', this.encryptionKey.keyArn),
      removalPolicy,
    });
    acknowledge.finding(secret, 'SMG4', 'receivers must learn a new secret first: tapeline webhook rotate does it, both signing meanwhile');
    // As with the table.
    return secret as ISecret;
  }

  #grantHandler(queueArns: readonly string[]): void {
    const { handler, table } = this;
    handler.addToRolePolicy(
      new PolicyStatement({
        actions: ['dynamodb:DeleteItem', 'dynamodb:GetItem', 'dynamodb:PutItem', 'dynamodb:Query', 'dynamodb:UpdateItem'],
        resources: [table.tableArn],
      }),
    );
    handler.addToRolePolicy(
      new PolicyStatement({ actions: ['dynamodb:Query'], resources: [`${table.tableArn}/index/${deliveryTable.dueIndex}`] }),
    );
    handler.addToRolePolicy(new PolicyStatement({ actions: ['secretsmanager:GetSecretValue'], resources: [this.secret.secretArn] }));
    if (queueArns.length > 0) {
      handler.addToRolePolicy(new PolicyStatement({ actions: ['sqs:SendMessage'], resources: [...queueArns] }));
    }
    grantTableKey(this.encryptionKey, handler);
  }

  #letCallItself(): void {
    const { handler } = this;
    // In the policy of its role the function would wait for what names it.
    new Policy(this, 'CallItself', {
      statements: [new PolicyStatement({ actions: ['lambda:InvokeFunction'], resources: [handler.functionArn] })],
      roles: [handler.role as IRole],
    });
    // The next sweep makes good for an event that failed or waited for too long.
    handler.configureAsyncInvoke({ retryAttempts: 0, maxEventAge: Duration.minutes(1) });
    // A round whose time is over calls the next: Lambda would take that for a loop, and end it after 16. It goes on only while something is due.
    (handler.node.defaultChild as CfnFunction).recursiveLoop = RecursiveLoop.ALLOW;
  }

  /** What EventBridge needs is granted action by action: CDK's grant has wildcards. */
  #route(bus: IEventBus, queue: Queue): void {
    const eventBridge = new ServicePrincipal('events.amazonaws.com');
    const rule = new Rule(this, 'Rule', { eventBus: bus, description: 'Every signal to be delivered', eventPattern: SignalBus.pattern });
    queue.addToResourcePolicy(
      new PolicyStatement({
        principals: [eventBridge],
        actions: ['sqs:SendMessage'],
        resources: [queue.queueArn],
        conditions: { ArnEquals: { 'aws:SourceArn': rule.ruleArn } },
      }),
    );
    this.encryptionKey.grant(eventBridge, 'kms:Decrypt', 'kms:GenerateDataKey');
    rule.addTarget(
      // By its ARN, so that nothing is granted once more.
      new SqsQueue(Queue.fromQueueArn(this, 'ByArn', queue.queueArn), {
        message: RuleTargetInput.fromEventPath('$.detail'),
        deadLetterQueue: this.undelivered,
        maxEventAge: Duration.hours(24),
        retryAttempts: 185,
      }),
    );
  }
}
