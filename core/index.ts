/** What a user's own config and strategies import where Tapeline is a package: `import { defineStrategy } from 'tapeline'`. */
export { command, ConfigError, defineTapeline, discord, slack, sqs, telegram, type TapelineConfig, webhook } from './config.ts';
export type { Signal } from './signal.ts';
export { defineStrategy, type Strategy } from './strategy.ts';
