/** Entries of one kind by name, in the order of their list. */
export interface NameIndex<Entry> {
  readonly names: readonly string[];
  /** Thrown when the name is unknown: a bug, since the schema admits known names alone. */
  readonly get: (name: string) => Entry;
}

/** Indexes a registry's explicit list. Throws when two entries have one name. */
export function indexByName<Entry extends { readonly name: string }>(kind: string, entries: readonly Entry[]): NameIndex<Entry> {
  const byName = new Map<string, Entry>();
  for (const entry of entries) {
    if (byName.has(entry.name)) throw new RangeError(`two entries of the registry of ${kind}s are named "${entry.name}"`);
    byName.set(entry.name, entry);
  }
  const names = [...byName.keys()];
  return {
    names,
    get: (name) => {
      const entry = byName.get(name);
      if (entry === undefined) throw new RangeError(`no ${kind} is named "${name}"; known: ${names.join(", ")}`);
      return entry;
    },
  };
}
