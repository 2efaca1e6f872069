import { z } from "zod";

import type { FieldPath } from "./mistake.js";

type Schema = z.core.$ZodType;

/** The names of the fields that a map at `path` may have, by the schema and the value that stands there. */
export function knownFields(root: Schema, path: FieldPath, value: unknown): string[] {
  let candidates: Schema[] = [root];
  let here = value;
  for (const step of path) {
    candidates = candidates.flatMap((schema) => expand(schema, here)).flatMap((schema) => child(schema, step));
    here = typeof here === "object" && here !== null ? (here as Readonly<Record<string | number, unknown>>)[step] : undefined;
  }
  const maps = candidates.flatMap((schema) => expand(schema, here));
  return [...new Set(maps.flatMap((schema) => (schema instanceof z.ZodObject ? Object.keys(schema.shape) : [])))];
}

/** A schema without its wrappers, and a union as those of its options that the value can be meant for. */
function expand(schema: Schema, value: unknown): Schema[] {
  if (schema instanceof z.ZodOptional || schema instanceof z.ZodDefault || schema instanceof z.ZodPrefault) {
    return expand(schema.def.innerType, value);
  }
  if (schema instanceof z.ZodUnion) {
    const options = schema.options.flatMap((option) => expand(option, value));
    const meant = options.filter((option) => option instanceof z.ZodObject && hasItsLiterals(option, value));
    return meant.length > 0 ? meant : options;
  }
  return [schema];
}

/** Whether the value has the literals, such as `provider: builtin`, by which the option is told from others. */
function hasItsLiterals(option: z.ZodObject, value: unknown): boolean {
  const literals = Object.entries(option.shape).filter(([, field]) => field instanceof z.ZodLiteral);
  if (literals.length === 0) return typeof value === "object" && value !== null && !Array.isArray(value);
  return literals.every(([name, field]) => {
    const given: unknown = typeof value === "object" && value !== null ? (value as Readonly<Record<string, unknown>>)[name] : undefined;
    return z.safeParse(field, given).success;
  });
}

function child(schema: Schema, step: string | number): Schema[] {
  if (schema instanceof z.ZodObject) {
    const field: Schema | undefined = Object.hasOwn(schema.shape, step) ? (schema.shape as Readonly<Record<string, Schema>>)[step] : undefined;
    return field === undefined ? [] : [field];
  }
  if (schema instanceof z.ZodRecord) return [schema.valueType];
  if (schema instanceof z.ZodArray) return [schema.element];
  if (schema instanceof z.ZodTuple) {
    const item = schema.def.items[Number(step)];
    return item === undefined ? [] : [item];
  }
  return [];
}
