/** Variables that a function cannot work without were not set: which ones. */
export class EnvironmentError extends Error {
  override readonly name = 'EnvironmentError';
  readonly code = 'environment-invalid';
}

/** The values of these variables. @throws EnvironmentError naming all that are missing or empty */
export function readEnvironment<Name extends string>(
  names: readonly Name[],
  environment: Readonly<Record<string, string | undefined>> = process.env,
): Record<Name, string> {
  const missing = names.filter((name) => !environment[name]);
  if (missing.length > 0) {
    throw new EnvironmentError(
      `the function needs the environment variables ${missing.join(', ')}, received none; deploy it with its construct`,
    );
  }
  return Object.fromEntries(names.map((name) => [name, environment[name]])) as Record<Name, string>;
}
