import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { defineTapeline, webhook } from '../../core/config.ts';
import { pageNamed, tableOf } from '../docs/pages.ts';
import * as constructs from '../../lib/index.ts';
import { root } from '../house/project.ts';
import { removeFolders, type Synthesised, synthesisePipeline } from './synth.ts';

let stack: Synthesised;
beforeAll(() => {
  stack = synthesisePipeline({ config: defineTapeline({ deliver: [webhook({ url: 'https://example.com/hooks' })] }) });
});
afterAll(removeFolders);

const firstOf = (path: string, ...header: string[]) => tableOf(pageNamed(path), ...header).map(([name]) => name as string);

describe('docs/deploy.md', () => {
  it('has every output of the stack', () => {
    expect(firstOf('docs/deploy.md', 'output').sort()).toEqual(Object.keys(stack.template.findOutputs('*')).sort());
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

describe('docs/operate.md', () => {
  it('has every alarm', () => {
    const alarms = Object.values(stack.template.findResources('AWS::CloudWatch::Alarm')).map(({ Properties }) => Properties.AlarmName);
    const listed = firstOf('docs/operate.md', 'alarm').map((link) => `Tapeline-${/`([\w-]+)`/.exec(link)?.[1]}`);
    expect(listed.sort()).toEqual(alarms.sort());
  });

  it('names what stays when the stack goes, and nothing else', () => {
    const kept = stack.resources.filter(({ DeletionPolicy }) => DeletionPolicy === 'Retain').map(({ Type }) => Type);
    const listed = tableOf(pageNamed('docs/operate.md'), 'stays', 'type').flatMap(([, types = '']) => types.match(/AWS::\w+::\w+/g) ?? []);
    expect(listed.sort()).toEqual([...new Set(kept)].sort());
  });
});
