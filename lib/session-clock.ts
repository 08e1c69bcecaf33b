import { Duration, type RemovalPolicy } from 'aws-cdk-lib';
import { type Metric, type MetricOptions, Stats } from 'aws-cdk-lib/aws-cloudwatch';
import { Rule, Schedule } from 'aws-cdk-lib/aws-events';
import { LambdaFunction as FunctionTarget } from 'aws-cdk-lib/aws-events-targets';
import { Construct } from 'constructs';
import type { CalendarName } from '../core/calendar.ts';
import { LambdaFunction } from './lambda-function.ts';
import { metricOf } from './metric.ts';

export type SessionClockProps = {
  readonly calendar: CalendarName;
  /** Of its logs. @default they stay when the stack goes */
  readonly removalPolicy?: RemovalPolicy | undefined;
};

/** Says every five minutes whether the market is open, so that an alarm can tell a quiet feed from a holiday. */
export class SessionClock extends Construct {
  readonly handler: LambdaFunction;

  constructor(scope: Construct, id: string, { calendar, removalPolicy }: SessionClockProps) {
    super(scope, id);
    this.handler = new LambdaFunction(this, 'Handler', {
      entry: 'session',
      description: 'Says whether the market is open',
      memorySizeMb: 256,
      timeout: Duration.seconds(30),
      removalPolicy,
      environment: { CALENDAR: calendar },
    });
    new Rule(this, 'Schedule', {
      description: 'Asks the calendar',
      schedule: Schedule.rate(Duration.minutes(5)),
      targets: [new FunctionTarget(this.handler, { retryAttempts: 2, maxEventAge: Duration.minutes(5) })],
    });
  }

  /** 1 for a period in which it was open all the time. */
  metricOpen(options?: MetricOptions): Metric {
    return metricOf(this, 'session', 'sessionOpen', { statistic: Stats.MINIMUM, ...options });
  }

  metricErrors(options?: MetricOptions): Metric {
    return this.handler.metricErrors(options);
  }

  metricThrottles(options?: MetricOptions): Metric {
    return this.handler.metricThrottles(options);
  }
}
