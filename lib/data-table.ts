import type { RemovalPolicy } from 'aws-cdk-lib';
import { AttributeType, BillingMode, type StreamViewType, Table, TableEncryption } from 'aws-cdk-lib/aws-dynamodb';
import type { IKey } from 'aws-cdk-lib/aws-kms';
import type { Construct } from 'constructs';

export type DataTableProps = {
  readonly encryptionKey: IKey;
  /** @default it has none */
  readonly stream?: StreamViewType;
  readonly removalPolicy: RemovalPolicy;
};

/** A table paid by request: items by `pk` and `sk`, which go at `expiresAtSec`; encrypted, and restorable to any second of 35 days. */
export function makeDataTable(scope: Construct, id: string, props: DataTableProps): Table {
  return new Table(scope, id, {
    partitionKey: { name: 'pk', type: AttributeType.STRING },
    sortKey: { name: 'sk', type: AttributeType.STRING },
    timeToLiveAttribute: 'expiresAtSec',
    billingMode: BillingMode.PAY_PER_REQUEST,
    pointInTimeRecoverySpecification: { pointInTimeRecoveryEnabled: true },
    encryption: TableEncryption.CUSTOMER_MANAGED,
    ...props,
  });
}
