import { type CalendarName, calendarOf } from '../../core/calendar.ts';
import { sessionMetrics } from '../../core/metrics.ts';
import { readEnvironment } from './environment.ts';
import { metrics, observed } from './telemetry.ts';

const calendar = calendarOf(readEnvironment(['CALENDAR']).CALENDAR as CalendarName);

/** Lambda's handler of a schedule: says whether the market is open now. */
export const handler = observed('session', async () => {
  metrics.addMetric('sessionOpen', sessionMetrics.sessionOpen, calendar.isOpen(Date.now()) ? 1 : 0);
});
