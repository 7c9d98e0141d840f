import { type ProfileTree, profileRelations } from '../../src/protocol/krb5/formats/profile.ts';

/** All values of a relation, in the order of precedence. */
export function profileValues(
  trees: readonly ProfileTree[],
  path: readonly string[],
): readonly string[] {
  return profileRelations(trees, path).map(({ value }) => value);
}
