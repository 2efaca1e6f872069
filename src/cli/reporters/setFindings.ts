import type { Finding } from "../../data/sets/findings.js";
import { renderFinding, renderVerification } from "../../report/setsVerification.js";
import type { SetProgress } from "../../run/setPace.js";
import type { Verification } from "../../run/verifySet.js";
import { SetProgressLine } from "./setProgress.js";

/** Findings that a terminal shows; more are in --report and --json. */
const MOST_FAULTS = 20;
const MOST_KNOWN = 3;

/** Shows what a verification finds, as lines or as JSON; a terminal gets the first findings once the work is done or broken off. */
export class SetFindings {
  readonly #progress = new SetProgressLine();
  readonly #faults: Finding[] = [];
  readonly #known: Finding[] = [];
  readonly #count = { fault: 0, known: 0, missing: 0 };
  readonly #width = process.stdout.isTTY ? process.stdout.columns : Infinity;

  /** Faults beyond these are counted only. */
  readonly shown: number;

  constructor(private readonly json: boolean) {
    this.shown = json ? Infinity : MOST_FAULTS;
  }

  readonly onFinding = (finding: Finding): void => {
    if (this.json) {
      process.stdout.write(`${JSON.stringify({ event: "finding", ...finding })}\n`);
      return;
    }
    this.#count[finding.severity] += 1;
    if (finding.severity === "fault" && this.#faults.length < MOST_FAULTS) this.#faults.push(finding);
    if (finding.severity === "known" && this.#known.length < MOST_KNOWN) this.#known.push(finding);
  };

  readonly onProgress = (progress: SetProgress): void => {
    if (!this.json) this.#progress.show("verify", "files", progress);
  };

  readonly onResult = (result: Verification): void => {
    if (this.json) {
      process.stdout.write(`${JSON.stringify({ event: "verified", ...result })}\n`);
      return;
    }
    this.close();
    for (const line of renderVerification(result, this.#width)) process.stdout.write(`${line}\n`);
  };

  /** Ends the progress and shows what was found, once. */
  close(): void {
    this.#progress.close();
    const lines = [
      ...this.#faults.splice(0).flatMap((finding) => renderFinding(finding, this.#width)),
      ...more(this.#count.fault - MOST_FAULTS, "wrong"),
      ...(this.#known.length === 0 ? [] : ["known oddities of the published annotations, which are handled:"]),
      ...this.#known.splice(0).flatMap((finding) => renderFinding(finding, this.#width).slice(0, 1)),
      ...more(this.#count.known - MOST_KNOWN, "known"),
    ];
    this.#count.fault = this.#count.known = 0;
    for (const line of lines) process.stdout.write(`${line}\n`);
  }
}

function more(count: number, what: string): readonly string[] {
  return count > 0 ? [`… and ${count} more ${what}: --report FILE or --json has them all`] : [];
}
