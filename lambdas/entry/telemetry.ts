import { Logger } from '@aws-lambda-powertools/logger';
import { Metrics } from '@aws-lambda-powertools/metrics';

/** Named by `POWERTOOLS_SERVICE_NAME`; metrics go to standard output, from where CloudWatch takes them. */
export const logger = new Logger();
export const metrics = new Metrics();
/** Where there are traces: its packages are a seventh of what a function loads. */
const tracer =
  process.env['POWERTOOLS_TRACE_ENABLED'] === 'false' ? undefined : new (await import('@aws-lambda-powertools/tracer')).Tracer();

/**
 * Runs the handler in a segment of its own, and sends its metrics also when it fails. What it throws is not logged here: the Lambda runtime
 * does, once, with the stack.
 */
export function observed<Args extends unknown[], Answer>(
  name: string,
  handle: (...args: Args) => Promise<Answer>,
): (...args: Args) => Promise<Answer> {
  return async (...args) => {
    const parent = tracer?.getSegment();
    const segment = parent?.addNewSubsegment(`## ${name}`);
    if (segment) tracer?.setSegment(segment);
    tracer?.annotateColdStart();
    metrics.captureColdStartMetric();
    try {
      return await handle(...args);
    } catch (error) {
      tracer?.addErrorAsMetadata(error as Error);
      throw error;
    } finally {
      // It would warn, in a line of its own, of a batch that failed before it had anything to count.
      if (metrics.hasStoredMetrics()) metrics.publishStoredMetrics();
      segment?.close();
      if (parent) tracer?.setSegment(parent);
    }
  };
}
