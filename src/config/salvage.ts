import { z } from "zod";

function isMap(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/**
 * The fields of a map that are right in themselves, with their defaults. So one
 * wrong field does not hide what is wrong with the others.
 */
export function salvageFields<Schema extends z.ZodObject>(schema: Schema, raw: unknown): Partial<z.output<Schema>> {
  const fields: Record<string, unknown> = {};
  if (!isMap(raw)) return {};
  for (const [name, field] of Object.entries(schema.shape)) {
    const result = z.safeParse(field, Object.hasOwn(raw, name) ? raw[name] : undefined);
    if (result.success && result.data !== undefined) fields[name] = result.data;
  }
  return fields as Partial<z.output<Schema>>;
}

/** The entries of a map of names; null stands for one that is wrong in itself. */
export function salvageEntries<Schema extends z.ZodType>(schema: Schema, raw: unknown): Map<string, z.output<Schema> | null> {
  const entries = new Map<string, z.output<Schema> | null>();
  if (!isMap(raw)) return entries;
  for (const [name, value] of Object.entries(raw)) {
    const result = schema.safeParse(value);
    entries.set(name, result.success ? result.data : null);
  }
  return entries;
}

/** A field of what may be a map. */
export function rawField(raw: unknown, name: string): unknown {
  return isMap(raw) && Object.hasOwn(raw, name) ? raw[name] : undefined;
}

/** The items of what may be a list. */
export function rawItems(raw: unknown): readonly unknown[] {
  return Array.isArray(raw) ? raw : [];
}
