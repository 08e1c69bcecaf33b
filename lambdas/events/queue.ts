/** What Lambda hands over from a queue, as far as we read it. */
export type QueueEvent = { readonly Records: readonly { readonly messageId: string; readonly body: string }[] };

/** With `ReportBatchItemFailures`: these come again, the others are done. */
export type QueueResponse = { readonly batchItemFailures: { readonly itemIdentifier: string }[] };
