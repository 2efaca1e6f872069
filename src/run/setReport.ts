import { createWriteStream, type WriteStream } from "node:fs";
import { open } from "node:fs/promises";
import { once } from "node:events";
import { resolve } from "node:path";

import type { Finding } from "../data/sets/findings.js";
import { dataError } from "../errors.js";
import { refuseExisting } from "./newFile.js";
import type { Verification } from "./verifySet.js";

/** Every finding of a verification in a file, a line of JSON each, and the result as the last. What was found stays there when it is broken off. */
export class SetReport {
  #failure: Error | undefined;

  private constructor(
    readonly path: string,
    private readonly stream: WriteStream,
  ) {
    stream.on("error", (error) => (this.#failure = error));
  }

  /** Exit 2 where the file is there already, 3 where it cannot be written. */
  static async create(typed: string): Promise<SetReport> {
    const path = resolve(typed);
    await refuseExisting("report", path);
    const file = await open(path, "wx").catch((cause: unknown) => {
      throw dataError(`${path} cannot be written. Does its folder exist, and may you write there?`, { reason: "UNWRITABLE", path, cause });
    });
    return new SetReport(path, createWriteStream("", { fd: file }));
  }

  add(finding: Finding): void {
    this.stream.write(`${JSON.stringify({ event: "finding", ...finding })}\n`);
  }

  /** Ends the file, with the result where there is one. Exit 3 where not all could be written. */
  async close(result: Verification | null): Promise<void> {
    this.stream.end(result === null ? "" : `${JSON.stringify({ event: "verified", ...result })}\n`);
    if (this.#failure === undefined && !this.stream.closed) await once(this.stream, "close").catch(() => undefined);
    if (this.#failure !== undefined) throw dataError(`${this.path} could not be written to its end (${this.#failure.message}).`, { reason: "UNWRITABLE", path: this.path, cause: this.#failure });
  }
}
