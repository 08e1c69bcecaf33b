import { Account } from '../../adapters/account/account.ts';
import { Deployed } from '../../adapters/account/deployed.ts';
import { inStack } from './after.ts';
import { inAccount, onThisMachine, type Wanted } from './before.ts';
import { type Finding, fail, judged, ok, type Said } from './finding.ts';

export type DoctorOptions = {
  readonly stackName: string;
  /** @default the environment's */
  readonly region?: string | undefined;
  /** The folder of the app. */
  readonly folder: string;
  /** What the config asks for, or what is wrong with it. */
  readonly config: Wanted | Error;
  /** Unix milliseconds. */
  readonly nowMs: number;
};

export type Diagnosis = {
  readonly stack: string;
  readonly account: string | undefined;
  readonly region: string | undefined;
  readonly isDeployed: boolean;
  readonly findings: readonly Finding[];
};

/** Looks at this machine, the account and, where there is one, the stack. Nothing is changed, and no answer stands in another's way. */
export async function diagnose({ stackName, region, folder, config, nowMs }: DoctorOptions): Promise<Diagnosis> {
  const wanted = config instanceof Error ? undefined : config;
  const local: Finding[] = [...onThisMachine(folder), before('config', configOf(config))];
  const account = new Account(region);
  const identity = await account.identity();
  if (identity.kind === 'failed') {
    const findings = [...local, before('credentials', noCredentials(identity.name, identity.message))];
    return { stack: stackName, account: undefined, region, isDeployed: false, findings };
  }
  const who = identity.kind === 'answer' ? identity.answer : undefined;
  const deployed = new Deployed({ stackName, region });
  const stack = await deployed.stack();
  const isDeployed = stack.kind === 'answer';
  const [ofAccount, ofStack] = await Promise.all([
    inAccount(account, wanted, isDeployed),
    stack.kind === 'answer' ? inStack({ deployed, stackName, stack: stack.answer, wanted, nowMs }) : [],
  ]);
  const findings = [
    ...local,
    before(
      'credentials',
      judged(identity, ({ arn }) => ok(arn)),
    ),
    ...ofAccount,
    ...ofStack,
    ...(stack.kind === 'denied' || stack.kind === 'failed'
      ? [{ part: 'after', check: 'stack', ...judged(stack, () => ok('')) } as const]
      : []),
  ];
  return { stack: stackName, account: who?.account, region: who?.region ?? region, isDeployed, findings };
}

function before(check: string, said: Said): Finding {
  return { part: 'before', check, ...said };
}

function configOf(config: Wanted | Error): Said {
  if (config instanceof Error) return fail(config.message, 'correct the config');
  const { pipeline, deployment } = config;
  const { names } = pipeline.strategies;
  return ok(`strategies ${names.join(', ') || 'none'}; ${deployment.shards} shards, history ${deployment.history}`);
}

function noCredentials(name: string, message: string): Said {
  if (/region is missing|region not accepted: region=""/i.test(message))
    return fail('no region is set', 'set AWS_REGION, or give --region');
  if (name === 'CredentialsProviderError' || /credential/i.test(message))
    return fail('there are none', 'aws configure sso, or set AWS_PROFILE; then the account can be looked at');
  return fail(`${name}: ${message}`, 'sign in anew (aws sso login), and see that this machine reaches AWS');
}
