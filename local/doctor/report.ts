import type { Diagnosis } from './doctor.ts';
import type { Finding, Verdict } from './finding.ts';

const marks: Record<Verdict, { readonly text: string; readonly color: number }> = {
  ok: { text: 'ok', color: 32 },
  warn: { text: 'warn', color: 33 },
  fail: { text: 'FAIL', color: 31 },
  unknown: { text: '?', color: 36 },
};

/** A line for each finding, below it what to do. */
export function doctorText({ stack, account, region, isDeployed, findings }: Diagnosis, hasColor: boolean): string {
  const colored = (text: string, color: number) => (hasColor ? `\u001b[${color}m${text}\u001b[0m` : text);
  const lineOf = ({ check, verdict, says, todo }: Finding) => {
    const { text, color } = marks[verdict];
    const line = `${colored(text.padEnd(5), color)} ${check.padEnd(28)} ${says}`;
    return todo === undefined ? [line] : [line, `${' '.repeat(35)}→ ${todo}`];
  };
  const of = (part: Finding['part']) => findings.filter((finding) => finding.part === part).flatMap(lineOf);
  const where = account === undefined ? '' : ` in account ${account}, ${region}`;
  const parts = [
    [`Before a deployment${where}`, ...of('before')],
    of('after').length > 0
      ? [`The stack ${stack}`, ...of('after')]
      : isDeployed || account === undefined
        ? []
        : [`The stack ${stack} is not deployed: npx cdk deploy`],
    [summaryOf(findings)],
  ];
  return parts
    .filter((lines) => lines.length > 0)
    .map((lines) => `${lines.join('\n')}\n`)
    .join('\n');
}

function summaryOf(findings: readonly Finding[]): string {
  const count = (verdict: Verdict) => findings.filter((finding) => finding.verdict === verdict).length;
  const [failed, warned, open] = [count('fail'), count('warn'), count('unknown')];
  if (failed + warned + open === 0) return 'All is well.';
  const parts = [
    failed > 0 ? `${failed} to be put right` : '',
    warned > 0 ? `${warned} to look at` : '',
    open > 0 ? `${open} that could not be told` : '',
  ];
  return `${parts.filter((part) => part !== '').join(', ')}.`;
}
