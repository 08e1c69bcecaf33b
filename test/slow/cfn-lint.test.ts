import { execFileSync, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { defineTapeline, historyKinds, webhook } from '../../core/config.ts';
import { cache, makeOnce } from '../aws/make-once.ts';
import { removeFolders, synthesisePipeline } from '../lib/synth.ts';

/** Rules that say nothing of our templates, each with its reason. */
const ignored: Readonly<Record<string, string>> = {
  W3005: 'the CDK writes DependsOn where a reference already orders two resources',
  W3697: 'Timestream is closed to new customers, not to those who have it; all others take parquet',
};

const requirements = join(import.meta.dirname, 'cfn-lint', 'requirements.txt');
let python = '';

beforeAll(() => {
  const digest = createHash('sha256').update(readFileSync(requirements)).digest('hex').slice(0, 16);
  const home = join(cache, 'cfn-lint', digest);
  makeOnce(home, install);
  python = join(home, 'bin', 'python');
}, 300_000);
afterAll(removeFolders);

describe('cfn-lint', () => {
  it.each([
    ...historyKinds.map((history) => [`with the history ${history}`, { config: defineTapeline({ history }) }] as const),
    ['in the hours of an exchange', { config: defineTapeline({ calendar: 'us-equities' }) }] as const,
    ['with a webhook', { config: defineTapeline({ deliver: [webhook({ url: 'https://example.com/hooks' })] }) }] as const,
    ['for the emulator', { emulator: true }] as const,
  ])('finds nothing in the template %s', (_, props) => {
    const { folder } = synthesisePipeline(props, { checks: false });
    expect(lint(join(folder, 'Tapeline.template.json'))).toEqual([]);
  });

  it('would find a property that there is not', () => {
    const { folder, template } = synthesisePipeline({}, { checks: false });
    const wrong = template.toJSON();
    for (const resource of Object.values(wrong['Resources'] as Record<string, { Type: string; Properties: Record<string, unknown> }>))
      if (resource.Type === 'AWS::Kinesis::Stream') resource.Properties['Shards'] = 2;
    const file = join(folder, 'wrong.json');
    writeFileSync(file, JSON.stringify(wrong));
    expect(lint(file)).toEqual([expect.stringMatching(/^E3002 .*'Shards' was unexpected/)]);
  });
});

/** Its findings, as `rule message`. */
function lint(template: string): string[] {
  const rules = Object.keys(ignored).flatMap((rule) => ['--ignore-checks', rule]);
  const args = [
    '-c',
    'from cfnlint.runner import main; main()',
    '--format',
    'json',
    '--regions',
    'eu-central-1',
    ...rules,
    '--template',
    template,
  ];
  const { stdout, stderr } = spawnSync(python, args, { encoding: 'utf8', maxBuffer: 2 ** 26 });
  if (!stdout.startsWith('[')) throw new Error(`cfn-lint did not run: ${stdout}${stderr}`);
  return (JSON.parse(stdout) as { Rule: { Id: string }; Message: string }[]).map(({ Rule, Message }) => `${Rule.Id} ${Message}`);
}

/** The list is whole, so that pip has nothing to resolve. */
function install(folder: string): void {
  execFileSync('python3', ['-m', 'venv', folder], { stdio: 'pipe' });
  const options = ['--quiet', '--disable-pip-version-check', '--no-deps', '--requirement', requirements];
  execFileSync(join(folder, 'bin', 'python'), ['-m', 'pip', 'install', ...options], { stdio: 'pipe' });
}
