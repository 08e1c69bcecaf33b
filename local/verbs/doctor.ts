import type { Command } from 'commander';
import { deploymentOptionsOf } from '../../core/config.ts';
import { cloudEndpointsOf } from '../../core/delivery.ts';
import type { Wanted } from '../doctor/before.ts';
import { exitCodes } from '../exit.ts';
import { loadConfig, pipelineFor } from '../options.ts';
import { defaultStack } from '../stream-name.ts';
import type { Session } from './session.ts';
import { examples } from './shared-options.ts';

export function addDoctor(program: Command, session: Session): void {
  program
    .command('doctor')
    .description('Whether this account and region can have what the config asks for, and whether trades flow through what is deployed.')
    .option('--config <file>', 'the config (default: tapeline.config.ts here, else the one that comes with Tapeline)')
    .option('--stack <name>', 'the deployed stack', defaultStack)
    .option('--region <region>', "the region (default: the environment's)")
    .option('--json', 'print the findings as one JSON document')
    .addHelpText(
      'after',
      examples(['tapeline doctor', 'tapeline doctor --region eu-central-1 --stack TapelineTest', 'tapeline doctor --json']),
    )
    .exitOverride()
    .action((options: DoctorVerbOptions) => session.finish(doctorVerb(options, session)));
}

type DoctorVerbOptions = { readonly config?: string; readonly stack: string; readonly region?: string; readonly json?: boolean };

async function doctorVerb(options: DoctorVerbOptions, { stdout, signal }: Session): Promise<number> {
  const [{ diagnose }, { doctorText }] = await Promise.all([import('../doctor/doctor.ts'), import('../doctor/report.ts')]);
  const diagnosis = await diagnose({
    stackName: options.stack,
    region: options.region,
    folder: process.cwd(),
    config: await wantedBy(options.config),
    nowMs: Date.now(),
  });
  if (signal.aborted) return exitCodes.interrupted;
  const hasColor = stdout.isTTY === true && process.env['TERM'] !== 'dumb' && process.env['NO_COLOR'] === undefined;
  stdout.write(options.json ? `${JSON.stringify(diagnosis)}\n` : doctorText(diagnosis, hasColor));
  return diagnosis.findings.some(({ verdict }) => verdict === 'fail') ? exitCodes.failed : exitCodes.done;
}

/** What is wrong with a config is a finding too. */
async function wantedBy(file: string | undefined): Promise<Wanted | Error> {
  try {
    const config = await loadConfig(file);
    const pipeline = await pipelineFor(file === undefined ? {} : { config: file });
    return { pipeline, deployment: deploymentOptionsOf(config), webhooks: cloudEndpointsOf(config).length };
  } catch (error) {
    return error instanceof Error ? error : new Error(String(error));
  }
}
