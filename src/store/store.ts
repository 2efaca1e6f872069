import { mkdir, readdir, readFile, rename, rm, stat } from "node:fs/promises";
import { dirname, join, relative, resolve } from "node:path";

import { fileSha256, type Json } from "./checksums.js";
import { Claim, type ClaimOptions, isClaimed, removeUnclaimed } from "./claim.js";
import { syncFolder, writeFileWhole } from "./files.js";
import { ENTRY_FILE, entryKey, type EntryManifest, PendingFolder, sealOf } from "./pendingFolder.js";
import { isAlive } from "./processes.js";

/** Begins a file that stands for a store; the way to it follows. */
const LINK = "store: ";

/** A finished output. */
export interface StoreEntry {
  readonly folder: string;
  readonly manifest: EntryManifest;
  /** Absolute path of one of its files. */
  path(name: string): string;
}

/** An entry found damaged, and removed so that it is made again. */
export interface DamagedEntry {
  readonly folder: string;
  readonly problem: string;
}

/**
 * Finished outputs, addressed by a hash of all that can change them: one folder
 * each below `stage/`. An output is written aside and renamed when it is whole, and
 * its checksums are compared every time it is taken out again.
 */
export class Store {
  private constructor(readonly root: string) {}

  /**
   * Makes `path` stand for the store in `root`: a file with the way there. Not a symbolic link, which
   * those who copy the folder around it would follow, and copy the store.
   */
  static async link(path: string, root: string): Promise<void> {
    await writeFileWhole(path, `${LINK}${relative(dirname(path), root)}\n`);
  }

  /** Where shards of unfinished outputs are. */
  get partials(): string {
    return join(this.root, "partial");
  }

  /** Where the manifests of sources are. */
  get manifests(): string {
    return join(this.root, "manifests");
  }

  /** Where those who make an output say so. */
  get claims(): string {
    return join(this.root, "claims");
  }

  /**
   * Opens the store in `root`, making it, and clearing what earlier processes left half-written.
   * `root` may be a file that `link` has written, as long as the store that it names is there.
   */
  static async open(root: string): Promise<Store> {
    const place = await linkedFrom(root);
    await mkdir(join(place, "pending"), { recursive: true });
    const store = new Store(place);
    await store.#clearAbandoned();
    return store;
  }

  /**
   * The finished output of these inputs, checksums compared, or null. One that does not
   * match its checksums is removed; `onDamaged` hears of it, and null is returned.
   */
  async find(stage: string, inputs: Json, onDamaged: (entry: DamagedEntry) => void, signal?: AbortSignal): Promise<StoreEntry | null> {
    const key = entryKey(stage, inputs);
    const folder = join(this.root, stage, key);
    let text: string;
    try {
      text = await readFile(join(folder, ENTRY_FILE), "utf8");
    } catch {
      return null;
    }
    const checked = await check(folder, key, text, signal);
    if (typeof checked !== "string") return checked;
    onDamaged({ folder, problem: checked });
    await this.#remove(folder);
    return null;
  }

  /** The sole right to make the output of these inputs, waiting while another has it; `Claim.releaseFolder` gives it up. */
  claim(stage: string, inputs: Json, options: ClaimOptions): Promise<Claim> {
    return Claim.on(join(this.claims, `${stage}-${entryKey(stage, inputs)}`), options);
  }

  /** A folder to write an output into; nobody sees it before `commit`. */
  begin(): Promise<PendingFolder> {
    return PendingFolder.in(join(this.root, "pending"));
  }

  /** Describes a written output, and puts it where it is found. */
  async commit(pending: PendingFolder, stage: string, inputs: Json, names: readonly string[], facts: Readonly<Record<string, Json>>): Promise<StoreEntry> {
    const manifest = await pending.describe(stage, inputs, names, facts);
    const stageFolder = join(this.root, stage);
    await mkdir(stageFolder, { recursive: true });
    const folder = join(stageFolder, manifest.key);
    // Another run may have finished the same output in the meantime, or it is made anew.
    for (;;) {
      try {
        await rename(pending.path, folder);
        break;
      } catch (error) {
        if (!hasCode(error, "ENOTEMPTY", "EEXIST")) throw error;
        await this.#remove(folder);
      }
    }
    await syncFolder(stageFolder);
    return entry(folder, manifest);
  }

