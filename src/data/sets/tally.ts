import type { SetCopy } from "./copy.js";
import type { SetDefinition } from "./definition.js";
import type { Finding } from "./findings.js";

/** A count of a copy beside the published one. */
export interface CountState {
  readonly name: string;
  readonly found: number;
  readonly published: number;
  readonly state: "whole" | "variant" | "subset" | "wrong";
  /** What is to be known of a variant. */
  readonly what?: string;
}

/**
 * What was counted in a copy, held against what is published: fewer of what may be fewer are a
 * subset; more than published, or fewer where all the rest is whole, are a fault. Counts of files that
 * could not be read to their end, or are not there, are left out.
 */
export function tally(copy: SetCopy, { counts, faults, layout }: SetDefinition): { readonly counts: readonly CountState[]; readonly findings: readonly Finding[] } {
  const states = new Map<string, CountState>();
  const findings: Finding[] = [];
  const broken = copy.unread.size > 0;
  const main = layout[0]?.path ?? "";
  for (const { name, published, variants = [], with: other } of counts) {
    const found = copy.counts.get(name);
    if (found === undefined) continue;
    const variant = variants.find(({ count }) => count === found);
    const needsAll = other !== undefined && states.get(other)?.state === "whole" && !broken;
    const state = found === published ? "whole" : variant !== undefined ? "variant" : found < published && !needsAll ? "subset" : "wrong";
    states.set(name, { name, found, published, state, ...(variant === undefined ? {} : { what: variant.what }) });
    if (state === "wrong") {
      const message = found > published ? `has ${found} ${name}, and ${published} are published` : `has ${found} ${name} where ${published} are published, and all ${states.get(other ?? "")?.found ?? ""} ${other ?? ""} are there`;
      findings.push({ severity: "fault", reason: "WRONG_COUNT", file: main, at: "", message, fix: "Load the annotations again" });
    }
  }
  for (const { key, published, with: other } of faults) {
    const found = copy.knownFaults.get(key) ?? 0;
    if (published === null || other === undefined || broken) continue;
    const whole = states.get(other)?.state === "whole";
    if (whole ? found === published : found <= published) continue;
    findings.push({ severity: "fault", reason: "WRONG_COUNT", file: main, at: "", message: `${found} times ${key.replaceAll("-", " ")}, and the published file has ${published}`, fix: "Load the annotations again" });
  }
  return { counts: [...states.values()], findings };
}
