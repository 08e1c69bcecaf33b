import { existsSync } from 'node:fs';
import { extname, join, resolve } from 'node:path';
import type { Duration, RemovalPolicy } from 'aws-cdk-lib';
import type { Metric, MetricOptions } from 'aws-cdk-lib/aws-cloudwatch';
import { Role, ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import { Architecture, Runtime, Tracing } from 'aws-cdk-lib/aws-lambda';
import { NodejsFunction, OutputFormat, SourceMapMode } from 'aws-cdk-lib/aws-lambda-nodejs';
import { LogGroup, RetentionDays } from 'aws-cdk-lib/aws-logs';
import type { Construct } from 'constructs';
import { metricNamespace } from '../core/metrics.ts';
import { acknowledge } from './acknowledge.ts';
import { kept } from './kept.ts';
import { serviceOf } from './metric.ts';

export type LambdaFunctionProps = {
  /** A file of `lambdas/entry/`, without its ending; also the last word of the service's name in logs and metrics. */
  readonly entry: string;
  readonly description: string;
  readonly memorySizeMb: number;
  readonly timeout: Duration;
  readonly environment: Readonly<Record<string, string>>;
  /** The file that exports the deployment's config, for an entry that needs it; taken from the folder that the app is started in. @default none */
  readonly configPath?: string | undefined;
  /** Concurrency taken out of the account's for this function alone. @default shared; an account's first quota has none to spare */
  readonly reservedConcurrency?: number | undefined;
  /** Whether X-Ray traces it: the first invocation of every second and a twentieth of the others. @default false */
  readonly isTraced?: boolean | undefined;
  /** Of the log group. @default it stays when the stack goes */
  readonly removalPolicy?: RemovalPolicy | undefined;
};

/** Where a construct looks for the config that its function carries. */
export const defaultConfigPath = 'tapeline.config.ts';

/** Of what is deployed: the clone, or the built package in somebody's `node_modules`. */
const root = join(import.meta.dirname, '..');
const entryEnding = extname(import.meta.filename);

/** Loaded only where the environment has no credentials; Lambda always puts them there. */
const otherCredentials = [
  '@aws-sdk/credential-provider-http',
  '@aws-sdk/credential-provider-ini',
  '@aws-sdk/credential-provider-process',
  '@aws-sdk/credential-provider-sso',
  '@aws-sdk/credential-provider-web-identity',
  '@smithy/credential-provider-imds',
];

/**
 * Garbage is collected before it is much: by default Node lets it grow with the memory that it finds, and the consumer to 1.4 times as much in
 * use, for nothing. So does the allocator, with an arena for each thread. Half of the memory is for what lies outside of the heap: states and
 * frames do.
 */
function runtimeOptionsFor(memorySizeMb: number): Record<string, string> {
  const options = ['--enable-source-maps', '--max-semi-space-size=8', `--max-old-space-size=${Math.floor(memorySizeMb / 2)}`];
  return { NODE_OPTIONS: options.join(' '), MALLOC_ARENA_MAX: '2' };
}

/** One of our handlers: Node 24 on arm64, one minified ES module with its source map, logs that end, and a role with nothing to spare. */
export class LambdaFunction extends NodejsFunction {
  constructor(scope: Construct, id: string, props: LambdaFunctionProps) {
    const { entry, description, memorySizeMb, timeout, environment, reservedConcurrency, isTraced = false } = props;
    const { removalPolicy = kept } = props;
    const logGroup = new LogGroup(scope, `${id}Logs`, { retention: RetentionDays.ONE_MONTH, removalPolicy });
    // The managed policy may write to every log group of the account.
    const role = new Role(scope, `${id}Role`, { assumedBy: new ServicePrincipal('lambda.amazonaws.com') });
    logGroup.grantWrite(role);
    super(scope, id, {
      description,
      entry: join(root, 'lambdas', 'entry', `${entry}${entryEnding}`),
      // Any file: all packages are bundled, so that no lock file is read.
      depsLockFilePath: join(root, 'package.json'),
      projectRoot: root,
      handler: 'handler',
      runtime: Runtime.NODEJS_24_X,
      architecture: Architecture.ARM_64,
      memorySize: memorySizeMb,
      timeout,
      role,
      logGroup,
      tracing: isTraced ? Tracing.ACTIVE : Tracing.DISABLED,
      ...(reservedConcurrency !== undefined && { reservedConcurrentExecutions: reservedConcurrency }),
      environment: {
        ...runtimeOptionsFor(memorySizeMb),
        POWERTOOLS_SERVICE_NAME: serviceOf(scope, entry),
        POWERTOOLS_METRICS_NAMESPACE: metricNamespace,
        ...(!isTraced && { POWERTOOLS_TRACE_ENABLED: 'false' }),
        ...environment,
      },
      awsSdkConnectionReuse: false,
      bundling: {
        format: OutputFormat.ESM,
        target: 'node24',
        mainFields: ['module', 'main'],
        minify: true,
        sourceMap: true,
        // Linked: without the comment at its end, Node does not find the map.
        sourceMapMode: SourceMapMode.DEFAULT,
        sourcesContent: false,
        // What runs is what was tested, not the clients that the runtime has today; without the parts that look for credentials elsewhere.
        externalModules: otherCredentials,
        esbuildArgs: { '--alias': aliasesOf(props) },
        // The tracer's packages are CommonJS and ask for Node's modules by require.
        banner: "import{createRequire as tapelineRequire}from'node:module';const require=tapelineRequire(import.meta.url);",
      },
    });
    if (isTraced) acknowledge.everyResource(role, 'X-Ray has no resources: traces are put to "*" or not at all');
  }

  /** Of one that reads a stream: the age of the last record of each batch when it was handed over. */
  metricIteratorAgeMs(options?: MetricOptions): Metric {
    return this.metric('IteratorAge', { statistic: 'Maximum', ...options });
  }
}

function aliasesOf({ configPath }: LambdaFunctionProps): string[] {
  const http = `node:http=${join(root, 'lambdas', 'entry', `http${entryEnding}`)}`;
  return configPath === undefined ? [http] : [http, `#tapeline.config=${existing(configPath)}`];
}

function existing(configPath: string): string {
  const file = resolve(configPath);
  if (existsSync(file)) return file;
  throw new Error(`the function needs the config file "${file}", which does not exist; start the app in its folder or give configPath`);
}
