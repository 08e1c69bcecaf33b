export type LocalStack = {
  /** How it came to be: somebody else runs it, in Docker, or as processes of this machine. */
  readonly kind: 'given' | 'docker' | 'host';
  readonly endpoint: string;
  /** Takes it down, if we brought it up. Again changes nothing. */
  readonly stop: () => Promise<void>;
};

/** Is told in a line what is being done. */
export type Say = (line: string) => void;

/** @throws Error when it does not answer in time, or `check` does */
export async function untilHealthy(
  endpoint: string,
  { waitMaxMs, check = () => {} }: { readonly waitMaxMs: number; readonly check?: () => void },
): Promise<void> {
  const endMs = performance.now() + waitMaxMs;
  for (;;) {
    const isHealthy = await fetch(`${endpoint}/_localstack/health`, { signal: AbortSignal.timeout(2_000) }).then(
      (response) => response.ok,
      () => false,
    );
    if (isHealthy) return;
    check();
    if (performance.now() > endMs) throw new Error(`no LocalStack answers at "${endpoint}" after ${waitMaxMs / 1000} s`);
    await new Promise((resolve) => setTimeout(resolve, 250));
  }
}
