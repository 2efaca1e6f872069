import type { z } from "zod";

import type { CheckContext } from "../checks/context.js";
import { MODALITIES, type CompiledSource, type Modality } from "../compiled.js";
import type { FieldPath } from "../mistake.js";
import type { ResolvePath } from "../providers/definition.js";

/** A kind of place where items come from. */
export interface SourceDefinition<Name extends string = string, Schema extends z.ZodType = z.ZodType> {
  readonly name: Name;
  /** What a user writes below `data.NAME.source`. */
  readonly schema: Schema;
  readonly compile: (user: unknown, resolve: ResolvePath) => CompiledSource;
  /** Modalities that it can deliver. */
  readonly delivers: (user: unknown) => readonly Modality[];
  /** Attributes that may serve as labels. */
  readonly attributes: (user: unknown) => readonly string[];
  /** Reports what the schema alone cannot say. */
  readonly check: (user: unknown, path: FieldPath, context: CheckContext) => void;
}

interface TypedSource<Name extends string, Schema extends z.ZodType> {
  readonly name: Name;
  readonly schema: Schema;
  readonly compile: (user: z.output<Schema>, resolve: ResolvePath) => CompiledSource;
  readonly delivers?: (user: z.output<Schema>) => readonly Modality[];
  readonly attributes?: (user: z.output<Schema>) => readonly string[];
  readonly check?: (user: z.output<Schema>, path: FieldPath, context: CheckContext) => void;
}

/** Puts a source's typed functions behind the one type that the registry holds. */
export function defineSource<Name extends string, Schema extends z.ZodType>(
  source: TypedSource<Name, Schema>,
): SourceDefinition<Name, Schema> {
  const typed = (user: unknown): z.output<Schema> => source.schema.parse(user);
  return {
    name: source.name,
    schema: source.schema,
    compile: (user, resolve) => source.compile(typed(user), resolve),
    delivers: (user) => source.delivers?.(typed(user)) ?? MODALITIES,
    attributes: (user) => source.attributes?.(typed(user)) ?? [],
    check: (user, path, context) => source.check?.(typed(user), path, context),
  };
}
