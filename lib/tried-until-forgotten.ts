import { Duration } from 'aws-cdk-lib';
import { StartingPosition } from 'aws-cdk-lib/aws-lambda';
import type { StreamEventSourceProps } from 'aws-cdk-lib/aws-lambda-event-sources';
import type { IBucket } from 'aws-cdk-lib/aws-s3';
import { FailureDestination } from './failure-destination.ts';

/** The longest that Lambda takes. */
const recordAgeMax = Duration.days(7);

/**
 * A batch is not cut in two to find the culprit: bad input succeeds, in quarantine, and what fails is the world. So a batch is tried until the
 * stream is about to forget it, and only then kept aside whole. An hour is left for Lambda to read it once more, for that.
 */
export function triedUntilForgotten(
  retention: Duration,
  failureBucket: IBucket,
): Pick<StreamEventSourceProps, 'startingPosition' | 'bisectBatchOnError' | 'maxRecordAge' | 'onFailure'> {
  const age = retention.minus(Duration.hours(1));
  return {
    startingPosition: StartingPosition.TRIM_HORIZON,
    bisectBatchOnError: false,
    maxRecordAge: age.toSeconds() < recordAgeMax.toSeconds() ? age : recordAgeMax,
    onFailure: new FailureDestination(failureBucket),
  };
}
