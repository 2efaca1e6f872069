import { stat } from "node:fs/promises";

import { SetCopy } from "../data/sets/copy.js";
import type { Claim, SetDefinition } from "../data/sets/definition.js";
import { checkFile, type FileHealth } from "../data/sets/files/check.js";
import type { Finding } from "../data/sets/findings.js";
import { lacking, layoutState, missingParts } from "../data/sets/layout.js";
import { Presence } from "../data/sets/presence.js";
import { type CountState, tally } from "../data/sets/tally.js";
import { mapInOrder } from "../data/sources/inOrder.js";
import { SeenTexts } from "../data/sources/uniqueIds.js";
import { PointCounts } from "./pointCounts.js";
import { COUNTING, SetPace, type SetProgress } from "./setPace.js";
import { somethingThere } from "./setArguments.js";

/** Files that are looked at together. */
const LOOKED_AT = 32;

export interface VerifyRequest {
  readonly definition: SetDefinition;
  /** Absolute; it is there. */
  readonly root: string;
  /** Names and sizes only. */
  readonly quick: boolean;
  /** Whether files that are not there make a subset, and no fault. */
  readonly subset: boolean;
}

export interface VerifyHearer {
  readonly onFinding: (finding: Finding) => void;
  readonly onProgress: (progress: SetProgress) => void;
}

/** What became of the files of one folder. */
export interface FolderState {
  readonly folder: string;
  readonly named: number;
  readonly there: number;
}

/** What a verification came to. */
export interface Verification {
  readonly name: string;
  readonly root: string;
  readonly quick: boolean;
  /** Whether nothing is wrong with the copy: with what there is of it, where it is a subset. */
  readonly whole: boolean;
  /** Whether it has fewer items than are published, or files that are named are not there. */
  readonly subset: boolean;
  readonly files: number;
  readonly bytes: number;
  readonly folders: readonly FolderState[];
  readonly counts: readonly CountState[];
  readonly findings: Readonly<Record<Finding["severity"], number>>;
  readonly seconds: number;
}

/**
 * Goes over a copy of a data set: its layout, its annotations, and each file that they name. What
 * is found is told at once and not kept. Rejects with exit 3 where nothing of the data set is there.
 */
export async function verifySet(request: VerifyRequest, hearer: VerifyHearer, signal: AbortSignal): Promise<Verification> {
  const { definition, root } = request;
  await somethingThere(root, definition);
  return new SetVerification(request, hearer, signal).run();
}

type Looked = { readonly claim: Claim; readonly place: string; readonly path: string; readonly size: number | null; readonly health: FileHealth | null };

class SetVerification {
  readonly #started = performance.now();
  readonly #findings = { fault: 0, known: 0, missing: 0 };
  readonly #folders = new Map<string, { named: number; there: number }>();
  readonly #points = new PointCounts();
  readonly #copy: SetCopy;
  readonly #presence: Presence;
  #files = 0;
  #bytes = 0;

  constructor(
    private readonly request: VerifyRequest,
    private readonly hearer: VerifyHearer,
    private readonly signal: AbortSignal,
  ) {
    this.#copy = new SetCopy(request.root, { signal, report: (finding) => { this.#report(finding); } });
    this.#presence = new Presence(this.#copy);
  }

