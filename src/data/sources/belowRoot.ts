import { realpath } from "node:fs/promises";
import { dirname, resolve, sep } from "node:path";

import { dataError } from "../../errors.js";
import { linkLook } from "./look.js";

/** Folders whose real place is remembered; more are asked for again. */
const REMEMBERED = 4096;

/** Where a named file lies, whether it is there, or why it is refused. */
export type Located = { readonly kind: "there" | "missing"; readonly path: string } | { readonly kind: "refused"; readonly why: string };

/** A folder that the files of a list must lie in. */
export class Root {
  readonly #look = linkLook();
  readonly #folders = new Map<string, Promise<string | null>>();

  private constructor(
    /** Absolute, without links. */
    readonly path: string,
  ) {}

  /** Rejects with exit 3 when there is no such folder. */
  static async open(path: string): Promise<Root> {
    return new Root(await realFolder(path));
  }

  /** Whether an absolute path is the folder or below it; links are not looked at. */
  contains(path: string): boolean {
    return path === this.path || path.startsWith(this.path === sep ? sep : this.path + sep);
  }

  /**
   * Looks for a file by its path from the folder. It is refused when the path leads out of
   * the folder: with `..`, from the root of the disk, or through a link.
   */
  async locate(name: string): Promise<Located> {
    if (name === "" || name.includes("\0")) return { kind: "refused", why: "names no file" };
    const path = resolve(this.path, name);
    const leads = (): Located => ({ kind: "refused", why: `leads out of ${this.path}` });
    if (!this.contains(path) || path === this.path) return leads();
    const folder = await this.#realFolderOf(dirname(path));
    if (folder === null) return { kind: "missing", path };
    if (!this.contains(folder)) return leads();
    const status = await this.#look.at(path);
    if (status === null) return { kind: "missing", path };
    if (!status.isSymbolicLink()) return { kind: "there", path };
    const real = await realpath(path).catch(() => null);
    if (real === null) return { kind: "missing", path };
    return this.contains(real) ? { kind: "there", path: real } : leads();
  }

  #realFolderOf(folder: string): Promise<string | null> {
    const known = this.#folders.get(folder);
    if (known !== undefined) return known;
    if (this.#folders.size >= REMEMBERED) this.#folders.clear();
    const asking = realpath(folder).catch(() => null);
    this.#folders.set(folder, asking);
    return asking;
  }
}

/** The real path of a folder. Rejects with exit 3 when it is not there. */
export async function realFolder(path: string): Promise<string> {
  return realpath(path).catch((cause: unknown) => {
    throw dataError(`${path} is not there.`, { reason: "DATA_MISSING", path, cause });
  });
}
