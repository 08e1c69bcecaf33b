import { RemovalPolicy } from 'aws-cdk-lib';

/**
 * What holds data outlives its stack. A deployment that fails takes away again only what it has just made: that is empty, and would have to be
 * paid for.
 * @see docs/decisions/0072-what-stays-is-in-nobodys-way.md
 */
export const kept = RemovalPolicy.RETAIN_ON_UPDATE_OR_DELETE;
