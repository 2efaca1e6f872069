import type { FieldPath } from "./mistake.js";

/** Where a document holds that text, the first place in its order; null where it does not. */
export function findValue(document: unknown, text: string): FieldPath | null {
  if (document === text) return [];
  if (typeof document !== "object" || document === null) return null;
  for (const [key, value] of Object.entries(document)) {
    const below = findValue(value, text);
    if (below !== null) return [Array.isArray(document) ? Number(key) : key, ...below];
  }
  return null;
}
