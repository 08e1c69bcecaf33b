import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { App, Stack, Validations } from 'aws-cdk-lib';
import { Template } from 'aws-cdk-lib/assertions';
import { AwsSolutionsChecks } from 'cdk-nag';
import { PipelineStack, type PipelineStackProps } from '../../lib/pipeline-stack.ts';
import { defineTapeline } from '../../core/config.ts';
import { root } from '../house/project.ts';

/** Any JSON, as the CDK types what is found in a template: the tests say what must be in it. */
type Found = ReturnType<Template['findResources']>[string][string];
type CloudFormation = { readonly Resources: Readonly<Record<string, Resource>> };
export type Resource = {
  readonly Type: string;
  readonly Properties?: Found;
  readonly DeletionPolicy?: string;
  readonly UpdateReplacePolicy?: string;
};

export type Synthesised = {
  readonly template: Template;
  readonly resources: readonly Resource[];
  /** Findings of cdk-nag, warnings too, that nobody has acknowledged: `rule construct`. */
  readonly findings: readonly string[];
  /** Findings that are as they should be, each with its reason, by the path of the construct. */
  readonly acknowledged: readonly { readonly path: string; readonly id: string; readonly reason: string }[];
  /** Where the assembly is. */
  readonly folder: string;
};

const { context } = JSON.parse(readFileSync(join(root, 'cdk.json'), 'utf8')) as { context: Record<string, unknown> };
const folders: string[] = [];

export type SynthesisOptions = {
  /** With the functions bundled, as for a deployment. @default false */
  readonly bundles?: boolean;
  /** With cdk-nag and the schemas of CloudFormation. @default true */
  readonly checks?: boolean;
};

/** Synthesises with the flags of our `cdk.json`. */
export function synthesise(make: (app: App) => Stack, { bundles = false, checks = true }: SynthesisOptions = {}): Synthesised {
  const folder = mkdtempSync(join(tmpdir(), 'tapeline-cdk-'));
  folders.push(folder);
  const app = new App({
    outdir: folder,
    context: {
      ...context,
      'aws:cdk:disable-stack-trace': true,
      ...(!bundles && { 'aws:cdk:bundling-stacks': [] }),
      ...(!checks && { '@aws-cdk/core:validateAgainstDefaultRules': false }),
    },
  });
  const stack = make(app);
  if (checks) Validations.of(app).addPlugins(new AwsSolutionsChecks(app));
  const failure = failureOf(() => app.synth());
  const hasReport = existsSync(join(folder, 'validation-report.json'));
  if (failure !== undefined && !hasReport) throw failure;
  const findings = hasReport ? findingsIn(folder) : [];
  if (failure !== undefined && findings.length === 0) throw failure;
  const json = JSON.parse(readFileSync(join(folder, stack.templateFile), 'utf8')) as CloudFormation;
  return {
    template: Template.fromJSON(json),
    resources: Object.values(json.Resources),
    findings,
    acknowledged: acknowledgedIn(app),
    folder,
  };
}

export function synthesisePipeline(props: Partial<PipelineStackProps> = {}, options?: SynthesisOptions): Synthesised {
  return synthesise((app) => new PipelineStack(app, 'Tapeline', { config: defineTapeline({}), ...props }), options);
}

/** A stack of what is made in it, unchecked unless it is told otherwise. */
export function alone(make: (stack: Stack) => unknown, { bundles = false, checks = false }: SynthesisOptions = {}): Synthesised {
  const makeAlone = (app: App) => {
    const stack = new Stack(app, 'Alone');
    make(stack);
    return stack;
  };
  return synthesise(makeAlone, { bundles, checks });
}

export function removeFolders(): void {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
}

/** Every statement of the identity policies. */
export function statementsOf(resources: readonly Resource[]): { Action: string[]; Resource: unknown[]; Condition?: unknown }[] {
  return resources
    .filter(({ Type }) => Type === 'AWS::IAM::Policy')
    .flatMap(({ Properties }) => Properties.PolicyDocument.Statement)
    .map((statement) => ({ ...statement, Action: [statement.Action].flat(), Resource: [statement.Resource].flat() }));
}

export function ofType(resources: readonly Resource[], type: string): Resource[] {
  return resources.filter(({ Type }) => Type === type);
}

/** The bundle of each function, by its entry. */
export function bundlesOf({ resources, folder }: Synthesised): Map<string, string> {
  return new Map(
    ofType(resources, 'AWS::Lambda::Function').map(({ Properties }) => {
      const service: string = Properties.Environment.Variables.POWERTOOLS_SERVICE_NAME;
      const [asset] = String(Properties.Code.S3Key['Fn::Sub'] ?? Properties.Code.S3Key).split('.');
      return [service.split('/').at(-1) as string, join(folder, `asset.${asset}`, 'index.mjs')];
    }),
  );
}

function acknowledgedIn(app: App): Synthesised['acknowledged'] {
  return app.node
    .findAll()
    .flatMap(({ node }) =>
      node.metadata
        .filter(({ type }) => type === Validations.ACKNOWLEDGED_RULES_METADATA_KEY)
        .flatMap(({ data }) => Object.entries(data as Record<string, string>).map(([id, reason]) => ({ path: node.path, id, reason }))),
    );
}

function failureOf(run: () => unknown): unknown {
  try {
    run();
    return undefined;
  } catch (error) {
    return error;
  }
}

function findingsIn(folder: string): string[] {
  const { pluginReports } = JSON.parse(readFileSync(join(folder, 'validation-report.json'), 'utf8')) as {
    pluginReports: { violations: { ruleName: string; violatingConstructs: { constructPath: string }[] }[] }[];
  };
  const violations = pluginReports.flatMap(({ violations }) => violations);
  return violations.flatMap(({ ruleName, violatingConstructs }) =>
    violatingConstructs.map(({ constructPath }) => `${ruleName} ${constructPath}`),
  );
}
