import type { TableStreamEvent } from '../events/table-stream.ts';
import type { PublishFact } from '../publish.ts';

/** What the log line of a batch says; of what went wrong, the first few. */
export type PublishLine = {
  readonly published: number;
  readonly unpublished: number;
  readonly refused: number;
  readonly badItems: number;
  readonly problems: readonly PublishFact[];
};

const problemsMax = 5;

export function publishLineOf(facts: readonly PublishFact[]): PublishLine {
  const published = facts.reduce((sum, fact) => (fact.kind === 'published' ? sum + fact.events : sum), 0);
  const problems = facts.filter(({ kind }) => kind !== 'published');
  const countOf = (wanted: PublishFact['kind']) => problems.filter(({ kind }) => kind === wanted).length;
  return {
    published,
    unpublished: countOf('unpublished'),
    refused: countOf('refused'),
    badItems: countOf('bad-item'),
    problems: problems.slice(0, problemsMax),
  };
}

/** From the oldest commit of the batch, which DynamoDB dates to the second, until `nowMs`. */
export function publishDelayMsOf({ Records }: TableStreamEvent, nowMs: number): number | undefined {
  const committedMs = Records.flatMap(({ dynamodb }) => {
    const { ApproximateCreationDateTime: seconds } = dynamodb ?? {};
    return seconds === undefined ? [] : [seconds * 1000];
  });
  return committedMs.length === 0 ? undefined : Math.max(0, nowMs - Math.min(...committedMs));
}