  async run(): Promise<Verification> {
    const { definition, root, quick } = this.request;
    const states = await layoutState(this.#copy, definition);
    const there = new Set(states.filter((state) => state.there).map(({ entry }) => entry.path));
    for (const { path, get } of missingParts(lacking(states))) this.#report({ severity: "fault", reason: "MISSING", file: path, at: "", message: path.endsWith("/") ? "is not there, or is empty" : "is not there", fix: get });
    for (const { path } of states.filter((state) => state.there && !state.entry.path.includes("<") && !state.entry.path.endsWith("/")).map(({ entry }) => entry)) await this.#checkSize(path);
    const total = await this.#countClaims(there);
    const pace = new SetPace(total);
    let done = 0;
    for await (const looked of mapInOrder(this.#claims(this.#copy, there), LOOKED_AT, (named) => this.#look(named))) {
      this.signal.throwIfAborted();
      done += 1;
      this.#take(looked);
      this.hearer.onProgress(pace.reached(done));
    }
    for (const finding of this.#points.findings()) this.#report(finding);
    const { counts, findings } = tally(this.#copy, definition);
    for (const finding of findings) this.#report(finding);
    const folders = [...this.#folders].map(([folder, state]) => ({ folder, ...state }));
    return {
      name: definition.name,
      root,
      quick,
      whole: this.#findings.fault === 0,
      subset: counts.some(({ state }) => state === "subset") || folders.some((state) => state.there < state.named),
      files: this.#files,
      bytes: this.#bytes,
      folders,
      counts,
      findings: { ...this.#findings },
      seconds: (performance.now() - this.#started) / 1000,
    };
  }

  /** How many files there are to look at: the annotations are read once for that. */
  async #countClaims(there: ReadonlySet<string>): Promise<number> {
    let count = 0;
    this.hearer.onProgress(COUNTING);
    const silent = new SetCopy(this.request.root, { signal: this.signal, report: () => undefined });
    for await (const _ of this.#claims(silent, there)) count += 1;
    return count;
  }

  /** The files that the annotations name, each once; those of folders that are not there are passed over, since the layout tells that. */
  async *#claims(copy: SetCopy, there: ReadonlySet<string>): AsyncGenerator<{ readonly claim: Claim; readonly place: string }> {
    const seen = new SeenTexts();
    for await (const { claims, place } of this.request.definition.read(copy)) {
      this.signal.throwIfAborted();
      for (const claim of claims) if (there.has(claim.folder) && !seen.add(claim.path)) yield { claim, place };
    }
  }

  async #look({ claim, place }: { readonly claim: Claim; readonly place: string }): Promise<Looked> {
    const present = await this.#presence.find(claim.path, claim.kind);
    if (present === null) return { claim, place, path: claim.path, size: null, health: null };
    const { path, status } = present;
    if (!status.isFile()) return { claim, place, path, size: 0, health: { problem: { reason: "NOT_A_FILE", message: "is a folder; a file is expected" } } };
    const health = this.request.quick ? { problem: status.size === 0 ? { reason: "EMPTY", message: "is empty" } : null } : await checkFile(this.#copy.path(path), claim.kind);
    return { claim, place, path, size: status.size, health };
  }

  #take({ claim, place, path, size, health }: Looked): void {
    const folder = this.#folders.get(claim.folder) ?? { named: 0, there: 0 };
    this.#folders.set(claim.folder, folder);
    folder.named += 1;
    if (size === null || health === null) {
      const { definition, subset } = this.request;
      const expected = subset || definition.attrition;
      this.#report({ severity: expected ? "missing" : "fault", reason: "MISSING", file: path, at: "", message: `is not there; ${place} names it`, fix: claim.cut === undefined ? "Load it, or leave its entry out" : `Load it, or cut it from the video ${claim.cut.video}: cmcr data prepare ${definition.name}` });
      return;
    }
    folder.there += 1;
    this.#files += 1;
    this.#bytes += size;
    if (health.problem !== null) this.#report({ severity: "fault", ...health.problem, file: path, at: "", fix: "Load or make it again" });
    else if (health.points !== undefined) this.#points.add(path, health.points);
  }

  async #checkSize(path: string): Promise<void> {
    const { size } = await stat(this.#copy.path(path));
    this.#files += 1;
    this.#bytes += size;
    if (size === 0) this.#report({ severity: "fault", reason: "EMPTY", file: path, at: "", message: "is empty", fix: "Load the file again" });
  }

  #report(finding: Finding): void {
    this.#findings[finding.severity] += 1;
    this.hearer.onFinding(finding);
  }
}
