import { Names, Stack } from 'aws-cdk-lib';
import type { Construct } from 'constructs';

/**
 * What tells a construct from all others of its kind: the name of its stack, of the outermost one where stacks are nested, and its path in it,
 * which is left out where it is the one that the pipeline's stack gives it.
 */
export function placeOf(construct: Construct, usualPath: string): readonly string[] {
  const path = Names.stackRelativeConstructPath(construct);
  const { stackName } = outermost(Stack.of(construct));
  return path === usualPath ? [stackName] : [stackName, ...path.split('/')];
}

function outermost(stack: Stack): Stack {
  return stack.nestedStackParent ? outermost(stack.nestedStackParent) : stack;
}
