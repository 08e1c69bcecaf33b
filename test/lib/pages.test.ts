import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Duration } from 'aws-cdk-lib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { defineTapeline, webhook } from '../../core/config.ts';
import { allPages, pageNamed, tableOf } from '../docs/pages.ts';
import * as constructs from '../../lib/index.ts';
import { root } from '../house/project.ts';
import { removeFolders, type Synthesised, synthesisePipeline } from './synth.ts';

/** One of each history: what a page lists is in one of them at least. */
let stacks: readonly Synthesised[];
beforeAll(() => {
  const config = defineTapeline({ calendar: 'us-equities', deliver: [webhook({ url: 'https://example.com/hooks' })] });
  stacks = (['parquet', 'timestream'] as const).map((history) => synthesisePipeline({ config, history }, { checks: false }));
});
afterAll(removeFolders);

const firstOf = (path: string, ...header: string[]) => tableOf(pageNamed(path), ...header).map(([name]) => name as string);

describe('docs/deploy.md', () => {
  it('has every output of the stack', () => {
    const outputs = stacks.flatMap(({ template }) => Object.keys(template.findOutputs('*')));
    expect(firstOf('docs/deploy.md', 'output').sort()).toEqual([...new Set(outputs)].sort());
  });

  it('has every setting of the context', () => {
    const source = readFileSync(join(root, 'bin', 'app.ts'), 'utf8');
    const names = [...source.matchAll(/\b(?:text|oneOf|byEmail)\('(\w+)'/g)].map(([, name]) => name as string);
    expect(names.length).toBeGreaterThan(4);
    expect(firstOf('docs/deploy.md', 'context').sort()).toEqual([...new Set(names)].sort());
  });

  it('has every construct of the package', () => {
    expect(firstOf('docs/deploy.md', 'construct').sort()).toEqual(Object.keys(constructs).sort());
  });
});

describe('commands that ask a stack', () => {
  const named = (pattern: RegExp) => new Set(allPages.flatMap(({ text }) => [...text.matchAll(pattern)].map(([, name = '']) => name)));
  const groupsOf = ({ template }: Synthesised) => Object.keys(template.findResources('AWS::Logs::LogGroup'));

  it.each([...named(/\$\(logs (\w+)\)/g), ...named(/for part in (.+);/g)].flatMap((names) => names.split(' ')))(
    'look into one log group, of %s',
    (name) => {
      const counts = stacks.map((stack) => groupsOf(stack).filter((id) => id.startsWith(name)).length);
      expect(Math.max(...counts)).toBe(1);
    },
  );

  it('name outputs that there are', () => {
    const outputs = new Set(stacks.flatMap(({ template }) => Object.keys(template.findOutputs('*'))));
    const asked = named(/\$\(output (\w+)\)/g);
    expect(asked.size).toBeGreaterThan(5);
    expect([...asked].filter((name) => !outputs.has(name))).toEqual([]);
  });
});

describe('docs/runbooks/iterator-age.md', () => {
  it('makes the retention longer wherever the app has it, and to what the app would make of it', () => {
    const { text } = pageNamed('docs/runbooks/iterator-age.md');
    const [, hours = '', ageSec = '', days = ''] =
      /--retention-period-hours (\d+).*--maximum-record-age-in-seconds (\d+).*NoncurrentDays = (\d+)/s.exec(text) ?? [];
    const props = { history: 'timestream', tapeRetention: Duration.hours(Number(hours)) } as const;
    const { template, resources } = synthesisePipeline(props, { checks: false });
    const [tape = ''] = Object.keys(template.findResources('AWS::Kinesis::Stream'));
    const ages = resources
      .filter(({ Type, Properties }) => Type === 'AWS::Lambda::EventSourceMapping' && Properties.EventSourceArn['Fn::GetAtt']?.[0] === tape)
      .map(({ Properties }) => Properties.MaximumRecordAgeInSeconds);
    expect(ages).toEqual([Number(ageSec), Number(ageSec)]);
    const rules = resources.flatMap(({ Properties }) => Properties?.LifecycleConfiguration?.Rules ?? []);
    const noncurrent = rules.flatMap(({ NoncurrentVersionExpiration: expiration }) => expiration?.NoncurrentDays ?? []);
    expect(noncurrent).toEqual([Number(days)]);
  });
});

describe('docs/operate.md', () => {
  it('has every alarm', () => {
    const alarms = stacks.flatMap(({ template }) =>
      Object.values(template.findResources('AWS::CloudWatch::Alarm')).map(({ Properties }) => Properties.AlarmName),
    );
    const listed = firstOf('docs/operate.md', 'alarm').map((link) => `Tapeline-${/`([\w-]+)`/.exec(link)?.[1]}`);
    expect(listed.sort()).toEqual([...new Set(alarms)].sort());
  });

  it('names what stays when the stack goes, and nothing else', () => {
    const kept = stacks
      .flatMap(({ resources }) => resources)
      .filter(({ DeletionPolicy }) => DeletionPolicy === 'RetainExceptOnCreate')
      .map(({ Type }) => Type);
    const listed = tableOf(pageNamed('docs/operate.md'), 'stays', 'type').flatMap(([, types = '']) => types.match(/AWS::\w+::\w+/g) ?? []);
    expect(listed.sort()).toEqual([...new Set(kept)].sort());
  });
});
