import { providers, type UserSpace } from "../providers/registry.js";
import type { UserCollection } from "../collection.js";
import type { FieldPath } from "../mistake.js";
import { suggestion } from "../nearest.js";
import type { CheckContext, UserView, ViewPaths } from "./context.js";

const KINDS = { spaces: "space", data: "collection" } as const;

/** Reports a name that `spaces` or `data` does not have. True when it is known. */
export function checkName(kind: keyof typeof KINDS, name: string, path: FieldPath, context: CheckContext): boolean {
  context.use(kind, name);
  if (context[kind].has(name)) return true;
  context.report({
    path,
    reason: "UNKNOWN_NAME",
    expected: `the name of a ${KINDS[kind]} under ${kind}`,
    found: JSON.stringify(name),
    hint: suggestion(name, [...context[kind].keys()]),
  });
  return false;
}

/** Reports a view whose names are unknown, or whose collection has no way into its space. */
export function checkView(view: UserView, paths: ViewPaths, context: CheckContext): void {
  const known = [checkName("data", view.data, paths.data, context), checkName("spaces", view.space, paths.space, context)];
  if (known.every(Boolean)) checkReachable(view, paths.data, context);
}

/** Reports a collection that has no embeddings of a space and cannot be encoded into it. Both names are known. */
export function checkReachable({ data, space }: UserView, path: FieldPath, context: CheckContext): void {
  const collection = context.data.get(data);
  const definition = context.spaces.get(space);
  if (collection === null || collection === undefined || definition === null || definition === undefined) return;
  const why = whyUnreachable(collection, definition, space);
  if (why === undefined) return;
  context.report({
    path,
    reason: "NOT_REACHABLE",
    expected: `a collection that has embeddings of space ${space} or can be encoded into it`,
    found: `${data}, ${why}`,
    hint: `Give data.${data}.embeddings.${space}.`,
  });
}

function whyUnreachable(collection: UserCollection, space: UserSpace, spaceName: string): string | undefined {
  if (Object.hasOwn(collection.embeddings, spaceName)) return undefined;
  const provider = providers.get(space.provider);
  const encodes = provider.encodes(space);
  if (encodes.length === 0) return `which has no embeddings of it, and a ${provider.name} space encodes nothing`;
  if (collection.source === undefined) return "which has neither embeddings of it nor a source";
  if (!encodes.includes(collection.modality)) {
    return `whose modality is ${collection.modality}, while ${spaceName} encodes ${encodes.join(" and ")}`;
  }
  return undefined;
}
