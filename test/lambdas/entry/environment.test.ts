import { describe, expect, it } from 'vitest';
import { EnvironmentError, readEnvironment } from '../../../lambdas/entry/environment.ts';

describe('the environment of a function', () => {
  it('is what was asked for', () => {
    expect(readEnvironment(['A', 'B'], { A: '1', B: '2', C: '3' })).toEqual({ A: '1', B: '2' });
  });

  it('names all that is missing or empty at once', () => {
    expect(() => readEnvironment(['A', 'B', 'C'], { B: '2', C: '' })).toThrow(
      new EnvironmentError('the function needs the environment variables A, C, received none; deploy it with its construct'),
    );
  });
});
