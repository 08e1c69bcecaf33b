import type { IGrantable } from 'aws-cdk-lib/aws-iam';

/** Where the consumer writes bars, signals and late trades, of whatever kind. */
export type KeptHistory = {
  /** By what the consumer's function finds it. */
  readonly consumerEnvironment: Readonly<Record<string, string>>;
  /** For what writes bars, signals and late trades. */
  grantWrite(grantee: IGrantable): unknown;
};
