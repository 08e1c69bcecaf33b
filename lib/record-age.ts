import { Duration } from 'aws-cdk-lib';

/** The longest that Lambda takes. */
const recordAgeMax = Duration.days(7);

/** How old a record may get before its batch is given up: an hour is left for Lambda to read it once more, for the failure destination. */
export function recordAgeOf(retention: Duration): Duration {
  const age = retention.minus(Duration.hours(1));
  return age.toSeconds() < recordAgeMax.toSeconds() ? age : recordAgeMax;
}
