import type { z } from "zod";

import type { CompiledSpace, Modality } from "../compiled.js";
import type { CheckContext } from "../checks/context.js";
import type { FieldPath } from "../mistake.js";

/** Makes a path absolute, from the experiment file's folder. */
export type ResolvePath = (path: string) => string;

/** A kind of frozen space, as an experiment file names it. */
export interface ProviderDefinition<Name extends string = string, Schema extends z.ZodType = z.ZodType> {
  readonly name: Name;
  /** What a user writes below `spaces.NAME`. */
  readonly schema: Schema;
  readonly compile: (user: unknown, name: string, resolve: ResolvePath) => CompiledSpace;
  /** The modalities that it embeds by itself; none where embeddings are handed over. */
  readonly encodes: (user: unknown) => readonly Modality[];
  /** Reports what the schema alone cannot say. */
  readonly check: (user: unknown, path: FieldPath, context: CheckContext) => void;
}

interface TypedProvider<Name extends string, Schema extends z.ZodType> {
  readonly name: Name;
  readonly schema: Schema;
  readonly compile: (user: z.output<Schema>, name: string, resolve: ResolvePath) => CompiledSpace;
  readonly encodes: (user: z.output<Schema>) => readonly Modality[];
  readonly check?: (user: z.output<Schema>, path: FieldPath, context: CheckContext) => void;
}

/** Puts a provider's typed functions behind the one type that the registry holds. */
export function defineProvider<Name extends string, Schema extends z.ZodType>(
  provider: TypedProvider<Name, Schema>,
): ProviderDefinition<Name, Schema> {
  const typed = (user: unknown): z.output<Schema> => provider.schema.parse(user);
  return {
    name: provider.name,
    schema: provider.schema,
    compile: (user, name, resolve) => provider.compile(typed(user), name, resolve),
    encodes: (user) => provider.encodes(typed(user)),
    check: (user, path, context) => provider.check?.(typed(user), path, context),
  };
}
