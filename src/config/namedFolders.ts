import { relative, resolve, sep } from "node:path";

import { findValue } from "./findValue.js";
import type { Mistake } from "./mistake.js";
import { nearestHint, nearestName } from "./nearest.js";

/** A path below a named folder; what follows the name is empty or begins with a slash. */
const NAMED = /^\$([A-Za-z0-9][A-Za-z0-9_-]*)(\/.*)?$/s;

/** The folders that an experiment names, and the paths that lie below them. */
export class NamedFolders {
  readonly #unknown = new Map<string, string>();
  /** Absolute paths of those that something lies below, by their names. */
  readonly #used = new Map<string, string>();

  /**
   * @param folders name to path, as the file has them
   * @param base folder that relative paths start from
   */
  constructor(
    private readonly folders: Readonly<Record<string, string>>,
    private readonly base: string,
  ) {}

  /** The absolute path of what the file says; a name that it does not define is noted. */
  resolve(path: string): string {
    const [, name, rest = ""] = NAMED.exec(path) ?? [];
    if (name === undefined) return resolve(this.base, path);
    const folder = Object.hasOwn(this.folders, name) ? this.folders[name] : undefined;
    if (folder === undefined) {
      this.#unknown.set(path, name);
      return resolve(this.base, path);
    }
    this.#used.set(name, resolve(this.base, folder));
    return resolve(this.base, folder, `.${rest}`);
  }

  /** Names that no path begins with, once all are resolved. One line each. */
  oddities(): readonly string[] {
    const unused = Object.keys(this.folders).filter((name) => !this.#used.has(name));
    return unused.map((name) => {
      const nearest = nearestName(name, [...this.#used.keys()]);
      return `folders.${name}: nothing uses it${nearest === undefined ? "" : `. Did you mean "${nearest}"?`}`;
    });
  }

  /**
   * What to do about paths where nothing was found: a line for each folder that some of them lie below.
   * @param sets names of data sets that cmcr can say more about
   */
  remedies(missing: readonly string[], sets: readonly string[]): readonly string[] {
    const below = new Map<string, Set<string>>();
    for (const path of missing) {
      const [first] = [...this.#used]
        .map(([name, folder]) => ({ name, inside: relative(folder, path).split(sep), length: folder.length }))
        .filter(({ inside: [top] }) => top !== "..")
        .sort((left, right) => right.length - left.length);
      if (first !== undefined) below.set(first.name, (below.get(first.name) ?? new Set()).add(first.inside[0] ?? ""));
    }
    return [...below].map(([name, tops]) => {
      const known = [...tops].some((top) => sets.includes(top));
      const where = known ? " `cmcr data list` says where the paper's data sets come from, `cmcr data prepare NAME --root DIR` brings them into place." : "";
      return `$${name} is folders.${name} (${this.#used.get(name) ?? ""}); move it with --set folders.${name}=DIR.${where}`;
    });
  }

  /** One for each path below a folder without a name, where the file writes it. */
  mistakes(file: unknown): readonly Mistake[] {
    const names = Object.keys(this.folders);
    return [...this.#unknown].map(([path, name]) => ({
      path: findValue(file, path) ?? [],
      reason: "UNKNOWN_NAME",
      expected: names.length === 0 ? `folders.${name}, which paths that begin with $${name}/ lie below` : `a folder of folders (${names.map((known) => `$${known}`).join(", ")})`,
      found: JSON.stringify(path),
      ...nearestHint(name, names),
    }));
  }
}
