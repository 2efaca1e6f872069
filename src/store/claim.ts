import { mkdir, readdir, readFile, rm, rmdir } from "node:fs/promises";
import { hostname } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

import { usageError } from "../errors.js";
import { writeFileWhole } from "./files.js";
import { isAlive, processStart } from "./processes.js";

const PREFIX = "claim-";
const POLL_MS = 200;

/** Who works in a folder. */
interface Claimant {
  readonly host: string;
  readonly pid: number;
  readonly start: string | null;
}

export interface ClaimOptions {
  readonly signal: AbortSignal | undefined;
  /** Hears, once, which process has the folder. */
  readonly onWait: (pid: number) => void;
}

/** Folders that this process works in; one claim of ours is no less in the way of another. */
const OURS = new Set<string>();

/**
 * A folder that one process at a time works in. Each that wants to leaves a file there first and
 * looks for others' second, so two never miss each other; whoever finds another living one takes
 * its own away and waits. What a process that is gone left behind is removed.
 */
export class Claim {
  private constructor(
    private readonly folder: string,
    private readonly file: string,
    /** Whether another process was in the folder before. */
    readonly waited: boolean,
  ) {}

  /** Waits until nobody else works in the folder, which is made. Exit 2 when it is in use on another machine. */
  static async on(folder: string, { signal, onWait }: ClaimOptions): Promise<Claim> {
    const own: Claimant = { host: hostname(), pid: process.pid, start: processStart(process.pid) };
    const name = `${PREFIX}${own.pid}.json`;
    for (let waited = false; ; waited = true) {
      signal?.throwIfAborted();
      let other: Claimant | null = OURS.has(folder) ? own : null;
      if (other === null) {
        OURS.add(folder);
        try {
          await mkdir(folder, { recursive: true });
          await writeFileWhole(join(folder, name), `${JSON.stringify(own)}\n`);
          const found = await holder(folder, name, own);
          if (found === null) return new Claim(folder, join(folder, name), waited);
          other = found;
          await rm(join(folder, name), { force: true });
        } catch (error) {
          OURS.delete(folder);
          // The one before us took the folder away at this very moment.
          if (hasCode(error, "ENOENT")) continue;
          throw error;
        }
        OURS.delete(folder);
      }
      if (other.host !== own.host) {
        throw usageError(
          `${folder} is in use by process ${other.pid} on ${other.host}. Wait for it; if it is gone, remove ${join(folder, `${PREFIX}${other.pid}.json`)}.`,
          { reason: "IN_USE", path: folder },
        );
      }
      if (!waited) onWait(other.pid);
      // Two that came at the same moment must not meet again and again.
      await sleep(POLL_MS * (0.5 + Math.random()), undefined, signal === undefined ? {} : { signal }).catch(() => undefined);
    }
  }

  /** Lets others in; also when the folder itself is gone. */
  async release(): Promise<void> {
    // The file first: the next claim of this process has one of the same name.
    await rm(this.file, { force: true }).finally(() => OURS.delete(this.folder));
  }

  /** The same of a folder that is there for its claims alone, which goes with the last of them. */
  async releaseFolder(): Promise<void> {
    try {
      await rm(this.file, { force: true });
      await removeUnclaimed(this.folder);
    } finally {
      OURS.delete(this.folder);
    }
  }
}

/** Whether a living process works in a folder, as far as this machine can tell. */
export async function isClaimed(folder: string): Promise<boolean> {
  return (await holder(folder, "", { host: hostname() })) !== null;
}

/** Removes a folder that is there for its claims alone, unless somebody has one. Who is about to leave one makes the folder again. */
export async function removeUnclaimed(folder: string): Promise<void> {
  await rmdir(folder).catch((error: unknown) => {
    if (!hasCode(error, "ENOTEMPTY") && !hasCode(error, "EEXIST") && !hasCode(error, "ENOENT")) throw error;
  });
}

/** The first other claimant that is there still; those that are gone are removed. Rejects with ENOENT when `own` is not there. */
async function holder(folder: string, own: string, { host }: Pick<Claimant, "host">): Promise<Claimant | null> {
  const names = await readdir(folder);
  if (own !== "" && !names.includes(own)) throw Object.assign(new Error("the claim was taken away"), { code: "ENOENT" });
  for (const name of names) {
    if (name === own || !name.startsWith(PREFIX) || !name.endsWith(".json")) continue;
    const other = await read(join(folder, name), host);
    if (other === null) continue;
    if (other.host !== host || isThere(other)) return other;
    await rm(join(folder, name), { force: true });
  }
  return null;
}

function isThere({ pid, start }: Claimant): boolean {
  if (!isAlive(pid)) return false;
  const now = processStart(pid);
  // Another process may have got the number since.
  return start === null || now === null || now === start;
}

/** Null when it was taken away in the meantime. */
async function read(path: string, host: string): Promise<Claimant | null> {
  const text = await readFile(path, "utf8").catch(() => null);
  if (text === null) return null;
  try {
    return JSON.parse(text) as Claimant;
  } catch {
    // Cut off by a power failure: only its name is left.
    return { host, pid: Number.parseInt(path.slice(path.lastIndexOf(PREFIX) + PREFIX.length), 10), start: null };
  }
}

function hasCode(error: unknown, code: string): boolean {
  return error instanceof Error && "code" in error && error.code === code;
}
