import type { z } from "zod";

import type { CheckContext } from "../checks/context.js";
import type { CompiledConnect, CompiledImport } from "../compiled.js";
import type { ResolvePath } from "../providers/definition.js";
import { salvageFields } from "../salvage.js";

/** What the evaluation may count on; undefined where the file is wrong about it. */
export interface ConnectedSpaces {
  readonly spaces: readonly string[] | undefined;
  /** Whether pseudo pairs come from consistency. */
  readonly pseudoPairs: boolean | undefined;
  /** Whether there are an overlap and memories, which baselines are fitted on. */
  readonly fits: boolean | undefined;
}

/** A method that connects spaces. */
export interface MethodDefinition<Name extends string = string, Schema extends z.ZodType = z.ZodType> {
  readonly name: Name;
  /** What a user writes below `connect`. */
  readonly schema: Schema;
  /** Reports what the schema alone cannot say. */
  readonly check: (raw: unknown, context: CheckContext) => ConnectedSpaces;
  readonly compile: (user: unknown, resolve: ResolvePath) => CompiledConnect | CompiledImport;
}

interface TypedMethod<Name extends string, Schema extends z.ZodObject> {
  readonly name: Name;
  readonly schema: Schema;
  readonly check: (fields: Partial<z.output<Schema>>, context: CheckContext) => ConnectedSpaces;
  readonly compile: (user: z.output<Schema>, resolve: ResolvePath) => CompiledConnect | CompiledImport;
}

/** Puts a method's typed functions behind the one type that the registry holds. */
export function defineMethod<Name extends string, Schema extends z.ZodObject>(
  method: TypedMethod<Name, Schema>,
): MethodDefinition<Name, Schema> {
  return {
    name: method.name,
    schema: method.schema,
    check: (raw, context) => method.check(salvageFields(method.schema, raw), context),
    compile: (user, resolve) => method.compile(method.schema.parse(user), resolve),
  };
}
