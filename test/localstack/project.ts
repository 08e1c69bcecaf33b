import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { linkPackages, makeProject, root, writeFile } from '../house/project.ts';

const copied = [
  ...['adapters', 'bin', 'core', 'lambdas', 'lib', 'schemas', 'strategies'],
  ...['cdk.json', 'package.json', 'package-lock.json', 'tapeline.config.ts', 'tsconfig.base.json'],
];

/** What a user has: the clone, and an endpoint in the config. The strategies stay, so that the state is the same. */
export class Project {
  readonly folder: string;

  constructor({ webhookUrl }: { readonly webhookUrl: string }) {
    const config = readFileSync(join(root, 'tapeline.config.ts'), 'utf8');
    this.folder = makeProject({
      copied,
      written: {
        'package.json': readFileSync(join(root, 'package.json'), 'utf8'),
        'tapeline.config.ts': config
          .replace('import { defineTapeline }', 'import { defineTapeline, webhook }')
          .replace(
            'defineTapeline({',
            `defineTapeline({\n  deliver: [webhook({ name: 'desk', url: '${webhookUrl}', allowPrivate: ['127.0.0.1'] })],`,
          ),
      },
    });
    linkPackages(this.folder);
  }

  /** The consumer's code becomes another, which does the same. */
  changeConsumer(): void {
    const path = 'lambdas/entry/consume.ts';
    writeFile(this.folder, path, `${readFileSync(join(root, path), 'utf8')}\nexport const codeVersion = 2;\n`);
  }

  remove(): void {
    rmSync(this.folder, { recursive: true, force: true });
  }
}
