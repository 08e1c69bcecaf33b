/** The config could not be used: which option, what was received, and what to write instead. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
  readonly code = 'config-invalid';
}
