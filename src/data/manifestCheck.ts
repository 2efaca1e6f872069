import { fileState, isUnchanged, isUnchangedAsync } from "./fileState.js";
import { type ManifestHeader, type ManifestReader, sealed, writeHeader } from "./manifestFile.js";
import { type FileRecord, isFile, isReadable } from "./manifestRecord.js";
import { isTooFresh } from "./manifestReuse.js";

/** Files that are looked at before anything else has its turn. */
const SLICE = 128;
/** A slice that takes longer lies on a slow disk, which is better asked for several files at once. */
const SLOW_SLICE_MS = 25;

/**
 * Whether the files of a manifest are as they were when their checksums were made: by size and
 * time, and by content where a file had changed so shortly before that its time cannot tell.
 * What could not be read is tried again.
 */
export async function filesAreUnchanged(folder: string, reader: ManifestReader, header: ManifestHeader, signal: AbortSignal | undefined): Promise<boolean> {
  if (!header.files) return true;
  const atMs = Date.now();
  const watch = new FileWatch(header.readAtMs, atMs);
  for await (const records of reader.records({ from: 0, to: header.count })) {
    signal?.throwIfAborted();
    if (!(await watch.areUnchanged(records.filter(isFile)))) return false;
  }
  // What was too fresh was read again, so that it need not be the next time.
  if (watch.readAgain && !watch.stillFresh) await writeHeader(folder, sealed({ ...header, readAtMs: atMs }));
  return true;
}

class FileWatch {
  readAgain = false;
  stillFresh = false;
  #slow = false;
  /** Members of a tar follow one another; the tar is looked at once. */
  #last = "";

  constructor(
    private readonly readAtMs: number,
    private readonly nowMs: number,
  ) {}

  async areUnchanged(records: readonly FileRecord[]): Promise<boolean> {
    for (let start = 0; start < records.length; start += SLICE) {
      const slice = records.slice(start, start + SLICE);
      const began = performance.now();
      if (this.#slow) {
        if ((await Promise.all(slice.map((record) => this.#sameAsync(record)))).includes(false)) return false;
      } else if (!slice.every((record) => this.#same(record))) return false;
      this.#slow = performance.now() - began > SLOW_SLICE_MS;
      for (const record of slice) if (!(await this.#sameContent(record))) return false;
    }
    return true;
  }

  #same({ path, state }: FileRecord): boolean {
    if (!isReadable(state) || path === this.#last) return true;
    this.#last = path;
    return isUnchanged(path, state);
  }

  async #sameAsync({ path, state }: FileRecord): Promise<boolean> {
    return !isReadable(state) || isUnchangedAsync(path, state);
  }

  async #sameContent({ path, range, state }: FileRecord): Promise<boolean> {
    if (isReadable(state) && !isTooFresh(state, this.readAtMs)) return true;
    const found = await fileState(path, range);
    if (!isReadable(state)) return !isReadable(found);
    this.readAgain = true;
    if (isTooFresh(state, this.nowMs)) this.stillFresh = true;
    return isReadable(found) && found.sha256 === state.sha256;
  }
}
