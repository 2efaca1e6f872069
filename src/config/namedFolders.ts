import { resolve } from "node:path";

import { findValue } from "./findValue.js";
import type { Mistake } from "./mistake.js";
import { suggestion } from "./nearest.js";

/** A path below a named folder; what follows the name is empty or begins with a slash. */
const NAMED = /^\$([A-Za-z0-9][A-Za-z0-9_-]*)(\/.*)?$/s;

/** The folders that an experiment names, and the paths that lie below them. */
export class NamedFolders {
  readonly #unknown = new Map<string, string>();

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
    return resolve(this.base, folder, `.${rest}`);
  }

  /** One for each path below a folder without a name, where the file writes it. */
  mistakes(file: unknown): readonly Mistake[] {
    const names = Object.keys(this.folders);
    return [...this.#unknown].map(([path, name]) => ({
      path: findValue(file, path) ?? [],
      reason: "UNKNOWN_NAME",
      expected: names.length === 0 ? `folders.${name}, which paths that begin with $${name}/ lie below` : `a folder of folders (${names.map((known) => `$${known}`).join(", ")})`,
      found: JSON.stringify(path),
      hint: suggestion(name, names),
    }));
  }
}
