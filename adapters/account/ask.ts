/** What an account says when it is asked: it answers, has no such thing, does not let us ask, or something else is wrong. */
export type Asked<T> =
  | { readonly kind: 'answer'; readonly answer: T }
  | { readonly kind: 'absent' }
  | { readonly kind: 'denied'; readonly action: string; readonly message: string }
  | { readonly kind: 'failed'; readonly name: string; readonly message: string };

const deniedNames = /^(AccessDenied|AccessDeniedException|AuthorizationError|UnauthorizedOperation|NotAuthorized.*)$/;
const absentNames = /^(ResourceNotFound|ResourceNotFoundException|NoSuchEntity|StackNotFound.*|QueueDoesNotExist)$/;

/** Asks once; what AWS throws is an answer too. @param action as a policy names it, such as `kinesis:DescribeLimits` */
export async function ask<T>(action: string, call: () => Promise<T>): Promise<Asked<T>> {
  try {
    return { kind: 'answer', answer: await call() };
  } catch (error) {
    const { name, message } = error as Error;
    if (deniedNames.test(name)) return { kind: 'denied', action, message };
    if (absentNames.test(name) || (name === 'ValidationError' && /does not exist/.test(message))) return { kind: 'absent' };
    return { kind: 'failed', name, message: firstOf(error as Error) };
  }
}

/** Of several addresses that were tried, Node says nothing in the error that holds them all. */
function firstOf(error: Error): string {
  const [first] = error instanceof AggregateError ? (error.errors as Error[]) : [];
  return (first?.message ?? error.message) || error.name;
}
