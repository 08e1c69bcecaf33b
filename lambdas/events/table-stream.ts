/** What Lambda hands over from the stream of a DynamoDB table, as far as we read it. Records of one partition key come in order. */
export type TableStreamEvent = {
  readonly Records: readonly {
    readonly eventName?: 'INSERT' | 'MODIFY' | 'REMOVE';
    readonly dynamodb?: {
      readonly SequenceNumber?: string;
      /** When it was committed, in Unix seconds. */
      readonly ApproximateCreationDateTime?: number;
      readonly Keys?: StreamImage;
      /** Absent when the item is gone, and when the stream is not set up to carry it. */
      readonly NewImage?: StreamImage;
    };
  }[];
};

type StreamImage = Readonly<Record<string, { readonly S?: string; readonly N?: string }>>;

/** With `ReportBatchItemFailures`: the stream goes on from the first of these, with all that follows it. */
export type StreamResponse = { readonly batchItemFailures: { readonly itemIdentifier: string }[] };
