import { environmentOf, startLocalStack } from './localstack.ts';

/** `npm run localstack`: brings LocalStack up for trials by hand and holds it until Ctrl-C. */
const say = (line: string) => process.stderr.write(`${line}\n`);
const localstack = await startLocalStack(say);
for (const [name, value] of Object.entries(environmentOf(localstack))) process.stdout.write(`export ${name}=${value}\n`);
say('give these lines to another shell; Ctrl-C here ends LocalStack');
const alive = setInterval(() => {}, 60_000);
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.once(signal, async () => {
    clearInterval(alive);
    await localstack.stop();
    process.exit(signal === 'SIGINT' ? 130 : 0);
  });
}