  /** Takes an entry out with one rename, so that nobody finds a part of it, and then removes it. */
  async #remove(folder: string): Promise<void> {
    const aside = await this.begin();
    try {
      await rename(folder, aside.path);
    } catch (error) {
      // Another process was first.
      if (!hasCode(error, "ENOENT")) throw error;
    } finally {
      await aside.discard();
    }
  }

  /** Removes half-written outputs of processes that are gone. */
  async #clearAbandoned(): Promise<void> {
    const pending = join(this.root, "pending");
    for (const name of await readdir(pending)) {
      const pid = Number.parseInt(name, 10);
      if (!Number.isInteger(pid) || !isAlive(pid)) await rm(join(pending, name), { recursive: true, force: true });
    }
    await this.#clearFinished();
    await this.#clearClaims();
  }

  /** Removes what those who claimed an output and are gone have left. */
  async #clearClaims(): Promise<void> {
    for (const name of await readdir(this.claims).catch(() => [])) {
      const folder = join(this.claims, name);
      // Gone since it was listed, or in use on another machine.
      if (await isClaimed(folder).catch(() => true)) continue;
      await removeUnclaimed(folder);
    }
  }

  /**
   * Removes the shards of outputs that were finished since. Those of unfinished ones stay,
   * however old they are: hours of work may lie in them, and only their user knows.
   */
  async #clearFinished(): Promise<void> {
    for (const key of await readdir(this.partials).catch(() => [])) {
      const finished = await stat(join(this.root, "encode", key, ENTRY_FILE)).catch(() => null);
      if (finished === null || (await isClaimed(join(this.partials, key)).catch(() => true))) continue;
      await rm(join(this.partials, key), { recursive: true, force: true });
    }
  }
}

/** The store that a file names, or `root` itself. A file that leads nowhere gives way to a store of its own. */
async function linkedFrom(root: string): Promise<string> {
  if ((await stat(root).catch(() => null))?.isFile() !== true) return root;
  const text = await readFile(root, "utf8");
  // Some other file is in the way; that is for whoever put it there.
  if (!text.startsWith(LINK)) return root;
  const place = resolve(dirname(root), text.slice(LINK.length).trimEnd());
  if ((await stat(place).catch(() => null))?.isDirectory() === true) return place;
  await rm(root, { force: true });
  return root;
}

/** The entry, or what is wrong with it. */
async function check(folder: string, key: string, text: string, signal: AbortSignal | undefined): Promise<StoreEntry | string> {
  try {
    const manifest = JSON.parse(text) as EntryManifest;
    if (manifest.seal !== sealOf(manifest) || manifest.key !== key || entryKey(manifest.stage, manifest.inputs) !== key) return `${ENTRY_FILE} was changed`;
    for (const [name, expected] of Object.entries(manifest.files)) {
      const path = join(folder, name);
      const { size } = await stat(path);
      if (size !== expected.bytes) return `${name} has ${size} bytes in place of ${expected.bytes}`;
      if ((await fileSha256(path, signal)) !== expected.sha256) return `${name} does not match its checksum`;
    }
    return entry(folder, manifest);
  } catch (error) {
    signal?.throwIfAborted();
    return error instanceof Error ? error.message : String(error);
  }
}

function entry(folder: string, manifest: EntryManifest): StoreEntry {
  return { folder, manifest, path: (name) => join(folder, name) };
}

function hasCode(error: unknown, ...codes: readonly string[]): boolean {
  return error instanceof Error && "code" in error && typeof error.code === "string" && codes.includes(error.code);
}
